"""Boxes: whom a data set shows. COCO files in, plain arrays out.

Persons come from an annotation file (ground truth) or from a detections file. The rules by
which some are left out are those of the official loaders; everyone left out is counted.
Arrays instead of Python objects: workers share them, objects would be copied page after page.
"""
import gc
import json
import math
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from numbers import Real
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from datasets.category import category_ids, ensure_joint_order
from datasets.skeleton import Skeleton
from utils.geometry import clean_box
from utils.oks import AREA_OF_BOX

FAR_OUTSIDE = 0.1       # a joint further outside than this part of the image size is no joint


@dataclass(frozen=True)
class Persons:
    """N persons in M images; persons of one image are neighbours, images in the file's order."""
    boxes: np.ndarray          # (N, 4) float64, xywh, image pixels
    keypoints: np.ndarray      # (N, K, 2) float32, image pixels; zeros where not labelled
    visibility: np.ndarray     # (N, K) uint8, 1 = labelled
    scores: np.ndarray         # (N,) float32, of the detector; 1 for ground truth
    ids: np.ndarray            # (N,) int64, annotation id; row in the file for detections
    image_rows: np.ndarray     # (N,) int32, row in the three arrays below
    image_ids: np.ndarray      # (M,) int64
    file_names: np.ndarray     # (M,) str, relative to the image folder
    image_sizes: np.ndarray    # (M, 2) int32, (width, height)
    sets: np.ndarray           # (M,) int16, number of the set where several are mixed, else 0
    notes: dict[str, int]      # what was left out or changed: how many

    def __len__(self) -> int:
        return len(self.boxes)

    def select(self, keep: np.ndarray | slice) -> "Persons":
        """The persons of a mask or slice, and only the images that they are in."""
        used, image_rows = np.unique(self.image_rows[keep], return_inverse=True)
        per_person = ("boxes", "keypoints", "visibility", "scores", "ids")
        per_image = ("image_ids", "file_names", "image_sizes", "sets")
        return replace(self, image_rows=image_rows.astype(np.int32),
                       **{name: getattr(self, name)[keep] for name in per_person},
                       **{name: getattr(self, name)[used] for name in per_image})


