"""Which image files there are: those that are listed, and whether training and validation show the
same ones."""
import hashlib
import os
from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import cache

import numpy as np

from datasets.crops.image_files import entries_of, missing_files, spelled_otherwise
from datasets.doctor.check_records import SAME_JOINTS
from datasets.doctor.finding import Finding, examples_of
from datasets.doctor.raw_labels import RawLabels

ENDS = 4096             # bytes at either end that tell images of the same length apart


def missing_images(labels: RawLabels) -> Iterator[Finding]:
    """Images that are listed and not there."""
    root, names = labels.part.img_root, labels.file_names
    if not len(names):
        return
    if not root.is_dir():
        yield Finding("missing_images", labels.name, f"the folder of images {root} does not exist",
                      f"training stops at once: correct {labels.part.root_key}", len(names))
        return
    gone = missing_files(root, names.tolist())
    if not gone:
        return
    hint = spelled_otherwise(root, gone)
    lost = int((labels.placed & np.isin(names, gone)[labels.image_rows]).sum())
    yield Finding("missing_images", labels.name, f"{len(gone)} of {len(names)} images are not in "
                  f"{root}{hint}", f"training stops at once, or with data.skip_broken goes on "
                  f"without their {lost} persons: add them, or correct "
                  f"{labels.part.root_key}", len(gone), examples_of(gone))


def overlap(training: Sequence[RawLabels], val: RawLabels) -> Iterator[Finding]:
    """Images of the validation set that are trained on."""
    for train in training:
        same = same_files(train, val) | same_people(train, val)
        if same:
            rows = sorted(same)
            yield Finding("overlap", f"{train.name} and {val.name}", f"{len(rows)} of "
                          f"{len(val.file_names)} validation images are in the {train.name}, too",
                          "AP on people the network was trained on is far too high and says "
                          "nothing about others: take them out of one of the two", len(rows),
                          examples_of(val.file_names[rows].tolist()))


def same_files(train: RawLabels, val: RawLabels) -> set[int]:
    """Rows of val's images that are an image of train, by path or by content.

    Content is compared by length and both ends only: no two photographs share these.
    """
    paths, theirs = set(_paths(train)), list(_paths(val))
    same = {row for row, path in enumerate(theirs) if path in paths}
    by_length = defaultdict(list)
    for path, length in _lengths(train):
        by_length[length].append(path)
    digest = cache(_digest)
    rows = {path: row for row, path in enumerate(theirs)}
    for path, length in _lengths(val):
        if rows[path] not in same and length in by_length:
            if any(digest(other) == digest(path) for other in by_length[length]):
                same.add(rows[path])
    return same


def same_people(train: RawLabels, val: RawLabels) -> set[int]:
    """Rows of val's images with a person whose joints are those of one in train to a pixel: the
    same photograph, even if the file and its labels were written anew."""
    known = {line for line, _ in _poses(train)}
    return {row for line, row in _poses(val) if line in known}


def _poses(labels: RawLabels) -> Iterator[tuple[bytes, int]]:
    many = labels.placed & (labels.labelled.sum(axis=1) >= SAME_JOINTS)
    # a tool may have rounded; + 0 makes -0.0 and 0.0 the same bytes
    table = np.where(labels.labelled[many, :, None], labels.keypoints[many, :, :2].round(), 0) + 0.0
    for line, row in zip(table, labels.image_rows[many].tolist(), strict=True):
        yield line.tobytes(), row


def _paths(labels: RawLabels) -> Iterator[str]:
    root = os.path.realpath(labels.part.img_root)
    return (os.path.join(root, name) for name in labels.file_names.tolist())


def _lengths(labels: RawLabels) -> Iterator[tuple[str, int]]:
    """The files that are there with their lengths in bytes; each folder is listed once."""
    listed = cache(entries_of)
    for path in _paths(labels):
        folder, name = os.path.split(path)
        entry = listed(folder).get(name)
        if entry and entry.is_file():
            yield path, entry.stat().st_size


def _digest(path: str) -> bytes:
    """Of both ends of a file; empty files are told apart by their names."""
    with open(path, "rb") as file:
        start = file.read(ENDS)
        file.seek(max(0, file.seek(0, 2) - ENDS))
        return hashlib.sha1(start + file.read() or path.encode()).digest()
