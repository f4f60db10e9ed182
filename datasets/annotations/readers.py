"""Readers: persons of an annotation file or of a detections file, as plain arrays.

The rules by which some are left out are those of the official loaders; everyone left out is
counted. Arrays instead of Python objects: workers share them, objects would be copied page after
page.
"""
from dataclasses import replace
from pathlib import Path

import numpy as np

from datasets.annotations.category import category_ids, ensure_joint_order
from datasets.annotations.coco_file import read_coco
from datasets.annotations.columns import ImageColumns, Rows, is_number, whole_images
from datasets.annotations.persons import PersonTable
from datasets.annotations.skeleton import Skeleton
from utils.errors import UserError
from utils.geometry import clean_box
from utils.json_file import gc_paused, read_json
from utils.oks import AREA_OF_BOX
from utils.shown import shown

FAR_LARGER = 2         # times a side of the image
FAR_OUTSIDE = 0.1       # a joint further outside than this part of the image size is no joint
LARGEST = 1e9           # pixels; a box with larger numbers would overflow on its way to a crop


@gc_paused()
def read_persons(path: str | Path, skeleton: Skeleton, alignment: str = "hrnet",
                 key: str = "data.train_ann_path", category: str | int = "") -> PersonTable:
    """The annotated persons of a COCO keypoints file, or one of COCO-WholeBody; see
    `category_ids` for who is one.

    Left out: crowds, persons without labelled joints or with an area that is not above 0, boxes
    without size, not finite or outside their image. A joint is labelled if its v is above 0; what
    stands beside another v counts for nothing. Boxes are cut to the image by the rule of
    `alignment`. Raises FileNotFoundError or UserError naming the file, `key` (the setting it came
    from) and the annotation.
    """
    file = read_coco(path, key)
    file.need("images", "annotations", "categories")
    ids = category_ids(file.categories, category, file.name)
    ensure_joint_order(file.categories, ids, skeleton, file.name)
    images = whole_images(file)
    rows = Rows(file.name, file.annotations, ids, "annotation")
    rows.leave_out(rows.crowd(), "crowds left out")
    image_rows = images.rows_of(rows.image_ids())
    rows.leave_out(image_rows < 0, "persons in images that the file does not list left out")
    meaning = f"three for each joint of the skeleton {skeleton.name} (data.skeleton)"
    joints = rows.joints(skeleton.num_joints, meaning)
    sizes = np.array([*images.sizes, (0, 0)])[image_rows]       # the last one is nobody's
    labelled = (joints[..., 2] > 0) & rows.used[:, None]
    near = labelled & _near(joints[..., :2], sizes)
    rows.notes["joints far outside their image not used"] += int((labelled & ~near).sum())
    rows.leave_out(~near.any(axis=1), "persons without labelled joints left out")
    boxes = rows.numbers("bbox", 4, "x, y, width and height")
    areas = rows.numbers("area", 1, "the area of the person", optional=True)[:, 0]
    guessed = ~rows.given("area")
    rows.notes[f"areas missing and taken as {AREA_OF_BOX} of the box"] += int(
        (guessed & rows.used).sum())
    with np.errstate(over="ignore"):
        areas = np.where(guessed, AREA_OF_BOX * boxes[:, 2] * boxes[:, 3], areas)
    rows.leave_out(rows.given("area") & ~(areas > 0), "persons whose area is not above 0 left out")
    for row in np.flatnonzero(rows.used):
        box = _clean(boxes[row], float(areas[row]), images.sizes[image_rows[row]], alignment)
        boxes[row] = np.nan if box is None else box
    rows.leave_out(np.isnan(boxes[:, 0]), "boxes without size, not finite or outside their image "
                                          "left out")
    return _table(rows, images, image_rows, boxes=boxes, visibility=near,
                  hidden=near & (joints[..., 2] == 1),
                  keypoints=np.where(near[..., None], joints[..., :2], 0),
                  scores=np.ones(len(boxes)), ids=_ids(rows))


