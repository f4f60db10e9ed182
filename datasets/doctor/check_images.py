"""Which image files there are: those that are listed, and whether training and validation show the
same ones."""
import hashlib
import os
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import cache
from itertools import product

import cv2
import numpy as np

from datasets.crops.image_files import entries_of, missing_files, spelled_otherwise
from datasets.crops.images import ImageError, read_small
from datasets.doctor.check_records import SAME_JOINTS
from datasets.doctor.finding import Finding, examples_of
from datasets.doctor.raw_labels import RawLabels
from utils.files import read_ends

ENDS = 4096             # bytes at either end that tell images of the same length apart
CELLS = 200             # of the image's side, in which the mean of the same person's joints lies
PAIRS_AT_ONCE = 20_000
SAME_PART = 0.03        # of a person's size, by which a joint may be moved; people of few pixels
MOST_PIXELS = 3e8       # of both sets, that are decoded to be compared: some seconds
LEAST, FASTER = 64, 7   # a side of a JPEG's eighth that is enough, and what it saves
SAME_BOX = 0.1          # of a box's size, by which its corners may be elsewhere in the same picture
# Pictures as so many grey values a side. Saved anew none of them changes by more than 4, in half of
# the size by 21; in other pictures of COCO some differ by 100.
THUMBNAIL, SAME_GREY, FLAT_GREY = 32, 24, 40


def missing_images(labels: RawLabels) -> Iterator[Finding]:
    """Images that are listed and not there."""
    root, names = labels.part.img_root, labels.file_names
    if not len(names):
        return
    if not root.is_dir():
        yield Finding(f"the folder of images {root} does not exist", "training stops at once: "
                      f"correct {labels.part.root_key}", len(names))
        return
    gone = missing_files(root, names.tolist())
    if not gone:
        return
    hint = spelled_otherwise(root, gone)
    lost = int((labels.placed & np.isin(names, gone)[labels.image_rows]).sum())
    yield Finding(f"{len(gone)} of {len(names)} images are not in {root}{hint}", "training stops "
                  f"at once, or with data.skip_broken goes on without their {lost} persons: add "
                  f"them, or correct {labels.part.root_key}", len(gone), examples_of(gone))


def overlap(training: Sequence[RawLabels], val: RawLabels) -> Iterator[Finding]:
    """Images of the validation set that are trained on."""
    for train in training:
        same = {} if too_many_pixels(train, val) else same_pictures(train, val)
        same |= same_people(train, val) | same_files(train, val)
        if same:
            pairs = [(val.file_names[row], train.file_names[same[row]]) for row in sorted(same)]
            yield Finding(f"{len(same)} of {len(val.file_names)} validation images are in the "
                          f"{train.name}, too", "AP on people the network was trained on is far "
                          "too high and says nothing about others: take them out of one of the two",
                          len(same),
                          examples_of(name if name == other else f"{name} as {other}"
                                      for name, other in pairs),
                          where=f"{train.name} and {val.name}")


def same_files(train: RawLabels, val: RawLabels) -> dict[int, int]:
    """Rows of val's images that are an image of train, by path or by content, and its row.

    Content is compared by length and both ends only: no two photographs share these.
    """
    ours = {path: row for row, path in enumerate(_paths(train))}
    theirs = {path: row for row, path in enumerate(_paths(val))}
    same = {row: ours[path] for row, path in enumerate(_paths(val)) if path in ours}
    by_length = defaultdict(list)
    for path, length in _lengths(train):
        by_length[length].append(path)
    digest = cache(_digest)
    for path, length in _lengths(val):
        if theirs[path] not in same and length in by_length:
            for other in by_length[length]:
                if digest(other) == digest(path):
                    same[theirs[path]] = ours[other]
    return same


def same_people(train: RawLabels, val: RawLabels) -> dict[int, int]:
    """Rows of val's images with a person whose joints are those of one in train, as parts of the
    image and to a pixel of the smaller one, and its row: the same photograph, even if the file and
    its labels were written anew or in another size."""
    known = defaultdict(list)
    theirs, ours = _Poses(train), _Poses(val)
    for number, key in enumerate(theirs.keys((0, 0))):
        known[key].append(number)
    same: dict[int, int] = {}
    for step in product((-1, 0, 1), repeat=2):      # the cell of a mean and those around it
        pairs = np.array([(number, other) for number, key in enumerate(ours.keys(step))
                          for other in known.get(key, ())], np.int64).reshape(-1, 2)
        for start in range(0, len(pairs), PAIRS_AT_ONCE):
            mine, other = pairs[start:start + PAIRS_AT_ONCE].T
            alike = ours.same_as(mine, theirs, other)
            same.update(zip(ours.rows[mine[alike]].tolist(), theirs.rows[other[alike]].tolist(),
                            strict=True))
    return same