@contextmanager
def gc_paused() -> Iterator[None]:
    """Half of the time to read a large file would go into looking for garbage in it."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


@gc_paused()
def read_ground_truth(path: str | Path, skeleton: Skeleton, alignment: str = "hrnet",
                      key: str = "data.train_ann_path", category: str | int = "") -> Persons:
    """The annotated persons of a COCO keypoints file; see `category_ids` for who is one.

    Left out: crowds, persons without labelled joints, boxes without size, not finite or outside
    their image. Boxes are cut to the image by the rule of `alignment`. Raises FileNotFoundError
    or ValueError naming the file, `key` (the setting it came from) and the annotation.
    """
    file = _File(path, key, "annotation")
    content, persons, images = _parse_coco(file, category)
    ensure_joint_order(content["categories"], persons, skeleton, str(file))
    annotations = content["annotations"]
    rows, notes = _Rows(len(annotations), skeleton.num_joints), Counter[str]()
    wanted = f"three for each joint of the skeleton {skeleton.name} (data.skeleton)"
    for number, annotation in enumerate(annotations):
        if file.value(annotation, "category_id", number) not in persons:
            continue
        if file.is_crowd(annotation, number):
            notes["crowds left out"] += 1
            continue
        image = images.find(file.value(annotation, "image_id", number))
        if image is None:
            notes["persons in images that the file does not list left out"] += 1
            continue
        joints = file.numbers(annotation, "keypoints", 3 * skeleton.num_joints, number, wanted)
        joints = joints.reshape(-1, 3)
        labelled = joints[:, 2] > 0
        usable = labelled & _near(joints, images.sizes[image])
        if not np.array_equal(labelled, usable):
            notes["joints far outside their image not used"] += int((labelled & ~usable).sum())
        if not usable.any():
            notes["persons without labelled joints left out"] += 1
            continue
        box = file.numbers(annotation, "bbox", 4, number, "x, y, width and height")
        if annotation.get("area") is None:
            notes[f"areas missing and taken as {AREA_OF_BOX} of the box"] += 1
            area = AREA_OF_BOX * box[2] * box[3]
        else:
            area = file.numbers(annotation, "area", 1, number, "the area of the person")[0]
        cleaned = _clean(box, area, images.sizes[image], alignment)
        if cleaned is None:
            notes["boxes without size, not finite or outside their image left out"] += 1
            continue
        rows.add(image, cleaned, 1.0, annotation.get("id", number),
                 np.where(usable[:, None], joints[:, :2], 0), usable)
    return rows.stack(images, notes)


@gc_paused()
def read_detections(path: str | Path, ann_path: str | Path, skeleton: Skeleton,
                    min_score: float = 0.0, key: str = "data.val_ann_path",
                    category: str | int = "") -> Persons:
    """The persons of a COCO detection results file, in the images of an annotation file.

    Boxes are used as they are, also where they leave the image. Left out: scores below
    `min_score`, boxes without size or not finite, images that the annotation file does not
    list. Raises FileNotFoundError or ValueError like `read_ground_truth`.
    """
    _, persons, images = _parse_coco(_File(ann_path, key, "annotation"), category)
    file = _File(path, "val.boxes", "detection")
    detections = file.read()
    if not isinstance(detections, list):
        raise ValueError(f"{file} is not a detections file: it must be a list of entries with "
                         f"image_id, category_id, bbox and score")
    rows = _Rows(len(detections), skeleton.num_joints)
    notes, others = Counter[str](), Counter[str]()
    for number, detection in enumerate(detections):
        if file.value(detection, "category_id", number) not in persons:
            others[str(detection["category_id"])] += 1
            continue
        image = images.find(file.value(detection, "image_id", number))
        score = file.numbers(detection, "score", 1, number, "the score of the box")[0]
        box = file.numbers(detection, "bbox", 4, number, "x, y, width and height")
        if image is None:
            notes["boxes in images that the annotation file does not list left out"] += 1
        elif not (np.isfinite(box).all() and math.isfinite(score) and min(box[2:]) > 0):
            notes["boxes without size or not finite left out"] += 1
        elif score < min_score:
            notes[f"boxes with a score below {min_score:g} left out"] += 1
        else:
            rows.add(image, box, score, number)
    if others and sum(others.values()) == len(detections):
        raise ValueError(f"{file} has no detection of category {persons[0]}, which is that of "
                         f"{ann_path}, only of {', '.join(sorted(others)[:10])}: set "
                         f"data.category, or correct category_id in the detections")
    return rows.stack(images, notes)


def _near(joints: np.ndarray, image_size: tuple[int, int]) -> np.ndarray:
    """(K,) bool: finite and inside the image or a little outside of it. joints: (K, 3)."""
    margin = np.multiply(image_size, FAR_OUTSIDE)
    points = joints[:, :2]
    return np.all((points >= -margin) & (points <= image_size + margin), axis=1)


def _clean(box: np.ndarray, area: float, image_size: tuple[int, int], alignment: str,
           ) -> np.ndarray | None:
    """`clean_box` for boxes that touch their image and have a size, otherwise None."""
    x, y, w, h = box.tolist()
    if not (w > 0 and h > 0 and x + w > 0 and y + h > 0):   # also false for NaN
        return None
    cleaned = clean_box(box, image_size, alignment, area)
    return None if cleaned is None or max(cleaned[2:]) <= 0 else cleaned


def _parse_coco(file: "_File", category: str | int) -> tuple[dict, tuple[int, ...], "_Images"]:
    """The content as it is, the category ids of persons, and the images."""
    content = file.read()
    lists = ("images", "annotations", "categories")
    if not isinstance(content, dict) or not all(type(content.get(n)) is list for n in lists):
        raise ValueError(f"{file} is not a COCO annotation file: it must hold the lists "
                         f"{', '.join(lists)}")
    ids = category_ids(content["categories"], category, str(file))
    return content, ids, _Images(file, content["images"])


@dataclass(frozen=True)
class _File:
    """A JSON file and what its rows are called in messages."""
    path: str | Path
    key: str        # the setting that names the file
    row_name: str

    def __str__(self) -> str:
        return f"{self.path} ({self.key})"

    def read(self) -> Any:
        try:
            return json.loads(Path(self.path).read_bytes())
        except FileNotFoundError:
            raise FileNotFoundError(f"{self} does not exist: correct the path") from None
        except OSError as error:
            raise ValueError(f"{self} cannot be read: {error.strerror}") from error
        except ValueError as error:     # not JSON, or not text at all
            raise ValueError(f"{self} is not JSON ({error}): download or write it again"
                             ) from error

    def value(self, row: Any, name: str, number: int) -> Any:
        """A field that must be there. number: of the row, for the message."""
        if not isinstance(row, dict) or name not in row:
            self._fail(row, number, f"has no {name}")
        return row[name]

    def numbers(self, row: dict, name: str, count: int, number: int, meaning: str,
                ) -> np.ndarray:
        """A field of `count` numbers, (count,) float64."""
        value = self.value(row, name, number)
        try:
            numbers = np.array(value, np.float64).reshape(-1)
        except (TypeError, ValueError):
            self._fail(row, number, f"has something else than numbers in {name}")
        if len(numbers) != count:
            self._fail(row, number, f"has {len(numbers)} numbers in {name} instead of {count}, "
                                    f"{meaning}")
        return numbers

    def is_crowd(self, row: dict, number: int) -> bool:
        crowd = row.get("iscrowd")
        if crowd not in (None, 0, 1):       # a text such as "0" would count as true
            self._fail(row, number, "has an iscrowd that is neither 0 nor 1")
        return bool(crowd)

    def _fail(self, row: Any, number: int, what: str) -> NoReturn:
        name = row["id"] if isinstance(row, dict) and "id" in row else f"in row {number}"
        raise ValueError(f"{self}: {self.row_name} {name} {what}; correct or remove it")


class _Images:
    """The image list of an annotation file as columns."""
    def __init__(self, file: _File, images: list):
        self.ids: list[int] = []
        self.names: list[str] = []
        self.sizes: list[tuple[int, int]] = []     # (width, height)
        for number, image in enumerate(images):
            try:
                image_id, name, size = image["id"], image["file_name"], (
                    int(image["width"]), int(image["height"]))
            except (KeyError, TypeError, ValueError):
                image_id, name, size = None, None, (0, 0)
            if type(image_id) is not int or type(name) is not str or min(size) <= 0:
                raise ValueError(f"{file}: the image in row {number} needs id (a whole number), "
                                 f"file_name, width and height; correct or remove it")
            self.ids.append(image_id)
            self.names.append(name)
            self.sizes.append(size)
        self._rows: dict[Any, int] = {image_id: row for row, image_id in enumerate(self.ids)}

    def find(self, image_id: Any) -> int | None:
        """Row of an image; None for whatever is no id of one."""
        return self._rows.get(image_id) if isinstance(image_id, Real) else None


class _Rows:
    """Persons being collected. The arrays are made beforehand: a list of small arrays would
    leave holes in the memory of every worker."""
    def __init__(self, most: int, num_joints: int):
        self.count = 0
        self.images, self.ids = np.zeros(most, np.int32), np.zeros(most, np.int64)
        self.boxes, self.scores = np.zeros((most, 4)), np.zeros(most, np.float32)
        self.points = np.zeros((most, num_joints, 2), np.float32)
        self.labelled = np.zeros((most, num_joints), np.uint8)

    def add(self, image: int, box: np.ndarray, score: float, row_id: Any,
            points: np.ndarray | float = 0, labelled: np.ndarray | float = 0) -> None:
        row = self.count
        self.images[row], self.boxes[row], self.scores[row] = image, box, score
        self.points[row], self.labelled[row] = points, labelled
        self.ids[row] = row_id if type(row_id) is int else row
        self.count += 1

    def stack(self, images: _Images, notes: Counter) -> Persons:
        order = np.argsort(self.images[:self.count], kind="stable")
        return Persons(
            boxes=self.boxes, keypoints=self.points, visibility=self.labelled,
            scores=self.scores, ids=self.ids, image_rows=self.images,
            image_ids=np.array(images.ids, np.int64), file_names=np.array(images.names, np.str_),
            image_sizes=np.array(images.sizes, np.int32).reshape(-1, 2),
            sets=np.zeros(len(images.ids), np.int16), notes=dict(notes)).select(order)
