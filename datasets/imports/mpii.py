"""MPII Human Pose: a JSON list of persons, in HRNet's form or that of mpii_annotations.json.

HRNet's train.json and valid.json have image, center, scale, joints and joints_vis;
mpii_annotations.json has img_paths, objpos, scale_provided and joint_self. Both count pixels from
1, as Matlab does, and scale is the height of a person / 200. The original .mat file is not read:
scipy would be needed, and both JSON forms are made from it.

PCKh needs the boxes of the heads, which neither list has. They are taken from `head_rect`, the
corners [x1, y1, x2, y2] (in the .mat x1, y1, x2 and y2 of an annorect, in HRNet's gt_valid.mat
headboxes_src[:, :, person]), where somebody has put them into the list.
"""
from pathlib import Path
from typing import Any

import numpy as np

from datasets.annotations.other_tools import hint_at, hint_of
from datasets.annotations.skeleton import Skeleton, load_skeleton
from datasets.imports.write_coco import VISIBLE, BadFile, ImportedImage, ImportedPerson, Notes
from utils.errors import UserError
from utils.geometry import SCALE_UNIT
from utils.json_file import read_json

DOWN = 15       # HRNet moves the centre down by 15 scales, so that the feet are inside


def read_mpii(source: Path, skeleton: Skeleton, root: Path | None, notes: Notes,
              ) -> tuple[list[ImportedImage], Path]:
    """All images of the list, and the folder of the images. Raises UserError.

    The box is the square of 200 scales around the centre, moved as HRNet does, so that with our
    padding of 1.25 the crop is HRNet's, wherever the image does not cut the box.
    """
    try:
        rows = read_json(source)
    except (OSError, UserError) as error:
        if hint := hint_at(source, "MPII"):
            raise UserError(f"{source} is not read{hint}") from error
        raise
    if not isinstance(rows, list) or not rows:
        hint = hint_of(rows, "MPII") or ": give MPII's train.json or mpii_annotations.json"
        raise UserError(f"{source} is no list of persons{hint}")
    if skeleton.joint_names != load_skeleton("mpii").joint_names:
        raise UserError(f"MPII's lists hold their joints in an order of their own, and the "
                         f"skeleton {skeleton.name} has other joints or another order: write "
                         f"--skeleton mpii")
    if notes.wanted:
        raise UserError("MPII's lists have no classes: leave --class out")
    if root is None:
        raise UserError("MPII's lists do not say where the images are: give --images DIR")
    persons: dict[str, list[ImportedPerson]] = {}
    for name, person in notes.usable(enumerate(rows), lambda pair: _person(
            pair[1], f"{source}, person {pair[0]},")):
        persons.setdefault(name, []).append(person)
    return [ImportedImage(name, None, found, exif="ignore")     # Matlab shows them as stored
            for name, found in persons.items()], root


def _person(row: Any, where: str) -> tuple[str, ImportedPerson]:
    try:
        if "joint_self" in row:
            name, center, scale = row["img_paths"], row["objpos"], row["scale_provided"]
            table = np.array(row["joint_self"], np.float64)
        else:
            name, center, scale = row["image"], row["center"], row["scale"]
            table = np.column_stack([row["joints"], row["joints_vis"]]).astype(np.float64)
        x, y, scale = float(center[0]), float(center[1]), float(scale)
        head = row.get("head_rect")
        head = None if head is None else np.array(head, np.float64).reshape(4)
    except (KeyError, TypeError, ValueError, IndexError, OverflowError) as error:
        raise BadFile(f"{where} is no person of MPII: its image, centre, scale, joints or "
                      f"head_rect are missing or of another kind; correct or remove it") from error
    sound = table.shape == (16, 3) and np.isfinite([*table.ravel(), x, y]).all()
    if not sound or not scale > 0 or type(name) is not str:
        raise BadFile(f"{where} needs an image, 16 joints with x, y and visibility, and a scale")
    labelled = (table[:, 2] > 0) & (table[:, :2] > 0).all(axis=1)   # unknown ones are 0 or -1
    joints = np.column_stack([table[:, :2] - 1, VISIBLE * labelled])
    if head is not None:
        low, size = head[:2] - 1, head[2:] - head[:2]
        if not (np.isfinite(head).all() and min(size) > 0):
            raise BadFile(f"{where} has the head_rect {head.tolist()}: write x1, y1, x2, y2 with "
                          f"x1 < x2 and y1 < y2")
        head = [*low, *size]
    side = SCALE_UNIT * scale
    box = [x - 1 - side / 2, y - 1 + DOWN * scale - side / 2, side, side]
    return name, ImportedPerson(joints, box, head)
