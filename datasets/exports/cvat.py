"""CVAT: "CVAT for images 1.1", one XML for all pictures, and the labels that its task needs.

A person is a skeleton and, in the same group, a box, whose label is another one: CVAT's labels have
one kind of shape each. A joint that is not labelled is "outside", but has its place, so that CVAT
shows where it may be. CVAT passes over the scores.
"""
import json
import math
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterable
from html import escape

from datasets.annotations.skeleton import Skeleton
from datasets.exports.labelled import LabelledImage, rounded
from datasets.imports.write_coco import HIDDEN, NOT_LABELLED

REFUSED = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")     # by XML 1.0
RADIUS = 45         # of the circle of joints in the drawing of a skeleton, which has a side of 100


def cvat_xml(images: Iterable[LabelledImage], skeleton: Skeleton, category: str) -> bytes:
    """Content of a file."""
    root = ET.Element("annotations")
    ET.SubElement(root, "version").text = "1.1"
    labels = ET.SubElement(ET.SubElement(ET.SubElement(root, "meta"), "task"), "labels")
    for entry in cvat_labels(skeleton, category):
        _described(labels, entry)
    for image in images:
        width, height = image.size
        element = ET.SubElement(root, "image", id=str(image.id), name=image.name, width=str(width),
                                height=str(height))
        for group, person in enumerate(image.persons, 1):
            shared = {"source": "auto", "group_id": str(group), "z_order": "0"}
            x, y, w, h = person.box
            ET.SubElement(element, "box", shared | {
                "label": box_label(category), "occluded": "0", "xtl": f"{x:.2f}", "ytl": f"{y:.2f}",
                "xbr": f"{x + w:.2f}", "ybr": f"{y + h:.2f}"})
            pose = ET.SubElement(element, "skeleton", shared | {
                "label": category, "score": str(rounded(person.score, 4))})
            for name, (x, y, v), score in zip(skeleton.joint_names, person.joints.tolist(),
                                              rounded(person.scores, 4), strict=True):
                ET.SubElement(pose, "points", {
                    "label": name, "source": "auto", "outside": str(int(v == NOT_LABELLED)),
                    "occluded": str(int(v == HIDDEN)), "points": f"{x:.2f},{y:.2f}",
                    "score": str(score)})
    return ET.tostring(root, encoding="utf-8", xml_declaration=True)


def cvat_labels(skeleton: Skeleton, category: str) -> list[dict]:
    """What is pasted under "Raw" when a task is made: the labels that the XML uses."""
    return [{"name": category, "type": "skeleton", "attributes": [], "svg": _drawing(skeleton),
             "sublabels": [{"name": name, "type": "points", "attributes": []}
                           for name in skeleton.joint_names]},
            {"name": box_label(category), "type": "rectangle", "attributes": []}]


def box_label(category: str) -> str:
    return f"{category}_box"


def labels_text(skeleton: Skeleton, category: str) -> bytes:
    """`cvat_labels` as a file."""
    return json.dumps(cvat_labels(skeleton, category), indent=1).encode()


def is_sayable(text: str) -> bool:
    """Whether XML has a place for each of its characters."""
    return not REFUSED.search(text)


def _described(labels: ET.Element, entry: dict, parent: str = "") -> None:
    """A label as CVAT's own exports describe it, and those of its joints behind it."""
    label = ET.SubElement(labels, "label")
    for key in ("name", "type", "svg"):
        if entry.get(key):
            ET.SubElement(label, key).text = entry[key]
    ET.SubElement(label, "attributes")
    if parent:
        ET.SubElement(label, "parent").text = parent
    for part in entry.get("sublabels", ()):
        _described(labels, part, entry["name"])


def _drawing(skeleton: Skeleton) -> str:
    """The skeleton's drawing that CVAT asks for; in a circle, for nothing says how joints lie."""
    turns = [2 * math.pi * joint / skeleton.num_joints for joint in range(skeleton.num_joints)]
    places = [(f"{50 + RADIUS * math.sin(turn):.2f}", f"{50 - RADIUS * math.cos(turn):.2f}")
              for turn in turns]
    lines = [f'<line x1="{places[a][0]}" y1="{places[a][1]}" x2="{places[b][0]}" '
             f'y2="{places[b][1]}" data-type="edge" data-node-from="{a + 1}" '
             f'data-node-to="{b + 1}"></line>' for a, b in skeleton.limbs]
    circles = [f'<circle r="0.75" cx="{x}" cy="{y}" data-type="element node" '
               f'data-element-id="{number}" data-node-id="{number}" '
               f'data-label-name="{escape(name)}"></circle>'
               for number, (name, (x, y)) in enumerate(zip(skeleton.joint_names, places,
                                                           strict=True), 1)]
    return "\n".join(lines + circles)
