"""Draw lizards from above and label them as people would, for docs/own_data.md.

`python docs/draw_lizards.py FOLDER` writes 200 pictures into FOLDER/images, the same labels three
times (labelme files beside the pictures, FOLDER/annotations.xml of CVAT, FOLDER/labels of
YOLO-pose), FOLDER/again.xml, in which somebody else has labelled the first 50 pictures once more,
and FOLDER/new with five pictures of one lizard each that nobody has labelled.
"""
import json
import sys
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

WIDTH, HEIGHT = 320, 240
LABELLED, AGAIN, NEW = 200, 50, 5       # pictures
# Where joints are, in lizards: forward, to its left. How far labels are from there, as a part of
# the square root of the animal's area, root mean square: what the OKS sigma stands for.
JOINTS = {"nose": ((1.0, 0.0), 0.02), "left_eye": ((0.8, 0.13), 0.015),
          "right_eye": ((0.8, -0.13), 0.015), "left_forefoot": ((0.42, 0.45), 0.04),
          "right_forefoot": ((0.42, -0.45), 0.04), "left_hindfoot": ((-0.25, 0.45), 0.04),
          "right_hindfoot": ((-0.25, -0.45), 0.04), "tail_base": ((-0.45, 0.0), 0.06),
          "tail_tip": ((-1.5, 0.0), 0.025)}
NAMES = list(JOINTS)
FEET = [row for row, name in enumerate(NAMES) if name.endswith("foot")]


@dataclass
class Lizard:
    joints: np.ndarray      # (9, 2) pixels
    hidden: np.ndarray      # (9,) bool, under a leaf
    box: np.ndarray         # (4,) x, y, width, height


