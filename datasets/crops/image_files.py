"""Image files: their endings, some out of many, and which of a list are not there."""
import os
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from importlib.util import find_spec
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from PIL import features

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff")     # looked for in folders
HEIF = (".heic", ".heif", ".avif")      # that a package or a new Pillow reads
MOST_ENDINGS = 5        # of skipped files that are told
NUMBER = re.compile(r"(?:COCO_\w+_)?(\d{1,18})")     # a file name whose number is the image id


def image_numbers(names: list[str]) -> tuple[list[int], bool]:
    """Ids of images: the numbers that they are called by, as in COCO, and True; where not every
    name is another number, running numbers from 1 in the order of the names, however they are
    listed, and False."""
    numbers = [NUMBER.fullmatch(Path(name).stem) for name in names]
    ids = [int(number[1]) for number in numbers if number]
    by_number = len(set(ids)) == len(names)
    running = {name: number for number, name in enumerate(sorted(names, key=Path), 1)}
    return ids if by_number else [running[name] for name in names], by_number


def places_among(names: Iterable[str], known: Sequence[str]) -> np.ndarray:
    """(N,) int64: place of each name among the known ones, by its whole name or without folders;
    -1: none."""
    whole = {one: number for number, one in enumerate(known)}
    count = Counter(PurePosixPath(one).name for one in known)
    bare = {PurePosixPath(one).name: number for number, one in enumerate(known)
            if count[PurePosixPath(one).name] == 1}
    return np.array([whole.get(one, bare.get(PurePosixPath(one).name, -1)) for one in names],
                    np.int64)


def is_image(path: Path) -> bool:
    """Whether a file's ending is that of an image that can be read here."""
    suffix = path.suffix.lower()
    return suffix in SUFFIXES or (suffix in HEIF and find_spec("pillow_heif") is not None) or (
        suffix == ".avif" and bool(features.check("avif")))


def images_among(paths: Iterable[Path]) -> tuple[list[Path], str]:
    """The images among files and folders, as `files_among`."""
    return files_among(paths, is_image)


def files_among(paths: Iterable[Path], fits: Callable[[Path], bool]) -> tuple[list[Path], str]:
    """The files that fit among files and folders, sorted, and how many others there are by their
    endings, such as "2 .mp4, 1 .gif", "" if there are none. Hidden ones do not count."""
    files = [path for path in paths if path.name[:1] != "." and path.is_file()]
    chosen = sorted(filter(fits, files))
    others = Counter(path.suffix.lower() or "without an ending"
                     for path in files if not fits(path))
    parts = [f"{count} {ending}" for ending, count in others.most_common(MOST_ENDINGS)]
    more = [f"{others.total() - sum(count for _, count in others.most_common(MOST_ENDINGS))} more"]
    cure = " (pip install pillow-heif, or convert them to JPEG)" if others.keys() & {*HEIF} else ""
    return chosen, ", ".join(parts + more * (len(others) > MOST_ENDINGS)) + cure


def spread(items: Sequence[Any], most: int) -> list[Any]:
    """At most so many of the items, evenly spread from the first to the last."""
    places = np.linspace(0, len(items) - 1, min(len(items), most)).round().astype(int)
    return [items[place] for place in places.tolist()]


def missing_files(root: str | Path, names: Iterable[str], alike: Callable[[str], str] = str,
                  ) -> list[str]:
    """Those of `names` (relative to `root`, "folder/file.jpg" too) that do not exist.

    Lists every folder once instead of asking for every file, which takes minutes on a network
    disk. alike: gives the same for file names that count as the same.
    """
    listed: dict[str, set[str]] = {}
    missing = []
    for name in names:
        folder, file_name = os.path.split(name)
        if folder not in listed:
            listed[folder] = set(map(alike, entries_of(os.path.join(root, folder))))
        if alike(file_name) not in listed[folder]:
            missing.append(name)
    return missing


def spelled_otherwise(root: str | Path, missing: Sequence[str]) -> str:
    """Why names of `missing_files` may be missing, as the end of a sentence's part; "" if no
    other spelling of them is there."""
    for words, change, alike in SPELLINGS:
        changed = [change(name) for name in missing]
        count = len(missing) - len(missing_files(root, changed, alike))
        if count:
            there = "they are" if count == len(missing) else f"{count} of them are"
            return f"; {there} there {words}"
    return ""


def _bare(name: str) -> str:
    return name.replace("\\", "/").rpartition("/")[2]


def _letters(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()


SPELLINGS: tuple[tuple[str, Callable[[str], str], Callable[[str], str]], ...] = (
    ("with / in the place of \\", lambda name: name.replace("\\", "/"), str),
    ("without the folder in file_name", _bare, str),
    ("with letters written in another Unicode form (NFC, NFD)",
     str, lambda name: unicodedata.normalize("NFC", name)),
    ("in another case, such as .JPG for .jpg", str, _letters),
    ("without the folder in file_name, and in another case or Unicode form", _bare, _letters))


def entries_of(folder: str) -> dict[str, os.DirEntry]:
    """What is in a folder, by name; nothing where there is no such folder."""
    try:
        return {entry.name: entry for entry in os.scandir(folder)}
    except PermissionError:
        raise
    except (OSError, ValueError):       # not there, a name of another system, or too long
        return {}
