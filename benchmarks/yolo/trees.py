"""Labels as a YOLO-pose tree, which both sides of benchmarks/yolo_pose.py read: data.yaml,
images/train and images/val, labels/train and labels/val."""
import json
import runpy
import shutil
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import yaml

from datasets.annotations.skeleton import Skeleton, load_skeleton

ROOT = Path(__file__).resolve().parent.parent.parent
LIZARDS = {"train": (0, 200), "val": (1000, 60)}       # number of the first picture, pictures
PEOPLE = {"train": 200, "val": 300}                     # with labelled joints, at least


@dataclass(frozen=True)
class Labelled:
    """A picture: its size, and the objects in it."""
    name: str
    width: int
    height: int
    boxes: np.ndarray       # (N, 4) xywh, pixels
    joints: np.ndarray      # (N, K, 3) x, y, COCO's v, pixels

    def lines(self) -> str:
        """A label file: class 0, box, joints, in parts of the picture's size."""
        size = np.array([self.width, self.height])
        centres = (self.boxes[:, :2] + self.boxes[:, 2:] / 2) / size
        rows = np.column_stack([centres, self.boxes[:, 2:] / size])
        joints = self.joints / [*size, 1]
        return "".join(f"0 {' '.join(f'{value:.6f}' for value in box)} "
                       f"{' '.join(f'{x:.6f} {y:.6f} {v:.0f}' for x, y, v in points)}\n"
                       for box, points in zip(rows, joints, strict=True))


def write_lizards(tree: Path) -> None:
    """Those of docs/own_data.md. To learn from, labelled as people click; to judge by, with the
    joints where they were drawn, so that small errors are not those of the labels."""
    draw: dict[str, Any] = runpy.run_path(str(ROOT / "docs" / "draw_lizards.py"))
    for part, (first, count) in LIZARDS.items():
        images, labels = _folders(tree, part)
        for number in range(first, first + count):
            rng = np.random.default_rng(number)
            pixels, lizards = draw["draw_picture"](rng, most=2)
            if part == "train":
                lizards = draw["labelled"](lizards, rng)
            name = f"{number:04d}.jpg"
            cv2.imwrite(str(images / name), pixels)
            found = Labelled(name, draw["WIDTH"], draw["HEIGHT"],
                             np.array([one.box for one in lizards]),
                             np.array([np.column_stack([one.joints, 2 - one.hidden])
                                       for one in lizards]))
            (labels / name).with_suffix(".txt").write_text(found.lines())
    names = draw["NAMES"]
    mirrored = [names.index(_other_side(name)) for name in names]
    _write_yaml(tree, "lizard", names, mirrored)


def write_people(tree: Path, files: dict[str, tuple[Path, Path]], seed: int) -> None:
    """Pictures of COCO keypoints files, drawn by lot until there are PEOPLE; crowds are left out.

    files: train and val -> the annotation file and the folder of its images.
    """
    skeleton = load_skeleton("coco")
    for part, (annotations, root) in files.items():
        images, labels = _folders(tree, part)
        for found in _drawn_by_lot(annotations, skeleton, PEOPLE[part], seed):
            shutil.copyfile(root / found.name, images / Path(found.name).name)
            (labels / Path(found.name).name).with_suffix(".txt").write_text(found.lines())
    _write_yaml(tree, "person", skeleton.joint_names, skeleton.flip_order)


def _drawn_by_lot(annotations: Path, skeleton: Skeleton, wanted: int, seed: int,
                  ) -> list[Labelled]:
    content = json.loads(annotations.read_bytes())
    of_image = defaultdict(list)
    for person in content["annotations"]:
        if not person.get("iscrowd") and min(person["bbox"][2:]) > 0:
            of_image[person["image_id"]].append(person)
    images = sorted((image for image in content["images"]
                     if any(person["num_keypoints"] for person in of_image[image["id"]])),
                    key=lambda image: image["id"])
    chosen, people = [], 0
    for place in np.random.default_rng(seed).permutation(len(images)):
        if people >= wanted:
            break
        image = images[place]
        persons = of_image[image["id"]]
        people += sum(person["num_keypoints"] > 0 for person in persons)
        joints = np.array([person["keypoints"] for person in persons], float)
        chosen.append(Labelled(image["file_name"], image["width"], image["height"],
                               np.array([person["bbox"] for person in persons], float),
                               joints.reshape(len(persons), skeleton.num_joints, 3)))
    return chosen


def _other_side(name: str) -> str:
    return name.replace("left", "\0").replace("right", "left").replace("\0", "right")


def _folders(tree: Path, part: str) -> tuple[Path, Path]:
    folders = tree / "images" / part, tree / "labels" / part
    for folder in folders:
        folder.mkdir(parents=True)
    return folders


def _write_yaml(tree: Path, name: str, joints: Sequence[str], mirrored: Sequence[int]) -> None:
    (tree / "data.yaml").write_text(yaml.safe_dump({
        "path": str(tree.resolve()), "train": "images/train", "val": "images/val",
        "names": {0: name}, "kpt_shape": [len(joints), 3],
        "flip_idx": [int(place) for place in mirrored], "kpt_names": {0: [*joints]}},
        sort_keys=False))


def ensure_tree(tree: Path, write: Callable[[Path], None]) -> Path:
    """Its data.yaml, which `write` writes last, if it is not there."""
    if not (tree / "data.yaml").is_file():
        shutil.rmtree(tree, ignore_errors=True)
        write(tree)
    return tree / "data.yaml"
