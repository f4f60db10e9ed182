"""Annotation cache: the arrays of a large annotation file, kept for the next start.

Reading 230 MB of JSON takes seconds that every start of a run would pay anew. The cache lies
beside the annotation file, or in the user's cache folder where that one cannot be written. It
holds the checksum of the file it was made from and counts only for exactly that content.
"""
import hashlib
import json
import os
import zipfile
from contextlib import suppress
from dataclasses import fields
from pathlib import Path

import numpy as np

from datasets.annotations.persons import PersonTable
from datasets.annotations.readers import read_persons
from datasets.annotations.skeleton import Skeleton
from utils.files import open_file, write_atomically
from utils.json_file import parse_json
from utils.log import log

VERSION = 7
SMALLEST = 4_000_000    # bytes; smaller files are read at once and need no cache


def cached_persons(path: str | Path, skeleton: Skeleton, alignment: str, key: str,
                        category: str | int = "") -> PersonTable:
    """`read_persons`, from the cache if the file is large and still the same.

    Raises what that raises. A cache that cannot be read or written is done without.
    """
    path, made_from, places = Path(path), "", []
    if path.is_file() and path.stat().st_size >= SMALLEST:
        with suppress(OSError):     # reading it says what is wrong
            made_from = (f"{VERSION} {' '.join(skeleton.joint_names)} {category!r} {alignment} "
                         f"{checksum(path)}")
            places = cache_paths(path, skeleton, alignment)
    for place in places:
        if (kept := _load(place, made_from)) is not None:
            return kept
    if places:
        log.info("reading %s; the next start will find its persons in a cache", path)
    persons = read_persons(path, skeleton, alignment, key, category)
    for place in places:
        if _save(place, persons, made_from):
            break
    return persons


def checksum(path: Path) -> str:
    """SHA-1 of a file's content, some tenths of a second for 230 MB; dates and sizes can stay the
    same when a file changes."""
    with open_file(path) as file:
        digest = hashlib.sha1(usedforsecurity=False)
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def cache_paths(path: Path, skeleton: Skeleton, alignment: str) -> list[Path]:
    """Where the cache may lie, the better place first."""
    folder = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "simplepose"
    end = f"{skeleton.num_joints}-{alignment}.cache.npz"
    whole = str(path.resolve()).encode()
    return [path.with_name(f"{path.name}.{end}"),
            folder / f"{path.name}.{hashlib.sha1(whole).hexdigest()[:12]}.{end}"]


def _load(place: Path, made_from: str) -> PersonTable | None:
    try:
        with open_file(place) as file, np.load(file, allow_pickle=False) as arrays:
            if str(arrays["made_from"]) != made_from:
                return None
            columns = {field.name: arrays[field.name] for field in fields(PersonTable)}
            columns["notes"] = parse_json(str(columns["notes"]))
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None     # not there, not readable, or cut short: it is made again
    return PersonTable(**columns)


def _save(place: Path, persons: PersonTable, made_from: str) -> bool:
    """Whether it could be written."""
    columns = {field.name: getattr(persons, field.name) for field in fields(PersonTable)}
    columns |= {"notes": np.array(json.dumps(persons.notes)), "made_from": np.array(made_from)}
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(place, lambda file: np.savez(file, **columns))
    except OSError:
        return False
    return True
