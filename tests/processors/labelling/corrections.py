"""Labels corrected as somebody does it in each tool: a joint moved, a person removed, one added."""
import json
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
from PIL import Image

from datasets.annotations.skeleton import Skeleton

PICTURES = ("1.png", "a b.png", "empty.png")    # in which a joint is moved, one goes, one comes
BY = np.array([3.25, -2.5])
NEW_BOX = np.array([20.0, 10.0, 60.0, 70.0])


def corrected(form: str, root: Path, skeleton: Skeleton, labels: dict, pictures=PICTURES,
              category: str = "person") -> dict:
    """Correct the files, and give the labels that are right then. The first joint of the first
    person is moved, the last person is removed, and one with all joints is added."""
    places = NEW_BOX[:2] + np.linspace(.1, .9, skeleton.num_joints)[:, None] * NEW_BOX[2:]
    new = np.column_stack([places, np.full(skeleton.num_joints, 2)])
    moved, less, more = pictures
    CORRECT[form](root, skeleton, new, pictures, category, len(labels[less]))
    wanted = {name: [(joints.copy(), box) for joints, box in people]
              for name, people in labels.items()}
    wanted[moved][0][0][0, :2] += BY
    wanted[less].pop()
    wanted[more] = [(new, NEW_BOX)]
    return wanted


def _labelme(root: Path, skeleton: Skeleton, new: np.ndarray, pictures, category: str, last: int):
    def edit(name, change):
        path = (root / name).with_suffix(".json")
        content = json.loads(path.read_text())
        content["shapes"] = change(content["shapes"])
        path.write_text(json.dumps(content))

    def move(shapes):
        first = next(one for one in shapes if one["label"] == skeleton.joint_names[0])
        first["points"] = (np.array(first["points"]) + BY).tolist()
        return shapes

    x, y, w, h = NEW_BOX
    moved, less, more = pictures
    edit(moved, move)
    edit(less, lambda shapes: [one for one in shapes if one["group_id"] != last])
    edit(more, lambda shapes: [     # drawn without a group
        {"label": category, "points": [[x + w, y], [x, y + h]], "shape_type": "rectangle",
         "group_id": None, "flags": {}},
        *({"label": name, "points": [place[:2]], "shape_type": "point", "group_id": None,
           "flags": {}} for name, place in zip(skeleton.joint_names, new.tolist(), strict=True))])


def _cvat(root: Path, skeleton: Skeleton, new: np.ndarray, pictures, category: str, last: int):
    """As CVAT exports it: without what it does not know."""
    path = root / "annotations.xml"
    tree = ET.parse(path)
    images = {image.get("name"): image for image in tree.iter("image")}
    moved, less, more = (images[name] for name in pictures)
    for element in tree.iter():
        element.attrib.pop("score", None)
    point = moved.find("skeleton/points")
    x, y = np.array(point.get("points").split(","), float) + BY
    point.set("points", f"{x:.2f},{y:.2f}")
    for element in less.findall(f"*[@group_id='{last}']"):
        less.remove(element)
    x, y, w, h = NEW_BOX
    ET.SubElement(more, "box", label=f"{category}_box", xtl=str(x), ytl=str(y), xbr=str(x + w),
                  ybr=str(y + h), occluded="0", source="manual")
    pose = ET.SubElement(more, "skeleton", label=category, source="manual")
    for name, (x, y, _) in zip(skeleton.joint_names, new, strict=True):
        ET.SubElement(pose, "points", label=name, outside="0", occluded="0", points=f"{x},{y}")
    tree.write(path, encoding="utf-8")


def _coco(root: Path, skeleton: Skeleton, new: np.ndarray, pictures, category: str, last: int):
    path = root / "annotations.json"
    content = json.loads(path.read_text())
    moved, less, more = ({row["file_name"]: row["id"] for row in content["images"]}[name]
                         for name in pictures)
    rows = content["annotations"]
    first = next(row for row in rows if row["image_id"] == moved)
    first["keypoints"][:2] = (np.array(first["keypoints"][:2]) + BY).tolist()
    rows.remove([row for row in rows if row["image_id"] == less][-1])
    rows.append({"id": 99, "image_id": more, "category_id": 1, "iscrowd": 0, "area": 2000,
                 "bbox": NEW_BOX.tolist(), "keypoints": new.ravel().tolist(),
                 "num_keypoints": len(new)})
    path.write_text(json.dumps(content))


def _yolo(root: Path, skeleton: Skeleton, new: np.ndarray, pictures, category: str, last: int):
    moved, less, more = ((root / name).with_suffix(".txt") for name in pictures)
    size = np.array(Image.open(root / pictures[0]).size)
    first, *others = moved.read_text().splitlines()
    words = first.split()
    words[5:7] = map(str, np.array(words[5:7], float) + BY / size)
    moved.write_text("\n".join([" ".join(words), *others]) + "\n")
    less.write_text("\n".join(less.read_text().splitlines()[:-1]) + "\n")
    size = np.array(Image.open(root / pictures[2]).size)
    box = np.concatenate([NEW_BOX[:2] + NEW_BOX[2:] / 2, NEW_BOX[2:]]) / [*size, *size]
    joints = new / [*size, 1]
    more.write_text(" ".join(["0", *map(str, [*box, *joints.ravel()])]) + "\n")


CORRECT = {"labelme": _labelme, "cvat": _cvat, "coco": _coco, "yolo": _yolo}
