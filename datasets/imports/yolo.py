"""YOLO-pose labels: a text file for each image and a line for each person, in parts of the size.

A line is `class cx cy w h`, then `x y` or `x y v` of every joint in the order of the skeleton.
Without v a joint at 0 0 is not labelled. A network writes its confidence in the place of v; such
files are guesses, no labels, and are refused.
"""
from pathlib import Path

import numpy as np

from datasets.annotations.skeleton import Skeleton
from datasets.crops.image_files import SUFFIXES
from datasets.crops.images import ImageError, read_image
from datasets.imports.write_coco import (
    HIDDEN,
    NOT_LABELLED,
    VISIBLE,
    BadFile,
    ImportedImage,
    ImportedPerson,
    Notes,
)
from utils.errors import UserError


def read_yolo(source: Path, skeleton: Skeleton, root: Path | None, notes: Notes,
              ) -> tuple[list[ImportedImage], Path]:
    """All images with a label file, and the folder that their names start from.

    source: the folder of labels, or one that holds labels/ and images/. root: of the images;
    without it "images" in place of "labels" in the path. Raises UserError.
    """
    labels = source / "labels" if (source / "labels").is_dir() else source
    if root is None:
        parts = list(labels.absolute().parts)
        if "labels" in parts:
            parts[len(parts) - 1 - parts[::-1].index("labels")] = "images"
        root = Path(*parts)
    files = sorted(path for path in labels.rglob("*.txt") if path.name != "classes.txt")
    if not files:
        raise UserError(f"the folder {labels} holds no label files (*.txt): give another one")
    if not root.is_dir():
        raise FileNotFoundError(f"the folder of images {root} does not exist: give it by --images")
    images = []
    for path in files:
        try:
            images.append(_image(path, path.relative_to(labels), root, skeleton, notes))
        except (BadFile, ImageError) as error:
            notes.leave_out(error)
    return images, root


def _image(path: Path, name: Path, root: Path, skeleton: Skeleton, notes: Notes) -> ImportedImage:
    picture = next((name.with_suffix(suffix) for end in SUFFIXES for suffix in (end, end.upper())
                    if (root / name.with_suffix(suffix)).is_file()), None)
    if picture is None:
        raise BadFile(f"{path} has no image {root / name.with_suffix('.jpg')} (or another ending): "
                      f"add it")
    height, width = read_image(root / picture, exif="obey").shape[:2]     # as tools show it
    persons = []
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, ValueError) as error:
        raise BadFile(f"{path} cannot be read as text: write it again") from error
    for number, line in enumerate(lines, 1):
        if line.strip():
            persons.append(_person(line, f"{path}, line {number},", width, height, skeleton, notes))
    return ImportedImage(picture.as_posix(), (width, height), persons)


def _person(line: str, where: str, width: int, height: int, skeleton: Skeleton, notes: Notes,
            ) -> ImportedPerson:
    count = skeleton.num_joints
    try:
        kind, *numbers = (float(word) for word in line.split())
    except ValueError as error:
        raise BadFile(f"{where} has something that is no number: correct it") from error
    columns = {4 + 2 * count: 2, 4 + 3 * count: 3}.get(len(numbers))
    if columns is None:
        raise BadFile(f"{where} has {len(numbers) + 1} numbers; the skeleton {skeleton.name} with "
                      f"{count} joints needs {5 + 2 * count} or {5 + 3 * count}")
    table = np.array(numbers[4:]).reshape(count, columns)
    labelled = table[:, 2] != NOT_LABELLED if columns == 3 else table.any(axis=1)
    places = [*numbers[:4], *table[labelled, :2].ravel()]
    if not np.isfinite(numbers).all() or max(map(abs, places)) > 2:
        raise BadFile(f"{where} is not in parts of the image size: divide by width and height")
    if columns == 3 and not np.isin(table[:, 2], (NOT_LABELLED, HIDDEN, VISIBLE)).all():
        raise BadFile(f"{where} has a v that is none of 0, 1 and 2: correct it, or label what a "
                      f"network has only guessed")
    notes.counts[f"lines of class {kind:g}"] += 1
    cx, cy, w, h = np.array(numbers[:4]) * [width, height, width, height]
    v = table[:, 2] if columns == 3 else VISIBLE * labelled
    joints = np.column_stack([table[:, :2] * [width, height], v])
    return ImportedPerson(joints, [cx - w / 2, cy - h / 2, w, h])
