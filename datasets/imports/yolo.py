"""YOLO-pose labels: a text file for each image and a line for each person, in parts of the size.

A line is `class cx cy w h`, then `x y` or `x y v` of every joint in the order of the skeleton, or
of data.yaml, which says how many there are (kpt_shape) and perhaps their names. Without v a joint
at 0 0 is not labelled. A line without joints is a box only. A network writes its confidence in the
place of v; such files are guesses, no labels, and are refused.
"""
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from datasets.annotations.skeleton import Skeleton
from datasets.crops.image_files import HEIF, SUFFIXES
from datasets.crops.images import read_image
from datasets.imports.joint_places import joint_places
from datasets.imports.write_coco import (
    HIDDEN,
    NOT_LABELLED,
    VISIBLE,
    BadFile,
    ImportedImage,
    ImportedPerson,
    Notes,
    empty_joints,
)
from datasets.imports.yolo_tree import DataYaml, LabelFile, data_yaml, label_files, unlabelled
from utils.errors import UserError
from utils.files import read_file


@dataclass(frozen=True)
class _Form:
    """How the lines of a file are to be read."""
    skeleton: Skeleton
    classes: dict[int, str]
    lengths: dict[int, int]     # of the numbers behind the box -> for each joint
    places: list[int]           # of our joints among those of a line


def read_yolo(source: Path, skeleton: Skeleton, root: Path | None, notes: Notes,
              ) -> tuple[list[ImportedImage], Path]:
    """All images, and the folder that their names start from. Those without a label file show
    nobody: Ultralytics trains on them as such.

    source: the folder of labels, one above it or above those of train, valid and test, or
    data.yaml. root: of the images; without it "images" in place of "labels" in the path. Raises
    UserError.
    """
    said, files = data_yaml(source), label_files(source, notes)
    files += unlabelled(files, root)
    form = _form(said, skeleton, notes)
    base = root or Path(os.path.commonpath([file.images for file in files]))
    return [*notes.usable(files, lambda file: _image(file, root, base, form, notes))], base


def numbers_of_class(said: DataYaml, wanted: str) -> list[int]:
    """The numbers of the class that is asked for, by name or number; of all without one."""
    return [number for number, name in said.names.items() if wanted in ("", name, str(number))]


def _form(said: DataYaml, skeleton: Skeleton, notes: Notes) -> _Form:
    wanted = notes.wanted
    if wanted and not wanted.isdecimal() and not numbers_of_class(said, wanted):
        known = ", ".join(said.names.values()) or "nothing, as there is no data.yaml with names"
        raise UserError(f"the labels have no class {wanted} (--class): give its number, or one of "
                        f"{known}")
    count = said.shape[0] if said.shape else skeleton.num_joints
    names = next((said.joint_names[number] for number in numbers_of_class(said, wanted)
                  if number in said.joint_names), ())
    places = list(range(count)) if not said.shape and not names else joint_places(
        names, count, skeleton, str(said.path), notes)
    if said.flip:
        _compare_flips(said, skeleton, places, notes)
    return _Form(skeleton, said.names, {count * said.shape[1]: said.shape[1]} if said.shape else
                 {2 * count: 2, 3 * count: 3}, places)


def _compare_flips(said: DataYaml, skeleton: Skeleton, places: list[int], notes: Notes) -> None:
    """Remark on a skeleton that mirrors other joints than flip_idx: their order may differ."""
    ours = [places[joint] for joint in skeleton.flip_order]
    for joint, (place, other) in enumerate(zip(places, ours, strict=True)):
        if place >= 0 and said.flip[place:place + 1] not in ((), (other,)):
            notes.remark(f"flip_idx of {said.path} mirrors other joints than flip_pairs of the "
                         f"skeleton {skeleton.name}, first {skeleton.joint_names[joint]}: see that "
                         f"the joints are in the order of the labels")
            return


def _image(file: LabelFile, root: Path | None, base: Path, form: _Form, notes: Notes,
           ) -> ImportedImage:
    name = file.name
    stems = [file.images / name] if root is None else [
        root / name, root / file.split / name, root / file.split / "images" / name]
    picture = next((stem.with_suffix(suffix) for stem in stems for end in (*SUFFIXES, *HEIF)
                    for suffix in (end, end.upper()) if stem.with_suffix(suffix).is_file()), None)
    if picture is None:
        raise BadFile(f"{file.path} has no image {stems[0].with_suffix('.jpg')} (or another "
                      f"ending): add it, or give the folder of the images by --images")
    height, width = read_image(picture, exif="obey").shape[:2]     # as tools show it
    there = file.path.exists()
    notes.count("pictures without a label file taken as showing nobody", not there)
    try:
        lines = read_file(file.path).decode("utf-8-sig").splitlines() if there else []
    except (OSError, ValueError) as error:
        raise BadFile(f"{file.path} cannot be read as text: write it again") from error
    persons = []
    for number, line in enumerate(lines, 1):
        where = f"{file.path}, line {number},"
        if line.strip() and notes.takes(*_class(line, where, form)):
            persons.append(_person(line, where, width, height, form))
            if form.lengths.get(len(line.split()) - 5) == 2 and len(form.lengths) > 1:
                notes.remark("lines are taken as a box and x y of each joint, as no kpt_shape says "
                             "otherwise: polygons and turned boxes of as many numbers look alike")
    return ImportedImage(Path(os.path.relpath(picture, base)).as_posix(), (width, height), persons,
                         split=file.split)


def _class(line: str, where: str, form: _Form) -> tuple[str, str]:
    """Name and number of the class of a line."""
    try:
        number = int(float(line.split()[0]))
    except (ValueError, OverflowError) as error:
        raise BadFile(f"{where} has no number of a class: correct it") from error
    return form.classes.get(number, str(number)), str(number)


def _person(line: str, where: str, width: int, height: int, form: _Form) -> ImportedPerson:
    try:
        _, *numbers = (float(word) for word in line.split())
    except ValueError as error:
        raise BadFile(f"{where} has something that is no number: correct it") from error
    columns = form.lengths.get(len(numbers) - 4)
    if columns is None and len(numbers) != 4:
        needed = " or ".join(str(5 + length) for length in form.lengths)
        raise BadFile(f"{where} has {len(numbers) + 1} numbers; the skeleton {form.skeleton.name} "
                      f"with {form.skeleton.num_joints} joints needs {needed}")
    table = np.array(numbers[4:]).reshape(-1, columns or 3)
    labelled = table[:, 2] != NOT_LABELLED if columns != 2 else table.any(axis=1)
    places = [*numbers[:4], *table[labelled, :2].ravel()]
    if not np.isfinite(numbers).all() or max(map(abs, places)) > 2:
        raise BadFile(f"{where} is not in parts of the image size: divide by width and height")
    if columns == 3 and not np.isin(table[:, 2], (NOT_LABELLED, HIDDEN, VISIBLE)).all():
        raise BadFile(f"{where} has a v that is none of 0, 1 and 2: correct it, or label what a "
                      f"network has only guessed")
    cx, cy, w, h = np.array(numbers[:4]) * [width, height, width, height]
    joints = empty_joints(form.skeleton)
    if columns:
        v = table[:, 2] if columns == 3 else VISIBLE * labelled
        found = np.column_stack([table[:, :2] * [width, height], v])
        there = np.array(form.places) >= 0
        joints[there] = found[np.array(form.places)[there]]
    return ImportedPerson(joints, [cx - w / 2, cy - h / 2, w, h])
