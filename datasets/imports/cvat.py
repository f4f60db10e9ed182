"""CVAT: an XML file "CVAT for images 1.1" with skeletons, or with points and boxes.

A <skeleton> holds the joints of a person as <points> with their names, or with numbers that count
from 1 in the order of our skeleton; its label is the class. A <points> shape with as many places as
there are joints is a person by itself; others, named like joints, are joined to persons and boxes
(datasets/imports/joining.py). Exports of a project have their images in images/<subset>.
"""
import math
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path

from datasets.annotations.joint_names import own_name
from datasets.annotations.other_tools import hint_at
from datasets.annotations.skeleton import Skeleton
from datasets.imports.joining import Drawing, Point
from datasets.imports.write_coco import (
    HIDDEN,
    NOT_LABELLED,
    VISIBLE,
    BadFile,
    ImportedImage,
    Notes,
    is_inside,
    place_joint,
)
from utils.errors import UserError
from utils.files import read_file


class _NoDoctype(ET.TreeBuilder):
    """Refuses a document type, in which entities can be defined that fill the memory."""
    def doctype(self, name: str, pubid: str | None, system: str | None) -> None:
        raise BadFile("has a document type (DOCTYPE), which CVAT never writes: export it again")


def read_cvat(source: Path, skeleton: Skeleton, root: Path | None, notes: Notes,
              ) -> tuple[list[ImportedImage], Path]:
    """All images of an XML file, and the folder that their names start from: `root`, or the
    folder "images" beside the file, or the file's own. Raises UserError."""
    if source.is_dir():
        source = source / "annotations.xml"
    tree = cvat_tree(source)
    beside = source.parent / "images"
    root = root or (beside if beside.is_dir() else source.parent)
    images = [*notes.usable(tree.iter("image"), lambda element: _image(element, skeleton, root,
                                                                       source, notes))]
    notes.leave_out_strangers(skeleton)
    return images, root


def cvat_tree(source: Path) -> ET.Element:
    """The content of an XML file, or of annotations.xml in a folder. Raises UserError."""
    if source.is_dir():
        source = source / "annotations.xml"
    try:
        tree = ET.fromstring(read_file(source), ET.XMLParser(target=_NoDoctype()))
    except OSError as error:
        raise FileNotFoundError(f"{source} cannot be read ({error.strerror}): give an XML file "
                                f"of CVAT") from error
    except BadFile as error:
        raise UserError(f"{source} {error}") from error
    except (ET.ParseError, ValueError, LookupError) as error:   # LookupError: strange encodings
        if hint := hint_at(source, "CVAT"):
            raise UserError(f"{source} is no XML{hint}") from error
        raise UserError(f"{source} is no XML ({error}): export it from CVAT again") from error
    if tree.tag != "annotations" or tree.find("track") is not None or tree.find("image") is None:
        raise UserError(f"{source} has no annotations of images: export it from CVAT as "
                         f"'CVAT for images 1.1'")
    return tree


def _image(element: ET.Element, skeleton: Skeleton, root: Path, source: Path, notes: Notes,
           ) -> ImportedImage:
    name, split = element.get("name", ""), element.get("subset", "")
    where = f"image {name or element.get('id')} of {source}"
    if not name or not (is_inside(name) and is_inside(split)):
        raise BadFile(f"{where} needs a name inside the folder of images: correct it")
    size = int(_number(element, "width", where)), int(_number(element, "height", where))
    drawing = Drawing(skeleton, where, notes)
    for shape in element:
        group, label = shape.get("group_id"), shape.get("label", "")
        other = bool(notes.wanted) and label != notes.wanted    # its joints may be none of ours
        if shape.tag == "skeleton":
            joints = drawing.pose(group, label)
            for points in () if other else shape.iter("points"):
                for joint, point, v in _joint(points, skeleton, where, notes):
                    place_joint(joints, skeleton, joint, point, v, where)
        elif shape.tag == "points" and len(_points(shape, where)) == skeleton.num_joints > 1:
            joints = drawing.pose(group, label)
            for joint, point in zip(skeleton.joint_names, _points(shape, where), strict=True):
                place_joint(joints, skeleton, joint, point, _visibility(shape), where)
        elif shape.tag == "points":
            for joint, point, v in _joint(shape, skeleton, where, notes):
                drawing.joint(joint, point, v, group)
        elif shape.tag in CORNERS:
            drawing.box(CORNERS[shape.tag](shape, where), label, group, shape.tag != "box")
        elif shape.tag not in ("tag", "attribute"):
            notes.counts[f"shapes of the kind {shape.tag} left out"] += 1
    if split and (root / split / name).is_file():       # an export of a project
        name = f"{split}/{name}"
    return ImportedImage(name, size, drawing.persons(), split=split)


