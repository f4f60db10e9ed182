"""Small sets of drawn things with their labels, as different tools write them."""
import json
import xml.etree.ElementTree as ET
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

import main
from datasets.annotations.skeleton import load_skeleton

SIZE = (200, 160)       # of all pictures
BODY = np.array([(0, -10), (.5, -10.5), (-.5, -10.5), (1, -10), (-1, -10), (2, -8), (-2, -8),
                 (3, -5), (-3, -5), (3, -2), (-3, -2), (1.2, -2), (-1.2, -2), (1.3, 3), (-1.3, 3),
                 (1.4, 8), (-1.4, 8)])
FINGERS = np.array([(0, 8), *((2 * finger - 4, 3 - 2.5 * bone - (finger % 4 > 0))
                              for finger in range(5) for bone in range(4))])
LIZARD = np.array([(0, -9), (1.3, -7), (-1.3, -7), (4, -4), (-4, -4), (0, 4), (0, 10)])
CARD = np.array([(-6, -9), (6, -9), (6, 9), (-6, 9)])
FACE = np.array([(-3, -3), (3, -3), (0, 0), (-2, 4), (2, 4)])


@dataclass(frozen=True)
class Kind:
    """What the labels of a set are like."""
    tool: str
    category: str
    names: tuple[str, ...]
    shape: np.ndarray               # (K, 2) pixels
    persons: int = 24
    turn: str = "upright"           # or "any", "half", of which half are upside down
    stretch: tuple[float, float] = (1.0, 1.0)
    files: str = "{:03d}.png"       # of the picture with a number


KINDS = {
    "people": Kind("coco", "person", tuple(" ".join(name.split("_")[::-1]).title() for name in
                                           load_skeleton("coco").joint_names), BODY),
    "animals": Kind("labelme", "lizard", ("nose", "LEar", "REar", "FootL", "FootR", "root", "tip"),
                    LIZARD, turn="any"),
    "hands": Kind("coco", "hand", load_skeleton("hand21").joint_names, FINGERS),
    "cards": Kind("yolo", "card", (), CARD, turn="any"),
    "one joint": Kind("cvat", "ball", ("middle",), np.zeros((1, 2)), stretch=(1.0, 1.0)),
    "faces": Kind("coco", "face", ("l_eye", "r_eye", "nose", "mouth_l", "mouth_r"), FACE),
    "upside down": Kind("coco", "person", load_skeleton("coco").joint_names, BODY, turn="half"),
    "film": Kind("yolo", "cow", (), LIZARD[:6], 60, files="film{0}_{1:04d}.png"),
    "two folders": Kind("labelme", "lamp", ("top", "foot"), np.array([(0, -8), (0, 8)]),
                        20, files="day{0}/{1}.png"),
    "tall": Kind("cvat", "tower", ("top", "left_foot", "right_foot"),
                 np.array([(0, -9), (2, 9), (-2, 9)]), stretch=(.6, 2.5)),
    "wide": Kind("coco", "eel", ("head", "middle", "tail"),
                 np.array([(-9, 1), (0, -1), (9, 1)]), stretch=(3.0, .8)),
    "tiny": Kind("yolo", "bird", (), LIZARD, persons=12, stretch=(.3, .3))}
BETWEEN = 10        # frames of a film, or pictures of a day


