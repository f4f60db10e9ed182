"""read_boxes: boxes of a file in the place of a detector."""
from collections import Counter
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from datasets.annotations.category import category_ids
from datasets.annotations.coco_file import coco_content
from datasets.annotations.columns import Rows, whole_images
from processors.detection.person_detector import Detections
from processors.prediction.frame import Frame
from processors.prediction.frame_sources import ImageFiles
from processors.prediction.image_lists import PERSON, image_numbers
from processors.prediction.video_source import Video
from utils.errors import UserError
from utils.json_file import read_json
from utils.log import log
from utils.shown import shortened, shown


@dataclass(frozen=True)
class GivenBoxes:
    """The boxes of each frame, by its number in the source."""
    boxes: np.ndarray           # (N, 4) float32, xywh, image pixels
    scores: np.ndarray | None   # (N,) float32; None: of an annotation file, everybody counts
    frames: np.ndarray          # (N,) number of the frame that each is in

    def of(self, frame: Frame) -> np.ndarray | Detections:
        """As PosePredictor.each takes them."""
        here = self.frames == frame.number
        if self.scores is None:
            return self.boxes[here]
        return Detections(self.boxes[here], self.scores[here])


def read_boxes(path: str | Path, source: ImageFiles | Video, category: str | int = "",
               min_score: float = 0.0) -> GivenBoxes:
    """Boxes of COCO results (a list) or of a COCO annotation file, whose crowds do not count.

    Images are known by file_name, whole or without folders, and in results without it by the
    number in the file's name, as `detect` writes them; frames of a video by their number from 0.
    category: data.category; results have no names of categories, so there a text stands for 1, or
    for the only one. What is left out is counted and said. Raises FileNotFoundError or UserError.
    """
    name = f"{path} (--boxes)"
    content = read_json(path, name)
    is_results = isinstance(content, list)
    ids: tuple | None = None
    if is_results:
        rows = Rows(name, content, _category(content, category, name), "detection")
        images = None
    else:
        file = coco_content(content, name)
        file.need("images", "annotations")
        if file.categories:
            ids = category_ids(file.categories, category, name)
        rows, images = Rows(name, file.annotations, ids, "annotation"), whole_images(
            file, ("id", "file_name"))
        rows.leave_out(rows.crowd(), "crowds left out")
    found = rows.numbers("bbox", 4, "x, y, width and height")
    rows.leave_out(~(np.isfinite(found).all(1) & (found[:, 2:] > 0).all(1)),
                   "boxes without size or not finite left out")
    scores = None
    if is_results:
        scores = rows.numbers("score", 1, "the score of the box")[:, 0]
        rows.leave_out(~(scores >= min_score), f"boxes with a score below {min_score:g} "
                                               f"(detector.confidence) left out")
    names = [row.get("file_name") for row in rows.rows]
    if images is not None:
        known = dict(zip(images.ids, images.names, strict=True))
        names = [known.get(image_id) for image_id in rows.image_ids()]
    frames = _frames(rows, names, source, name)
    rows.leave_out(frames < 0, "boxes of other images left out")
    for what, count in rows.notes.items():
        if count:
            log.info("%s: %d %s", name, count, what)
    used = rows.used
    return _told(GivenBoxes(found[used].astype(np.float32),
                            None if scores is None else scores[used].astype(np.float32),
                            frames[used]), source, name)


def _told(given: GivenBoxes, source: ImageFiles | Video, name: str) -> GivenBoxes:
    """The boxes, if there are any; images without are counted."""
    if not len(given.boxes):
        raise UserError(f"{name} has no box for what is to be looked at: give the file of these "
                        f"images, or set data.category or detector.confidence")
    if isinstance(source, ImageFiles):
        empty = len(source) - len(np.unique(given.frames))
        log.info("%s: %d boxes in %d of %d images", name, len(given.boxes), len(source) - empty,
                 len(source))
    return given


def _category(rows: list, category: str | int, name: str) -> tuple[Any, ...]:
    """The category id that counts in results."""
    found = Counter(row.get("category_id") for row in rows if isinstance(row, dict)
                    and isinstance(row.get("category_id"), int))
    if isinstance(category, int):
        return (category,)
    if PERSON in found or not found:
        return (PERSON,)
    if len(found) == 1:
        return tuple(found)
    raise UserError(f"{name} has the categories {shown(sorted(found))} and not {PERSON}, which is "
                    f"person: set data.category to the number of those who are meant")


def _frames(rows: Rows, names: list[str | None], source: ImageFiles | Video,
            name: str) -> np.ndarray:
    """(N,) number of the frame of each row, -1 of those that are in none."""
    if isinstance(source, Video):
        return np.array([number if type(number) is int and number >= 0 else -1
                         for number in rows.image_ids()], np.int64)
    given = [one for one in names if isinstance(one, str)]
    if len(given) == len(names):
        whole = {one: number for number, one in enumerate(source.names)}
        count = Counter(PurePosixPath(one).name for one in source.names)
        bare = {PurePosixPath(one).name: number for number, one in enumerate(source.names)
                if count[PurePosixPath(one).name] == 1}
        return np.array([whole.get(one, bare.get(PurePosixPath(one).name, -1)) for one in given],
                        np.int64)
    ids, by_number = image_numbers(source.names)
    if not by_number:
        raise UserError(f"{name} tells images by numbers, and names such as "
                        f"{shortened(source.names[0])} have none: give a COCO annotation file, or "
                        f"add file_name to each entry")
    numbers = {image_id: number for number, image_id in enumerate(ids)}
    return np.array([numbers.get(image_id, -1) for image_id in rows.image_ids()], np.int64)
