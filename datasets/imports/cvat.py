"""CVAT: an XML file "CVAT for images 1.1" with skeletons, or with points and boxes.

A <skeleton> holds the joints of a person as <points> with their names, or with numbers that count
from 1 in the order of our skeleton. Outside of one, <points> named like joints and the <box>
share a group_id (in an image with one person it may be missing); a <points> shape with as many
places as there are joints is a person by itself.
"""
import math
import re
import xml.etree.ElementTree as ET
from collections import defaultdict
from pathlib import Path

from datasets.annotations.skeleton import Skeleton
from datasets.imports.write_coco import (
    HIDDEN,
    NOT_LABELLED,
    VISIBLE,
    BadFile,
    ImportedImage,
    ImportedPerson,
    Notes,
    empty_joints,
    place_joint,
)
from utils.errors import UserError


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
    try:
        tree = ET.fromstring(source.read_bytes(), ET.XMLParser(target=_NoDoctype()))
    except OSError as error:
        raise FileNotFoundError(f"{source} cannot be read ({error.strerror}): give an XML file "
                                f"of CVAT") from error
    except BadFile as error:
        raise UserError(f"{source} {error}") from error
    except (ET.ParseError, ValueError, LookupError) as error:   # LookupError: strange encodings
        raise UserError(f"{source} is no XML ({error}): export it from CVAT again") from error
    if tree.tag != "annotations" or tree.find("track") is not None or tree.find("image") is None:
        raise UserError(f"{source} has no annotations of images: export it from CVAT as "
                         f"'CVAT for images 1.1'")
    images = []
    for element in tree.iter("image"):
        try:
            images.append(_image(element, skeleton, source, notes))
        except BadFile as error:
            notes.leave_out(error)
    notes.leave_out_strangers(skeleton)
    beside = source.parent / "images"
    return images, root or (beside if beside.is_dir() else source.parent)


def _image(element: ET.Element, skeleton: Skeleton, source: Path, notes: Notes) -> ImportedImage:
    name = element.get("name", "")
    where = f"image {name or element.get('id')} of {source}"
    if not name or Path(name).is_absolute() or ".." in Path(name).parts:
        raise BadFile(f"{where} needs a name inside the folder of images: correct it")
    size = int(_number(element, "width", where)), int(_number(element, "height", where))
    people: list[tuple] = []        # group and joints
    pointed: dict = {}              # joints by their group, where each is a shape
    boxes: dict = defaultdict(list)
    for shape in element:
        group = shape.get("group_id")
        if shape.tag == "skeleton":
            people.append((group, joints := empty_joints(skeleton)))
            for points in shape.iter("points"):
                _place(joints, points, skeleton, where, notes)
        elif shape.tag == "points" and len(_points(shape, where)) == skeleton.num_joints > 1:
            people.append((group, joints := empty_joints(skeleton)))
            for joint, point in zip(skeleton.joint_names, _points(shape, where), strict=True):
                place_joint(joints, skeleton, joint, point, _visibility(shape), where)
        elif shape.tag == "points":
            if group not in pointed:
                people.append((group, pointed.setdefault(group, empty_joints(skeleton))))
            _place(pointed[group], shape, skeleton, where, notes)
        elif shape.tag == "box":
            left, top, right, bottom = (_number(shape, key, where)
                                        for key in ("xtl", "ytl", "xbr", "ybr"))
            boxes[group].append([left, top, right - left, bottom - top])
        elif shape.tag not in ("tag", "attribute"):
            notes.counts[f"shapes of the kind {shape.tag} left out"] += 1
    people = [(group, joints) for group, joints in people if joints[:, 2].any()]
    persons = []
    for group, joints in people:
        alone = group is None and (len(people) > 1 or len(boxes[None]) != 1)
        found = [] if alone else boxes[group]
        persons.append(ImportedPerson(joints, found.pop(0) if found else None))
    persons += [ImportedPerson(empty_joints(skeleton), box)
                for found in boxes.values() for box in found]
    return ImportedImage(name, size, persons)


def _place(joints, points: ET.Element, skeleton: Skeleton, where: str, notes: Notes) -> None:
    """Put in the one joint of a <points> element by its label, a name or a number."""
    label = points.get("label", "")
    number = int(label) if re.fullmatch(r"[1-9]\d{0,4}", label) else 0
    if label not in skeleton.joint_names and 1 <= number <= skeleton.num_joints:
        label = skeleton.joint_names[number - 1]
    if label not in skeleton.joint_names:
        notes.strangers[label] += 1
        return
    v = _visibility(points)
    if v == NOT_LABELLED:
        return
    places = _points(points, where)
    if len(places) != 1:
        raise BadFile(f"{where} has {len(places)} places for the joint {label}: keep one")
    place_joint(joints, skeleton, label, places[0], v, where)


def _visibility(element: ET.Element) -> int:
    if element.get("outside") == "1":
        return NOT_LABELLED
    return HIDDEN if element.get("occluded") == "1" else VISIBLE


def _points(element: ET.Element, where: str) -> list[tuple[float, float]]:
    try:
        pairs = [pair.split(",") for pair in element.get("points", "").split(";") if pair]
        return [(float(x), float(y)) for x, y in pairs]
    except ValueError as error:
        raise BadFile(f"{where} has points that are no pairs of numbers: correct them") from error


def _number(element: ET.Element, key: str, where: str) -> float:
    try:
        number = float(element.get(key, ""))
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise BadFile(f"{where}: <{element.tag}> needs a number as its {key}: correct it")
    return number
