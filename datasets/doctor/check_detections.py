"""What the doctor looks for in a detections file (val.boxes): ids, categories, boxes, scores."""
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from datasets.annotations.columns import is_number, numbers
from datasets.annotations.readers import LARGEST, far_larger, read_detection_rows
from datasets.doctor.finding import Finding, examples_of
from datasets.doctor.raw_labels import RawLabels
from utils.errors import UserError
from utils.shown import shown

FIELDS = ("image_id", "category_id", "bbox", "score")
STOPS = "evaluation stops at them: correct or remove them"
# Detectors cut their boxes to the image, or let some reach out a little; corners in the place of
# width and height reach out by as much as the box is from the left and the top.
OUTSIDE = 0.3       # share of boxes that reach out
AT_BORDER = 0.05    # as a part of the image's side


def detections(path: Path, labels: RawLabels, min_score: float = 0.0) -> Iterator[Finding]:
    """All findings of a detections file for the images of the validation set. min_score:
    val.box_score."""
    try:
        listed = read_detection_rows(path)
    except (UserError, OSError) as error:
        yield Finding(str(error), "evaluation refuses it")
        return
    if not listed:
        yield Finding("the file lists nobody", "nobody is found and AP is 0: give the file that "
                      "the detector has filled", 1)
    rows = [row for row in listed if isinstance(row, dict) and all(key in row for key in FIELDS)]
    boxes, scores = numbers(rows, "bbox", 4), numbers(rows, "score", 1)
    odd = (boxes.counts != 4) | (scores.counts != 1)
    broken = len(listed) - len(rows) + int(odd.sum())
    if broken:
        yield Finding(f"{broken} of {len(listed)} rows are no entries with {', '.join(FIELDS)}, or "
                      "have no 4 numbers in bbox and 1 in score", STOPS, broken)
    rows = [row for row, wrong in zip(rows, odd, strict=True) if not wrong]
    if rows:
        known = labels.images.rows_of([row["image_id"] for row in rows])
        table, shares = boxes.table[~odd], scores.table[~odd, 0]
        found = [*_of_images(rows, known, labels), *_of_categories(rows, labels),
                 *_of_scores(shares), *_of_boxes(table, known, labels)]
        yield from found
        if not any(finding.serious for finding in found) and not (
                (known >= 0) & _whole(table) & (shares >= min_score)).any():
            yield Finding(f"none of the {len(rows)} boxes is used: they are without size, or their "
                          f"score is below val.box_score, {min_score:g}", "nobody is found and AP "
                          "is 0: lower it, or give the boxes that the detector has found",
                          len(rows))


def _whole(boxes: np.ndarray) -> np.ndarray:
    return (boxes[:, 2:] > 0).all(axis=1) & np.isfinite(boxes).all(axis=1)


def _of_images(rows: list[dict], known: np.ndarray, labels: RawLabels) -> Iterator[Finding]:
    """Image ids that no image of the validation set has."""
    lost = np.flatnonzero(known < 0)
    odd = [row["image_id"] for row in rows if not is_number(row["image_id"])]
    if odd:
        yield Finding(f"{len(odd)} of {len(rows)} image ids are no numbers", "evaluation refuses "
                      "the file: write the image ids of data.val_ann_path", len(odd),
                      examples_of(map(shown, odd), "image"))
    elif len(lost) and labels.images.ids:
        yield Finding(f"{len(lost)} of {len(rows)} detections are of images that the validation "
                      f"set does not list, whose first image id is {labels.images.ids[0]}", "they "
                      "are left out: write the image ids of data.val_ann_path", len(lost),
                      examples_of((shown(rows[row]["image_id"]) for row in lost), "image"),
                      serious=len(lost) == len(rows))


def _of_categories(rows: list[dict], labels: RawLabels) -> Iterator[Finding]:
    """Categories other than the one to judge."""
    others = [row for row in rows if row["category_id"] not in labels.category_ids]
    if others and labels.category_ids:
        yield Finding(f"{len(others)} of {len(rows)} detections are not of the category "
                      f"{shown(labels.category_ids[0])} that is judged", "they are left out: if "
                      "they are its people, write its id (detectors often count classes from 0)",
                      len(others),
                      examples_of((shown(row["category_id"]) for row in others), "category"),
                      serious=len(others) == len(rows))


def _of_scores(scores: np.ndarray) -> Iterator[Finding]:
    """Scores that are no share."""
    wrong = ~((scores >= 0) & (scores <= 1))
    if wrong.any():
        yield Finding(f"{wrong.sum()} of {len(scores)} scores are not between 0 and 1", "poses are "
                      "ranked by them and val.box_score cuts at them: write the detector's "
                      "confidence, from 0 to 1", int(wrong.sum()),
                      examples_of(map(str, scores[wrong].tolist()), "score"))


def _of_boxes(boxes: np.ndarray, known: np.ndarray, labels: RawLabels) -> Iterator[Finding]:
    """Boxes without size, those that are corners, and those that are parts of the image."""
    empty = ~_whole(boxes)
    if empty.any():
        yield Finding(f"{empty.sum()} of {len(boxes)} boxes have no width and height above 0",
                      "they are left out: remove them", int(empty.sum()), serious=False)
    huge = ~empty & (np.abs(boxes) > LARGEST).any(axis=1)
    if huge.any():
        yield Finding(f"{huge.sum()} of {len(boxes)} boxes have numbers beyond {LARGEST:g}, as no "
                      "image", "they are left out: correct or remove them", int(huge.sum()))
    whole = ~empty & ~huge & (known >= 0)
    boxes, sizes = boxes[whole], labels.image_sizes[known[whole]]
    if not len(boxes):
        return
    if (boxes <= 1.5).all():
        yield Finding("all numbers of the boxes lie between 0 and 1: they are parts of the image's "
                      "size instead of pixels", "nobody is in such boxes: multiply x and width by "
                      "the width of the image, y and height by its height", len(boxes))
        return
    larger = far_larger(boxes, sizes)
    if larger.any():
        yield Finding(f"{larger.sum()} of {len(boxes)} boxes are more than twice as wide or high "
                      "as their image", "nobody can be told in such crops: correct or remove them",
                      int(larger.sum()))
    limit = (1 + AT_BORDER) * sizes
    out = (boxes[:, :2] + boxes[:, 2:] > limit).any(axis=1)
    corners = (boxes[:, 2:] > boxes[:, :2]).all(axis=1) & (boxes[:, 2:] <= limit).all(axis=1)
    if out.mean() > OUTSIDE and corners.mean() > 0.95:
        yield Finding(f"{out.sum()} of {len(boxes)} boxes reach out of their image, and would not "
                      "as corners x1, y1, x2, y2", "a box is x, y, width, height: with corners the "
                      "crops are far too large, and AP is low without a word: write x2 - x1 and y2 "
                      "- y1", int(out.sum()))