def _turned(shape: ET.Element, where: str, x: float, y: float, w: float, h: float) -> list[Point]:
    """Corners of a box of the half sizes w, h around x, y that is turned about its middle."""
    turn = math.radians(_number(shape, "rotation", where) if shape.get("rotation") else 0.0)
    cos, sin = math.cos(turn), math.sin(turn)
    return [(x + a * w * cos - b * h * sin, y + a * w * sin + b * h * cos)
            for a in (-1, 1) for b in (-1, 1)]


def _box(shape: ET.Element, where: str) -> list[Point]:
    left, top, right, bottom = (_number(shape, key, where) for key in ("xtl", "ytl", "xbr", "ybr"))
    return _turned(shape, where, (left + right) / 2, (top + bottom) / 2, (right - left) / 2,
                   (bottom - top) / 2)


def _ellipse(shape: ET.Element, where: str) -> list[Point]:
    x, y, w, h = (_number(shape, key, where) for key in ("cx", "cy", "rx", "ry"))
    return _turned(shape, where, x, y, w, h)


def _mask(shape: ET.Element, where: str) -> list[Point]:
    left, top, w, h = (_number(shape, key, where) for key in ("left", "top", "width", "height"))
    return [(left, top), (left + w, top + h)]


def _joint(points: ET.Element, skeleton: Skeleton, where: str, notes: Notes,
           ) -> Iterator[tuple[str, Point, int]]:
    """Name, place and v of the joint of a <points> element, by its label, a name or a number;
    nothing if it is not labelled or no joint."""
    label = points.get("label", "")
    number = int(label) if re.fullmatch(r"[1-9]\d{0,4}", label) else 0
    joint = own_name(label, skeleton.joint_names)
    if not joint and 1 <= number <= skeleton.num_joints:
        joint = skeleton.joint_names[number - 1]
    if not joint:
        notes.strangers[label] += 1
    elif (v := _visibility(points)) != NOT_LABELLED:
        places = _points(points, where)
        if len(places) != 1:
            raise BadFile(f"{where} has {len(places)} places for the joint {joint}: keep one")
        yield joint, places[0], v


def _visibility(element: ET.Element) -> int:
    if element.get("outside") == "1":
        return NOT_LABELLED
    return HIDDEN if element.get("occluded") == "1" else VISIBLE


def _points(element: ET.Element, where: str) -> list[Point]:
    try:
        pairs = [pair.split(",") for pair in element.get("points", "").split(";") if pair]
        return [(float(x), float(y)) for x, y in pairs]
    except ValueError as error:
        raise BadFile(f"{where} has points that are no pairs of numbers: correct them") from error


def _polygon(element: ET.Element, where: str) -> list[Point]:
    corners = _points(element, where)
    if not corners:
        raise BadFile(f"{where} has a <{element.tag}> without points: remove it")
    return corners


def _number(element: ET.Element, key: str, where: str) -> float:
    try:
        number = float(element.get(key, ""))
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise BadFile(f"{where}: <{element.tag}> needs a number as its {key}: correct it")
    return number


CORNERS = {"box": _box, "polygon": _polygon, "ellipse": _ellipse, "mask": _mask}