@gc_paused()
def read_detections(path: str | Path, ann_path: str | Path, skeleton: Skeleton,
                    min_score: float = 0.0, key: str = "data.val_ann_path",
                    category: str | int = "") -> PersonTable:
    """The persons of a COCO detection results file, in the images of an annotation file.

    Boxes are used as they are, also where they leave the image. Left out: scores below
    `min_score`, boxes without size or not finite, images that the annotation file does not
    list. `named_images` are all that a detection is of, whatever is left out. Raises
    FileNotFoundError or UserError like `read_persons`.
    """
    truth = read_coco(ann_path, key)
    truth.need("images", "categories")      # test-dev has no annotations
    ids = category_ids(truth.categories, category, truth.name)
    images = whole_images(truth)
    name = f"{path} (val.boxes)"
    detections = read_detection_rows(path)
    rows = Rows(name, detections, ids, "detection")
    if rows.others and not len(rows.rows):
        raise UserError(f"{name} has no detection of category {shown(ids[0])}, which is that of "
                        f"{ann_path}, only of {', '.join(sorted(rows.others)[:10])}: set "
                        f"data.category, or correct category_id in the detections")
    rows.refuse(["image_id" not in row for row in rows.rows], lambda row: "has no image_id")
    named_rows = images.rows_of([row.get("image_id") for row in detections])
    _ensure_ids_of_images(detections, images, name, truth.name)
    image_rows = named_rows[rows.places]
    scores = rows.numbers("score", 1, "the score of the box")[:, 0]
    scores[np.abs(scores) > LARGEST] = np.nan       # beyond float32
    boxes = rows.numbers("bbox", 4, "x, y, width and height")
    rows.leave_out(image_rows < 0,
                   "boxes in images that the annotation file does not list left out")
    rows.leave_out(~np.isfinite(scores), "boxes whose score is no finite number left out")
    whole = np.isfinite(boxes).all(axis=1) & (boxes[:, 2:] > 0).all(axis=1)
    rows.leave_out(~whole, "boxes without size or not finite left out")
    huge = (np.abs(boxes) > LARGEST).any(axis=1) & rows.used
    if huge.any():
        rows.leave_out(huge, f"boxes larger than any image, first in row {rows.places[huge][0]}, "
                             f"left out")
    sizes = np.array([*images.sizes, (0, 0)])[image_rows]
    rows.notes["boxes more than twice as wide or high as their image, used as they are"] += int(
        (rows.used & (scores >= min_score) & far_larger(boxes, sizes)).sum())
    rows.leave_out(scores < min_score, f"boxes with a score below {min_score:g} left out")
    rows.notes += Rows(truth.name, truth.annotations, ids, "annotation").notes
    persons = _table(rows, images, image_rows, boxes=boxes, scores=scores, ids=rows.places,
                     visibility=np.zeros((len(boxes), skeleton.num_joints)),
                     hidden=np.zeros((len(boxes), skeleton.num_joints), bool),
                     keypoints=np.zeros((len(boxes), skeleton.num_joints, 2)))
    named = np.unique(np.array(images.ids, np.int64)[named_rows[named_rows >= 0]])
    boxes_of = [(images.ids[number], row["exif"] == "obey")
                for number, row in zip(image_rows.tolist(), rows.rows, strict=True)
                if number >= 0 and row.get("exif") in ("obey", "ignore")]
    return replace(persons, named_images=named,
                   boxes_of=np.array(boxes_of, np.int64).reshape(-1, 2))


def far_larger(boxes: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """(N,) bool: boxes (N, 4) that no detector makes in images of these sizes (N, 2)."""
    return np.any(boxes[:, 2:] > FAR_LARGER * sizes, axis=1)


def read_detection_rows(path: str | Path) -> list:
    """The rows of a detections file as they are. Raises FileNotFoundError or UserError."""
    name = f"{path} (val.boxes)"
    rows = read_json(path, name)
    if not isinstance(rows, list):
        raise UserError(f"{name} is not a detections file: it must be a list of entries with "
                        f"image_id, category_id, bbox and score")
    return rows


def _ensure_ids_of_images(detections: list[dict], images: ImageColumns, name: str, truth: str,
                          ) -> None:
    """Raise UserError where ids of images are no numbers, such as text or names of files."""
    odd = [row["image_id"] for row in detections if not is_number(row.get("image_id", 0))]
    if odd and images.ids:
        raise UserError(f"{name}: {len(odd)} of {len(detections)} image_ids are no numbers, as "
                        f"those of {truth} are: here one is {shown(odd[0])}, there one is "
                        f"{images.ids[0]}; write the numbers of the annotation file")


def _table(rows: Rows, images: ImageColumns, image_rows: np.ndarray, *, boxes: np.ndarray,
           keypoints: np.ndarray, visibility: np.ndarray, hidden: np.ndarray, scores: np.ndarray,
           ids: np.ndarray) -> PersonTable:
    """The persons of the rows in use, those of an image beside each other."""
    used = np.flatnonzero(rows.used)
    used = used[np.argsort(image_rows[used], kind="stable")]
    return PersonTable(
        boxes=boxes, keypoints=keypoints.astype(np.float32), visibility=visibility.astype(np.uint8),
        hidden=hidden, scores=scores.astype(np.float32), ids=ids, rows=rows.places,
        image_rows=image_rows.astype(np.int32), image_ids=np.array(images.ids, np.int64),
        file_names=np.array(images.names, np.str_),
        image_sizes=np.array(images.sizes, np.int32).reshape(-1, 2),
        exif=np.array(images.exif, np.str_), sets=np.zeros(len(images.ids), np.int16),
        notes={what: count for what, count in rows.notes.items() if count}).select(used)


def _ids(rows: Rows) -> np.ndarray:
    """(N,) int64 annotation ids; a person without one that fits has the number of its row."""
    pairs = zip((row.get("id") for row in rows.rows), rows.places.tolist(), strict=True)
    return np.array([value if type(value) is int and -2 ** 63 <= value < 2 ** 63 else place
                     for value, place in pairs], np.int64)


def _near(points: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """(N, K) bool: finite and inside the image or a little outside of it. points: (N, K, 2),
    sizes: (N, 2)."""
    margin = (sizes * FAR_OUTSIDE)[:, None]
    return np.all((points >= -margin) & (points <= sizes[:, None] + margin), axis=2)


def _clean(box: np.ndarray, area: float, image_size: tuple[int, int], alignment: str,
           ) -> np.ndarray | None:
    """`clean_box` for boxes that touch their image and have a size, otherwise None."""
    x, y, w, h = box.tolist()
    if not (w > 0 and h > 0 and x + w > 0 and y + h > 0):   # also false for NaN
        return None
    cleaned = clean_box(box, image_size, alignment, area)
    return None if cleaned is None or max(cleaned[2:]) <= 0 else cleaned
