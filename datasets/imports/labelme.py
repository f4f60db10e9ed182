"""labelme and X-AnyLabeling: a folder with a JSON for each image, whose points are joints.

The points and the rectangle of a person share a group_id, or the points lie in the rectangle
(datasets/imports/joining.py), whose label is the class. A point with the flag "occluded", or that
X-AnyLabeling calls difficult, is labelled, but not visible.
"""
import math
from contextlib import suppress
from pathlib import Path, PureWindowsPath
from typing import Any

from datasets.annotations.joint_names import own_name
from datasets.annotations.other_tools import hint_at
from datasets.annotations.skeleton import Skeleton
from datasets.crops.image_files import entries_of, is_image
from datasets.imports.joining import Drawing
from datasets.imports.write_coco import (
    HIDDEN,
    VISIBLE,
    BadFile,
    ImportedImage,
    Notes,
    is_inside,
)
from utils.errors import UserError
from utils.files import files_below
from utils.json_file import read_json

OUTLINES = ("polygon", "mask")      # shapes of which the box around their points is taken
AROUND = ("rectangle", "rotation", *OUTLINES)


def read_labelme(source: Path, skeleton: Skeleton, root: Path | None, notes: Notes,
                 ) -> tuple[list[ImportedImage], Path]:
    """All images of a folder of labelme files, and the folder that their names start from.

    root: of the images, if they do not lie where the files say. Raises UserError.
    """
    files = sorted(files_below(source, "*.json")) if source.is_dir() else [source]
    if not files:
        raise UserError(f"the folder {source} holds no JSON files of labelme: give another one")
    base = root or (source if source.is_dir() else source.parent)
    images = [*notes.usable(files, lambda path: _image(path, skeleton, root, base, notes))]
    notes.leave_out_strangers(skeleton)
    known = {path.stem for path in files} | {Path(image.name).stem for image in images}
    for folder in {(base / image.name).parent for image in images if source.is_dir()}:
        notes.count("pictures without a JSON file left out", sum(
            is_image(path) and path.stem not in known
            for path in map(folder.joinpath, entries_of(str(folder)))))
    return images, base


def _image(path: Path, skeleton: Skeleton, root: Path | None, base: Path, notes: Notes,
           ) -> ImportedImage:
    try:
        content = read_json(path)
        picture = Path(content["imagePath"].replace("\\", "/"))
        width, height = (int(content.get(side) or 0) for side in ("imageWidth", "imageHeight"))
        size = (width, height) if width and height else None
        shapes = [(shape["label"], shape["shape_type"], shape["points"], shape.get("group_id"),
                   _hidden(shape)) for shape in content["shapes"]]
    except (OSError, UserError) as error:
        raise BadFile(f"{path} is no file of labelme"
                      f"{hint_at(path, 'labelme') or f': {error}'}") from error
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
        if hint := hint_at(path, "labelme"):
            raise BadFile(f"{path} is no file of labelme{hint}") from error
        raise BadFile(f"{path} is no file of labelme: its imagePath, imageWidth, imageHeight or "
                      f"shapes are missing or of another kind; save it in labelme again, or move "
                      f"it away") from error
    drawing = Drawing(skeleton, str(path), notes)
    for label, kind, points, group, hidden in shapes:
        if not isinstance(label, str) or not isinstance(group, int | str | None):
            raise BadFile(f"{path} has a shape with the label {label} and the group_id {group}: "
                          f"write text and a whole number")
        try:
            corners = [(float(x), float(y)) for x, y in points]
        except (TypeError, ValueError, OverflowError) as error:
            raise BadFile(f"{path} has a shape '{label}' with points that are no numbers"
                          ) from error
        joint = own_name(label, skeleton.joint_names)
        if kind == "point" and joint and len(corners) == 1:
            drawing.joint(joint, corners[0], HIDDEN if hidden else VISIBLE, group)
        elif kind == "point":
            notes.strangers[label] += 1
        elif kind == "circle" and len(corners) == 2:    # its middle, and a place on it
            (x, y), radius = corners[0], math.dist(*corners)
            drawing.box([(x - radius, y - radius), (x + radius, y + radius)], label, group, True)
        elif kind in AROUND and len(corners) > 1:
            drawing.box(corners, label, group, outline=kind in OUTLINES)
        else:
            notes.counts[f"shapes of the kind {kind} left out"] += 1
    return ImportedImage(_name(path, picture, root, base), size, drawing.persons())


def _hidden(shape: dict[str, Any]) -> bool:
    """Whether a joint is marked as not visible, by the flag or as X-AnyLabeling does it."""
    flags = shape.get("flags")
    return shape.get("difficult") is True or isinstance(flags, dict) and bool(flags.get("occluded"))


def _name(path: Path, picture: Path, root: Path | None, base: Path) -> str:
    if root:
        with suppress(ValueError, OSError):   # where the file itself says, if that is in the folder
            return (path.parent / picture).resolve(strict=True).relative_to(
                root.resolve()).as_posix()
        for name in (picture, Path(path.stem).with_suffix(picture.suffix), Path(picture.name)):
            if is_inside(name.as_posix()) and (root / name).is_file():
                return name.as_posix()
        return picture.name
    if picture.is_absolute() or PureWindowsPath(picture).drive:     # of another computer
        picture = Path(picture.name)
    try:
        return (path.parent / picture).resolve().relative_to(base.resolve()).as_posix()
    except ValueError:
        raise BadFile(f"{path} names the image {picture}, which is outside of {base}: give the "
                      f"folder of the images by --images") from None
