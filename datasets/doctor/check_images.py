"""What the doctor looks for in image files: whether they are there, what size they have, and
whether training and validation show the same ones."""
import hashlib
import os
from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

import numpy as np

from datasets.crops.image_files import entries_of, missing_files, spelled_otherwise
from datasets.crops.image_header import read_header
from datasets.crops.images import ImageError, read_image
from datasets.doctor.check_records import SAME_JOINTS
from datasets.doctor.finding import Finding, examples_of
from datasets.doctor.raw_labels import RawLabels
from utils.errors import UserError

MOST_HEADERS = 3000     # files opened for their size: seconds on a disk, a minute on a network
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


def image_sizes(labels: RawLabels) -> Iterator[Finding]:
    """Images of another size than the file says, and such as cannot be read."""
    total, wrong, turned, broken = 0, [], 0, []
    for row in headers_to_read(labels):
        name = str(labels.file_names[row])
        total += 1
        try:
            size = size_of(labels.part.img_root / name)
        except (ValueError, OSError) as error:
            broken.append(f"{name} {getattr(error, 'strerror', None) or error}")
            continue
        stated = tuple(labels.image_sizes[row].astype(int).tolist())
        if size != stated:
            turned += size == stated[::-1]
            wrong.append(f"{name} is {size[0]}x{size[1]}, not {stated[0]}x{stated[1]}")
    if wrong:
        hint = ("; width and height are exchanged, as by a tool that obeys the orientation in the "
                "EXIF data" if turned == len(wrong) else "")
        yield Finding("image_sizes", labels.name, f"{len(wrong)} of the {total} images looked at "
                      f"have another size than the file says{hint}", "training stops at them, for "
                      "joints and boxes would be in the wrong places: label these images anew, or "
                      "give the images that were labelled", len(wrong), examples_of(wrong))
    if broken:
        yield Finding("image_sizes", labels.name, f"{len(broken)} of the {total} images looked at "
                      f"cannot be read", "training stops at them, or with data.skip_broken goes on "
                      "without: copy them again", len(broken), examples_of(broken))


def headers_to_read(labels: RawLabels) -> list[int]:
    """Rows of the images that are there, at most MOST_HEADERS, evenly spread."""
    gone = set(missing_files(labels.part.img_root, labels.file_names.tolist()))
    rows = [row for row, name in enumerate(labels.file_names.tolist()) if name not in gone]
    places = np.linspace(0, len(rows) - 1, min(len(rows), MOST_HEADERS)).round().astype(int)
    return [rows[place] for place in places]


def size_of(path: Path) -> tuple[int, ...]:
    """(width, height) by the header, or by decoding what has none that is read. Raises UserError
    and OSError."""
    if header := read_header(path):
        return header.size
    try:
        return read_image(path).shape[1::-1]
    except ImageError:
        raise UserError("is no image") from None


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