def written(kind: Kind, folder: Path) -> Path:
    """Draw and label a set; returns what init is given."""
    rng, people = np.random.default_rng(0), {}
    for number in range(kind.persons):
        angle = {"upright": rng.normal(0, .12), "any": rng.uniform(0, 7),
                 "half": np.pi * (number % 2)}[kind.turn]
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        shape = kind.shape * rng.uniform(2.5, 4) + rng.normal(0, 1, kind.shape.shape)
        joints = (shape * kind.stretch) @ turn.T + np.array(SIZE) / 2
        name = kind.files.format(number // BETWEEN, number) if "{0}" in kind.files else (
            kind.files.format(number))
        low, high = joints.min(axis=0) - 6, joints.max(axis=0) + 6
        people[name] = joints, (*low, *(high - low))
        path = folder / "images" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        image = rng.integers(90, 130, (SIZE[1], SIZE[0], 3), np.uint8)
        for place, joint in enumerate(joints.round().astype(int).tolist()):
            cv2.circle(image, joint, 4, (20 * place % 250, 250 - 20 * place % 250, 30), -1)
        cv2.imwrite(str(path), image)
    return WRITERS[kind.tool](kind, folder, people)


def _coco(kind: Kind, folder: Path, people: dict) -> Path:
    path = folder / "labels.json"
    path.write_text(json.dumps({
        "images": [{"id": row, "file_name": name, "width": SIZE[0], "height": SIZE[1]}
                   for row, name in enumerate(people)],
        "annotations": [{"id": row, "image_id": row, "category_id": 3, "iscrowd": 0,
                         "bbox": list(box), "area": box[2] * box[3] / 2, "num_keypoints":
                         len(joints), "keypoints": np.column_stack(
                             [joints, np.full(len(joints), 2)]).ravel().tolist()}
                        for row, (joints, box) in enumerate(people.values())],
        "categories": [{"id": 3, "name": kind.category, "keypoints": list(kind.names)}]}))
    return path


def _labelme(kind: Kind, folder: Path, people: dict) -> Path:
    for name, (joints, (x, y, w, h)) in people.items():
        shapes = [{"label": joint, "shape_type": "point", "points": [point], "group_id": 1}
                  for joint, point in zip(kind.names, joints.tolist(), strict=True)]
        shapes.append({"label": kind.category, "shape_type": "rectangle", "group_id": 1,
                       "points": [[x, y], [x + w, y + h]]})
        path = (folder / "images" / name).with_suffix(".json")
        path.write_text(json.dumps({"imagePath": path.with_suffix(".png").name, "shapes": shapes}))
    return folder / "images"


def _cvat(kind: Kind, folder: Path, people: dict) -> Path:
    root = ET.Element("annotations")
    for name, (joints, (x, y, w, h)) in people.items():
        image = ET.SubElement(root, "image", name=name, width=str(SIZE[0]), height=str(SIZE[1]))
        ET.SubElement(image, "box", label=kind.category, group_id="1", xtl=str(x), ytl=str(y),
                      xbr=str(x + w), ybr=str(y + h))
        for joint, (px, py) in zip(kind.names, joints.tolist(), strict=True):
            ET.SubElement(image, "points", label=joint, group_id="1", points=f"{px},{py}")
    ET.ElementTree(root).write(folder / "annotations.xml")
    return folder / "annotations.xml"


def _yolo(kind: Kind, folder: Path, people: dict) -> Path:
    for name, (joints, (x, y, w, h)) in people.items():
        box = np.array([x + w / 2, y + h / 2, w, h]) / (SIZE * 2)
        row = [*box, *np.column_stack([joints / SIZE, np.full(len(joints), 2)]).ravel()]
        path = (folder / "labels" / name).with_suffix(".txt")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(" ".join(["0", *map(str, row)]))
    path = folder / "data.yaml"
    path.write_text(f"names: [{kind.category}]\nkpt_shape: [{len(kind.shape)}, 3]\n"
                    f"train: images\n")
    return path


WRITERS = {"coco": _coco, "labelme": _labelme, "cvat": _cvat, "yolo": _yolo}


def spoilt(folder: Path, change: Callable[[dict], None]) -> Path:
    """The people, with a change of what the file holds."""
    path = written(KINDS["people"], folder)
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))
    return path


def made(folder: Path, source: Path | str, *words: str) -> int:
    """What init answers."""
    return main.main(["init", str(source), "--out", str(folder / "my.yaml"), *words])
