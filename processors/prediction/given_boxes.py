"""read_boxes: boxes of a file in the place of a detector."""
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from datasets.annotations.category import result_category
from datasets.annotations.columns import ImageColumns, Rows
from datasets.crops.boxes_of_pictures import (
    annotated_boxes,
    result_orientations,
    result_places,
    result_scores,
)
from datasets.crops.image_files import places_among
from datasets.crops.image_header import Size
from processors.detection.person_detector import Detections
from processors.prediction.frame import Frame
from processors.prediction.frame_sources import ImageFiles
from processors.prediction.image_lists import Images
from processors.prediction.video_source import Video
from utils.errors import UserError
from utils.json_file import read_json
from utils.log import log
from utils.shown import shortened


@dataclass(frozen=True)
class GivenBoxes:
    """The boxes of each frame, by its number in the source."""
    boxes: np.ndarray           # (N, 4) float32, xywh, image pixels
    scores: np.ndarray | None   # (N,) float32; None: of an annotation file, everybody counts
    frames: np.ndarray          # (N,) number of the frame that each is in
    stated: tuple[tuple[Size | None, str], ...] = ()    # of images, see ImageFiles

    def of(self, frame: Frame) -> np.ndarray | Detections:
        """As PosePredictor.each takes them, without those that show nothing of the frame, which
        are said."""
        here = self.frames == frame.number
        if frame.pixels is not None and here.any():
            beside = here & ~_shows(self.boxes, frame.pixels.shape[1], frame.pixels.shape[0])
            if beside.any():
                log.warning("%s: boxes outside of it or of less than a pixel left out: %d",
                            shortened(frame.name), beside.sum())
            here &= ~beside
        if self.scores is None:
            return self.boxes[here]
        return Detections(self.boxes[here], self.scores[here])

    def notes(self, count: int) -> list[str]:
        """On boxes of a video that has ended after `count` frames."""
        beyond = int((self.frames >= count).sum())
        hint = (": the numbers of frames begin with 0, and those of the file seem to begin with 1, "
                "so every box is one frame late"
                if self.frames.min() == 1 and self.frames.max() == count else "")
        return [f"{beyond} boxes are of frames behind the last, {count - 1}, and are in no results"
                f"{hint}"] * bool(beyond)


def _shows(boxes: np.ndarray, width: int, height: int) -> np.ndarray:
    """(N,) whether each xywh box has a pixel of an image in it."""
    ends = np.minimum(boxes[:, :2] + boxes[:, 2:], [width, height])
    return (ends - np.maximum(boxes[:, :2], 0) >= 1).all(axis=1)


def read_boxes(path: str | Path, source: ImageFiles | Video, category: str | int = "",
               min_score: float = 0.0, exif: str = "default") -> GivenBoxes:
    """Boxes of COCO results (a list) or of a COCO annotation file, whose crowds do not count.

    Images are known by file_name, whole or without folders, and in results without it by the
    number in the file's name, as `detect` writes them; frames of a video by their number from 0.
    category: data.category; results have no names of categories, so there a text stands for 1, or
    for the only one. exif: data.exif, for pictures of an annotation file whose orientation neither
    their size nor their row settles. What is left out is counted and said. Raises FileNotFoundError
    or UserError.
    """
    name = f"{path} (--boxes)"
    content = read_json(path, name)
    is_results = isinstance(content, list)
    images: ImageColumns | None = None
    if is_results:
        rows = Rows(name, content, result_category(content, category, name), "detection")
    else:
        _, _, rows, images = annotated_boxes(content, name, category)
    found = rows.numbers("bbox", 4, "x, y, width and height")
    rows.leave_out(~(np.isfinite(found).all(1) & (found[:, 2:] > 0).all(1)),
                   "boxes without size or not finite left out")
    scores = None
    if is_results:
        scores = result_scores(rows, min_score)
    frames, stated = _frames(rows, images, source, name)
    rows.leave_out(frames < 0, "boxes of other images left out")
    for what, count in rows.notes.items():
        if count:
            log.info("%s: %d %s", name, count, what)
    if isinstance(source, ImageFiles):
        if images is not None:
            for note in Images(source.root, source.names, [], "", stated=stated).notes(exif):
                log.warning("%s: %s", name, note)
        stated = tuple((size, own or ("obey" if images is None else exif)) for size, own in stated)
    used = rows.used
    return _told(GivenBoxes(found[used].astype(np.float32),
                            None if scores is None else scores[used].astype(np.float32),
                            frames[used], stated), rows.notes, source, name)


def _told(given: GivenBoxes, notes: Counter[str], source: ImageFiles | Video, name: str,
          ) -> GivenBoxes:
    """The boxes, if there are any, counted. notes: on what is left out."""
    if not len(given.boxes):
        lost = ", ".join(f"{count} {what.removesuffix(' left out')}"
                         for what, count in notes.items() if count)
        raise UserError(f"{name} has no box for what is to be looked at"
                        f"{f'; left out are {lost}' * bool(lost)}: give the file of these images, "
                        f"correct category_id, or set data.category or detector.confidence")
    log.info("%s: %d boxes in %d%s %s", name, len(given.boxes), len(np.unique(given.frames)),
             f" of {len(source)}" * bool(len(source)),
             "images" if isinstance(source, ImageFiles) else "frames")
    return given


def _frames(rows: Rows, images: ImageColumns | None, source: ImageFiles | Video, name: str,
            ) -> tuple[np.ndarray, tuple[tuple[Size | None, str], ...]]:
    """(N,) number of the frame of each row, -1 of those that are in none; and of image files what
    is said of each: its size, and `exif`."""
    if isinstance(source, Video):
        return np.array([number if type(number) is int and number >= 0 else -1
                         for number in rows.image_ids()], np.int64), ()
    stated: list[tuple[Size | None, str]] = [(None, "")] * len(source)
    if images is not None:
        # the last one is that of a row without an image
        places = np.append(places_among(images.names, source.names), -1)
        for place, size, exif in zip(places.tolist(), images.sizes, images.exif, strict=False):
            if place >= 0:
                stated[place] = size if all(size) else None, exif
        return places[images.rows_of(rows.image_ids())], tuple(stated)
    frames = result_places(
        rows, source.names,
        f"{name} tells images by numbers, and names such as {shortened(source.names[0])} have "
        f"none: give a COCO annotation file, or add file_name to each entry")
    for place, exif in result_orientations(rows, frames):
        stated[place] = None, exif
    return frames, tuple(stated)
