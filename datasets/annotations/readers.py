"""Boxes: whom a data set shows. COCO files in, plain arrays out.

Persons come from an annotation file (ground truth) or from a detections file. The rules by
which some are left out are those of the official loaders; everyone left out is counted.
Arrays instead of Python objects: workers share them, objects would be copied page after page.
"""
import math
from collections import Counter
from pathlib import Path

import numpy as np

from datasets.annotations.category import ensure_joint_order
from datasets.annotations.coco_file import CocoFile, PersonRows, gc_paused, parse_coco
from datasets.annotations.persons import PersonTable
from datasets.annotations.skeleton import Skeleton
from utils.errors import UserError
from utils.geometry import clean_box
from utils.oks import AREA_OF_BOX

FAR_OUTSIDE = 0.1       # a joint further outside than this part of the image size is no joint


@gc_paused()
def read_ground_truth(path: str | Path, skeleton: Skeleton, alignment: str = "hrnet",
                      key: str = "data.train_ann_path", category: str | int = "") -> PersonTable:
    """The annotated persons of a COCO keypoints file; see `category_ids` for who is one.

    Left out: crowds, persons without labelled joints, boxes without size, not finite or outside
    their image. Boxes are cut to the image by the rule of `alignment`. Raises FileNotFoundError
    or ValueError naming the file, `key` (the setting it came from) and the annotation.
    """
    file = CocoFile(path, key, "annotation")
    content, persons, images = parse_coco(file, category)
    ensure_joint_order(content["categories"], persons, skeleton, str(file))
    annotations = content["annotations"]
    rows, notes = PersonRows(len(annotations), skeleton.num_joints), Counter[str]()
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
                    category: str | int = "") -> PersonTable:
    """The persons of a COCO detection results file, in the images of an annotation file.

    Boxes are used as they are, also where they leave the image. Left out: scores below
    `min_score`, boxes without size or not finite, images that the annotation file does not
    list. Raises FileNotFoundError or ValueError like `read_ground_truth`.
    """
    _, persons, images = parse_coco(CocoFile(ann_path, key, "annotation"), category)
    file = CocoFile(path, "val.boxes", "detection")
    detections = file.read()
    if not isinstance(detections, list):
        raise UserError(f"{file} is not a detections file: it must be a list of entries with "
                         f"image_id, category_id, bbox and score")
    rows = PersonRows(len(detections), skeleton.num_joints)
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
        raise UserError(f"{file} has no detection of category {persons[0]}, which is that of "
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