def draw_picture(rng: np.random.Generator, most: int) -> tuple[np.ndarray, list[Lizard]]:
    """A picture (HEIGHT, WIDTH, 3) uint8 BGR with up to `most` (1 or 2) lizards."""
    sand = rng.uniform(90, 190, 3) + rng.normal(0, 18, (HEIGHT // 8, WIDTH // 8, 1))
    image = cv2.resize(sand.clip(0, 255).astype(np.uint8), (WIDTH, HEIGHT))
    for _ in range(8):
        colour = rng.integers(40, 220, 3).tolist()
        cv2.ellipse(image, _point(rng.uniform(0, (WIDTH, HEIGHT))), _point(rng.uniform(4, 22, 2)),
                    rng.uniform(0, 180), 0, 360, colour, -1, cv2.LINE_AA)
    count = int(rng.integers(1, most + 1))
    lizards = [draw_lizard(image, rng, WIDTH * (number + 0.5) / count, WIDTH / count)
               for number in range(count)]
    return image, lizards


def draw_lizard(image: np.ndarray, rng: np.random.Generator, x: float, room: float) -> Lizard:
    """Draw one around the column x, at most `room` pixels wide."""
    size, angle, bend = rng.uniform(45, 70), rng.uniform(-0.9, 0.9), rng.uniform(-0.25, 0.25)
    ahead = np.array((np.sin(angle), -np.cos(angle)))
    left = np.array((ahead[1], -ahead[0]))

    def place(parts: np.ndarray) -> np.ndarray:
        """(N, 2) forward and left -> pixels before they are moved into the picture."""
        sideways = parts[:, 1] + bend * parts[:, 0] * np.abs(parts[:, 0])
        return size * (parts[:, :1] * ahead + sideways[:, None] * left)

    parts = np.array([where for where, _ in JOINTS.values()])
    parts[FEET] += rng.uniform(-0.12, 0.12, (len(FEET), 2))
    spine = place(np.column_stack([np.linspace(1.0, -1.5, 40), np.zeros(40)]))
    joints = place(parts)
    low, high = np.vstack([joints, spine]).min(0) - 8, np.vstack([joints, spine]).max(0) + 8
    fit = min(1.0, room / (high - low)[0], HEIGHT / (high - low)[1])
    shift = np.array((x, HEIGHT / 2)) - fit * (low + high) / 2
    joints, spine, size = fit * joints + shift, fit * spine + shift, fit * size
    skin = np.array((60, 150, 90)) + rng.integers(-40, 60, 3)
    for foot in FEET:
        hip = spine[12] if NAMES[foot].endswith("forefoot") else spine[20]
        cv2.line(image, _point(hip), _point(joints[foot]), skin.tolist(), 5, cv2.LINE_AA)
        cv2.circle(image, _point(joints[foot]), 4, (skin * 0.6).tolist(), -1, cv2.LINE_AA)
    for step, at in enumerate(spine):
        wide = np.interp(step, (0, 3, 7, 15, 23, 39), (0.06, 0.16, 0.11, 0.2, 0.09, 0.02))
        cv2.circle(image, _point(at), max(1, round(size * wide)), skin.tolist(), -1, cv2.LINE_AA)
    for eye in (1, 2):
        cv2.circle(image, _point(joints[eye]), 3, (10, 10, 10), -1, cv2.LINE_AA)
    hidden = np.zeros(len(joints), bool)
    if rng.random() < 0.3:      # a leaf
        leaf, reach = joints[rng.choice(FEET)], rng.uniform(8, 14)
        cv2.circle(image, _point(leaf), round(reach), (40, 90, 150), -1, cv2.LINE_AA)
        hidden = np.linalg.norm(joints - leaf, axis=1) < reach
    low, high = np.vstack([joints, spine]).min(0) - 4, np.vstack([joints, spine]).max(0) + 4
    return Lizard(joints, hidden, np.concatenate([low, high - low]))


def _point(values: np.ndarray) -> tuple[int, int]:
    return int(round(values[0])), int(round(values[1]))


def labelled(lizards: list[Lizard], rng: np.random.Generator) -> list[Lizard]:
    """The joints as somebody has clicked them."""
    errors = np.array([error for _, error in JOINTS.values()])[:, None] / np.sqrt(2)
    return [Lizard((one.joints + rng.normal(size=(len(NAMES), 2)) * errors * np.sqrt(
        0.53 * one.box[2] * one.box[3])).round(2), one.hidden, one.box) for one in lizards]


def write_labelme(path: Path, name: str, lizards: list[Lizard]) -> None:
    shapes = []
    for group, one in enumerate(lizards):
        x, y, w, h = one.box.tolist()
        shapes.append({"label": "lizard", "shape_type": "rectangle", "group_id": group,
                       "points": [[x, y], [x + w, y + h]], "flags": {}})
        shapes += [{"label": joint, "shape_type": "point", "group_id": group, "points": [at],
                    "flags": {"occluded": hidden}} for joint, at, hidden in zip(
                        NAMES, one.joints.tolist(), one.hidden.tolist(), strict=True)]
    path.write_text(json.dumps({"version": "5.5.0", "flags": {}, "shapes": shapes,
                                "imagePath": name, "imageData": None, "imageHeight": HEIGHT,
                                "imageWidth": WIDTH}), encoding="utf-8")


def write_yolo(path: Path, lizards: list[Lizard]) -> None:
    lines = []
    for one in lizards:
        box = np.concatenate([one.box[:2] + one.box[2:] / 2, one.box[2:]])
        box /= [WIDTH, HEIGHT, WIDTH, HEIGHT]
        joints = np.column_stack([one.joints / [WIDTH, HEIGHT], np.where(one.hidden, 1, 2)])
        lines.append(" ".join(["0", *(f"{value:.6f}" for value in (*box, *joints.ravel()))]))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def write_cvat(path: Path, pictures: dict[str, list[Lizard]]) -> None:
    """As CVAT exports "CVAT for images 1.1" of skeletons and boxes that are grouped."""
    root = ET.Element("annotations")
    ET.SubElement(root, "version").text = "1.1"
    for number, (name, lizards) in enumerate(pictures.items()):
        image = ET.SubElement(root, "image", id=str(number), name=name, width=str(WIDTH),
                              height=str(HEIGHT))
        for group, one in enumerate(lizards, 1):
            x, y, w, h = one.box.tolist()
            ET.SubElement(image, "box", label="lizard", occluded="0", xtl=f"{x:.2f}",
                          ytl=f"{y:.2f}", xbr=f"{x + w:.2f}", ybr=f"{y + h:.2f}",
                          group_id=str(group))
            skeleton = ET.SubElement(image, "skeleton", label="lizard", group_id=str(group))
            for joint, (px, py), hidden in zip(NAMES, one.joints, one.hidden, strict=True):
                ET.SubElement(skeleton, "points", label=joint, outside="0",
                              occluded=str(int(hidden)), points=f"{px:.2f},{py:.2f}")
    ET.ElementTree(root).write(path, encoding="utf-8", xml_declaration=True)


def write_all(folder: Path) -> None:
    for name in ("images", "labels", "new"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    labels, again = {}, {}
    for number in range(LABELLED):
        rng = np.random.default_rng(number)
        image, lizards = draw_picture(rng, most=2)
        name = f"{number:03d}.jpg"
        cv2.imwrite(str(folder / "images" / name), image)
        labels[name] = labelled(lizards, rng)
        if number < AGAIN:
            again[name] = labelled(lizards, rng)
        write_labelme((folder / "images" / name).with_suffix(".json"), name, labels[name])
        write_yolo((folder / "labels" / name).with_suffix(".txt"), labels[name])
    write_cvat(folder / "annotations.xml", labels)
    write_cvat(folder / "again.xml", again)
    for number in range(NEW):
        image, (lizard,) = draw_picture(np.random.default_rng(LABELLED + number), most=1)
        x, y, w, h = (int(value) for value in lizard.box)
        near = image[max(0, y - 6):y + h + 6, max(0, x - 6):x + w + 6]
        cv2.imwrite(str(folder / "new" / f"{number}.jpg"), near)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python docs/draw_lizards.py FOLDER")
    write_all(Path(sys.argv[1]))
