"""labelme: a folder with a JSON for each image, whose points are joints.

The points and the rectangle of a person share a group_id; in an image with one person it may be
empty. A point with the flag "occluded" is labelled, but not visible.
"""
from pathlib import Path, PureWindowsPath

from datasets.annotations.skeleton import Skeleton
from datasets.imports.write_coco import (
    HIDDEN,
    VISIBLE,
    BadFile,
    ImportedImage,
    ImportedPerson,
    Notes,
    empty_joints,
    place_joint,
)
from utils.errors import UserError
from utils.json_file import read_json


def read_labelme(source: Path, skeleton: Skeleton, root: Path | None, notes: Notes,
                 ) -> tuple[list[ImportedImage], Path]:
    """All images of a folder of labelme files, and the folder that their names start from.

    root: of the images, if they do not lie where the files say. Raises UserError.
    """
    files = sorted(source.rglob("*.json")) if source.is_dir() else [source]
    if not files:
        raise UserError(f"the folder {source} holds no JSON files of labelme: give another one")
    base = root or (source if source.is_dir() else source.parent)
    images = []
    for path in files:
        try:
            images.append(_image(path, skeleton, root, base, notes))
        except BadFile as error:
            notes.leave_out(error)
    notes.leave_out_strangers(skeleton)
    return images, base


def _image(path: Path, skeleton: Skeleton, root: Path | None, base: Path, notes: Notes,
           ) -> ImportedImage:
    try:
        content = read_json(path)
        picture = Path(content["imagePath"].replace("\\", "/"))
        width, height = (int(content.get(side) or 0) for side in ("imageWidth", "imageHeight"))
        size = (width, height) if width and height else None
        shapes = [(shape["label"], shape["shape_type"], shape["points"], shape.get("group_id"),
                   shape.get("flags") or {}) for shape in content["shapes"]]
    except (OSError, ValueError, KeyError, TypeError, AttributeError,
            OverflowError) as error:
        raise BadFile(f"{path} is no file of labelme ({type(error).__name__}: {error})") from error
    groups: dict = {}
    boxes: dict = {}
    for label, kind, points, group, flags in shapes:
        if not isinstance(label, str) or not isinstance(group, int | str | None):
            raise BadFile(f"{path} has a shape with the label {label} and the group_id {group}: "
                          f"write text and a whole number")
        try:
            corners = [(float(x), float(y)) for x, y in points]
        except (TypeError, ValueError, OverflowError) as error:
            raise BadFile(f"{path} has a shape '{label}' with points that are no numbers"
                          ) from error
        if kind == "point" and label in skeleton.joint_names and len(corners) == 1:
            joints = groups.setdefault(group, empty_joints(skeleton))
            hidden = isinstance(flags, dict) and flags.get("occluded")
            place_joint(joints, skeleton, label, corners[0], HIDDEN if hidden else VISIBLE,
                        str(path))
        elif kind == "point":
            notes.strangers[label] += 1
        elif kind == "rectangle" and len(corners) == 2:
            if group in boxes and group is not None:
                raise BadFile(f"{path} has two rectangles with group_id {group}: keep one")
            boxes.setdefault(group, []).append(_box(*corners))
        else:
            notes.counts[f"shapes of the kind {kind} left out"] += 1
    return ImportedImage(_name(path, picture, root, base), size, _persons(groups, boxes, skeleton))


def _persons(groups: dict, boxes: dict, skeleton: Skeleton) -> list[ImportedPerson]:
    """Joints with the box of their group; a lone person takes a lone box without a group."""
    lone = boxes.pop(None, [])
    if len(lone) == 1 and len(groups) == 1 and not boxes:
        boxes, lone = {next(iter(groups)): lone}, []
    persons = [ImportedPerson(joints, boxes.pop(group, [None])[0])
               for group, joints in groups.items()]
    rest = [box for found in boxes.values() for box in found] + lone
    return persons + [ImportedPerson(empty_joints(skeleton), box) for box in rest]


def _box(one: tuple[float, float], other: tuple[float, float]) -> list[float]:
    x, y = min(one[0], other[0]), min(one[1], other[1])
    return [x, y, abs(one[0] - other[0]), abs(one[1] - other[1])]


def _name(path: Path, picture: Path, root: Path | None, base: Path) -> str:
    if root:
        for name in (picture, Path(path.stem).with_suffix(picture.suffix), Path(picture.name)):
            if not name.is_absolute() and ".." not in name.parts and (root / name).is_file():
                return name.as_posix()
        return picture.name
    if picture.is_absolute() or PureWindowsPath(picture).drive:     # of another computer
        picture = Path(picture.name)
    try:
        return (path.parent / picture).resolve().relative_to(base.resolve()).as_posix()
    except ValueError:
        raise BadFile(f"{path} names the image {picture}, which is outside of {base}: give the "
                      f"folder of the images by --images") from None
