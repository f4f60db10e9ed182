"""Rows with boxes, of COCO results or annotations, and which picture of a list each is in."""
from collections.abc import Iterator
from typing import Any

import numpy as np

from datasets.annotations.category import category_ids
from datasets.annotations.coco_file import CocoFile, coco_content
from datasets.annotations.columns import ImageColumns, Rows, whole_images
from datasets.crops.image_files import image_numbers, places_among
from utils.errors import UserError


def annotated_boxes(content: Any, name: str, category: str | int,
                    ) -> tuple[CocoFile, tuple[Any, ...] | None, Rows, ImageColumns]:
    """The content of a COCO annotation file `name`, of which only boxes need be there: itself, the
    ids of the category (None: the file has none), its rows without crowds, and its images. Raises
    UserError."""
    file = coco_content(content, name)
    file.need("images", "annotations")
    ids = category_ids(file.categories, category, name) if file.categories else None
    rows = Rows(name, file.annotations, ids, "annotation")
    images = whole_images(file, ("id", "file_name"))
    rows.leave_out(rows.crowd(), "crowds left out")
    return file, ids, rows, images


def result_scores(rows: Rows, min_score: float) -> np.ndarray:
    """(N,) scores of COCO results, of which lower ones are left out."""
    scores = rows.numbers("score", 1, "the score of the box")[:, 0]
    rows.leave_out(~(scores >= min_score), f"boxes with a score below {min_score:g} "
                                           f"(detector.confidence) left out")
    return scores


def result_places(rows: Rows, names: list[str], unknown: str) -> np.ndarray:
    """(N,) int64 place among pictures of each row of COCO results: by its file_name or, where not
    all rows have one, by the number that the picture is called by; -1: in none of them. Raises
    UserError, `unknown`, for numbers where names have none.
    """
    file_names = [row.get("file_name") for row in rows.rows]
    if all(isinstance(one, str) for one in file_names):
        return places_among(map(str, file_names), names)
    ids, by_number = image_numbers(names)
    if not by_number:
        raise UserError(unknown)
    numbers = {image_id: place for place, image_id in enumerate(ids)}
    return np.array([numbers.get(one, -1) for one in rows.image_ids()], np.int64)


def result_orientations(rows: Rows, places: np.ndarray) -> Iterator[tuple[int, str]]:
    """(place of a picture, "obey" or "ignore") as rows say how its EXIF orientation was taken."""
    for row, place in zip(rows.rows, places.tolist(), strict=True):
        if place >= 0 and row.get("exif") in ("obey", "ignore"):
            yield place, row["exif"]