class _Poses:
    """Persons of a set with many joints, as parts of their image."""

    def __init__(self, labels: RawLabels):
        many = np.flatnonzero(labels.placed & (labels.seen.sum(axis=1) >= SAME_JOINTS))
        self.rows, self.seen, self.sizes = (labels.image_rows[many], labels.seen[many],
                                            labels.sizes[many])
        self.points = labels.points[many] / self.sizes[:, None]
        self.means = self.points.sum(axis=1) / self.seen.sum(axis=1)[:, None]
        low = np.where(self.seen[..., None], self.points, np.inf).min(axis=1)
        self.extents = self.points.max(axis=1) - low

    def keys(self, step: tuple[int, ...]) -> Iterator[bytes]:
        """Which joints are labelled, and the cell of their mean, or one a step beside it."""
        cells = np.nan_to_num(np.floor(self.means * CELLS)) + step
        lines = np.concatenate([self.seen, cells + 0.0], axis=1)
        return (line.tobytes() for line in lines)

    def same_as(self, mine: np.ndarray, other: "_Poses", theirs: np.ndarray) -> np.ndarray:
        """(P,) bool: whether persons are those of others, to a pixel and a part of their size;
        both have the same joints."""
        size = np.minimum(self.sizes[mine], other.sizes[theirs])
        apart = np.abs(self.points[mine] - other.points[theirs]).max(axis=1) * size
        extent = (self.extents[mine] * size).max(axis=1)
        return apart.max(axis=1) <= np.minimum(1, SAME_PART * extent)


def too_many_pixels(train: RawLabels, val: RawLabels) -> bool:
    """Whether it takes long to decode all images, so that `same_pictures` is not asked."""
    work = 0.0
    for labels in (train, val):
        jpeg = [name.lower().endswith((".jpg", ".jpeg")) for name in labels.file_names.tolist()]
        fast = np.array(jpeg, bool) & (labels.image_sizes.min(axis=1) >= 8 * LEAST)
        work += (labels.image_sizes.prod(axis=1) / np.where(fast, FASTER, 1)).sum()
    return work > MOST_PIXELS


def same_pictures(train: RawLabels, val: RawLabels) -> dict[int, int]:
    """Rows of val's images that look like one of train, and its row, whatever their size and
    format; unless all who are labelled are elsewhere, as before a camera that stands still."""
    (ours, rows), (theirs, places) = _thumbnails(val), _thumbnails(train)
    same: dict[int, int] = {}
    for row, picture in zip(rows, ours, strict=True):
        apart = np.abs(theirs - picture).max(axis=1)
        if len(apart) and np.ptp(picture) > FLAT_GREY:
            alike = (places[number] for number in np.argsort(apart)
                     if apart[number] <= SAME_GREY)
            found = next((place for place in alike if not _elsewhere(train, place, val, row)), -1)
            same |= {row: found} if found >= 0 else {}
    return same


def _elsewhere(train: RawLabels, place: int, val: RawLabels, row: int) -> bool:
    """Whether both images have people, and no box of one is a box of the other."""
    (ours, theirs) = (labels.boxes[labels.placed & labels.boxed & (labels.image_rows == number)]
                      / np.tile(labels.image_sizes[number], 2)
                      for labels, number in ((val, row), (train, place)))
    if not len(ours) or not len(theirs):
        return False
    apart = ours[:, None] - theirs
    apart[..., 2:] += apart[..., :2]        # from sizes to far corners
    return bool((np.abs(apart) > SAME_BOX * np.tile(ours[:, None, 2:], 2)).any(axis=2).all())


def _thumbnails(labels: RawLabels) -> tuple[np.ndarray, list[int]]:
    """(M, THUMBNAIL ** 2) grey values of the images that can be read, and their rows."""
    pictures, rows = [np.zeros((0, THUMBNAIL ** 2), np.float32)], []
    there = {path for path, _ in _lengths(labels)}
    for row, path in enumerate(_paths(labels)):
        with suppress(ImageError):
            if path in there:
                small = cv2.resize(read_small(path, LEAST), (THUMBNAIL, THUMBNAIL),
                                   interpolation=cv2.INTER_AREA)
                pictures.append(small.reshape(1, -1).astype(np.float32))
                rows.append(row)
    return np.concatenate(pictures), rows


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
    return hashlib.sha1(read_ends(path, ENDS) or path.encode()).digest()
