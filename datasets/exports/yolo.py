"""YOLO-pose: a text file for each picture, in parts of its size, and data.yaml. No room for scores.

Labels are where Ultralytics looks for those of a picture: in the folder "labels" beside the last
"images" of its path, otherwise beside the picture.
"""
import json
from pathlib import Path

import numpy as np

from datasets.annotations.skeleton import Skeleton
from datasets.exports.labelled import LabelledImage, LabelledPerson

DIGITS = 7      # a ten-thousandth of a pixel of 1,000
NEAR = 2        # last folders of a root among which "images" is that of a data set


def yolo_lines(image: LabelledImage, number: int) -> bytes:
    """Content of a file: empty if nobody is there. number: of the class."""
    return "".join(f"{number} {' '.join(_numbers(person, image.size))}\n"
                   for person in image.persons).encode()


def _numbers(person: LabelledPerson, size: tuple[int, int]) -> list[str]:
    whole = np.array(size * 2)
    middle = np.concatenate([person.box[:2] + person.box[2:] / 2, person.box[2:]]) / whole
    v = person.joints[:, 2]
    places = np.where(v[:, None] > 0, person.joints[:, :2], 0) / whole[:2]
    joints = [[f"{x:.{DIGITS}f}", f"{y:.{DIGITS}f}", str(int(seen))]
              for (x, y), seen in zip(places.tolist(), v, strict=True)]
    return [f"{value:.{DIGITS}f}" for value in middle] + sum(joints, [])


def yolo_yaml(skeleton: Skeleton, category: str, pictures: str) -> bytes:
    """Content of data.yaml. pictures: their folder, relative to the file's, for training and, as
    Ultralytics wants one, for validation."""
    said = {"train": pictures, "val": pictures, "names": {0: category},
            "kpt_shape": [skeleton.num_joints, 3], "flip_idx": list(skeleton.flip_order),
            "kpt_names": {0: list(skeleton.joint_names)}}
    lines = [f"{key}: {_yaml(value)}" for key, value in said.items()]
    return "\n".join(["# SimplePose made this from predictions", *lines, ""]).encode()


def _yaml(value: object) -> str:
    """A flow of YAML; JSON is one, but for the keys of mappings, which are numbers here."""
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key}: {_yaml(one)}' for key, one in value.items())}}}"
    return json.dumps(value, ensure_ascii=False)


def labels_beside(root: Path, name: str) -> Path:
    """The label file of a picture. name: relative to root, the folder of all."""
    picture = root / name
    folder, place = picture.parent, _images_in(picture.parent, root)
    if place is not None:
        folder = Path(*folder.parts[:place], "labels", *folder.parts[place + 1:])
    return folder / f"{picture.stem}.txt"


def home_of(pictures: Path) -> Path:
    """The folder of data.yaml: the one above "images", or that of the pictures."""
    place = _images_in(pictures, pictures)
    return pictures if place is None else Path(*pictures.parts[:place])


def _images_in(folder: Path, root: Path) -> int | None:
    """Which part of a path is its last "images", if that is below the root or near its end."""
    first = max(1, len(root.parts) - NEAR)
    return next((place for place in reversed(range(first, len(folder.parts)))
                 if folder.parts[place] == "images"), None)
