"""Persons: the annotated persons of a data set as flat arrays, shared by workers, not copied."""
from collections import Counter
from dataclasses import dataclass, field, replace

import numpy as np

PER_PERSON = ("boxes", "keypoints", "visibility", "hidden", "scores", "ids", "rows")
PER_IMAGE = ("image_ids", "file_names", "image_sizes", "exif", "sets")


@dataclass(frozen=True)
class PersonTable:
    """N persons in M images; persons of one image are neighbours, images in the file's order."""
    boxes: np.ndarray          # (N, 4) float64, xywh, image pixels
    keypoints: np.ndarray      # (N, K, 2) float32, image pixels; zeros where not labelled
    visibility: np.ndarray     # (N, K) uint8, 1 = labelled
    hidden: np.ndarray         # (N, K) bool, labelled with v = 1: COCO's "not visible"
    scores: np.ndarray         # (N,) float32, of the detector; 1 for ground truth
    ids: np.ndarray            # (N,) int64, annotation id, not always unique; row for detections
    rows: np.ndarray           # (N,) int64, row in the file's list of annotations or detections
    image_rows: np.ndarray     # (N,) int32, row in the arrays below
    image_ids: np.ndarray      # (M,) int64
    file_names: np.ndarray     # (M,) str, relative to the image folder
    image_sizes: np.ndarray    # (M, 2) int32, (width, height)
    exif: np.ndarray           # (M,) str, "obey" or "ignore" its orientation, "": not said
    sets: np.ndarray           # (M,) int16, number of the set where several are mixed, else 0
    notes: dict[str, int]      # what was left out or changed: how many
    named_images: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    #                            (I,) int64, ids of all images that a detections file names
    boxes_of: np.ndarray = field(default_factory=lambda: np.zeros((0, 2), np.int64))
    #                            (O, 2) ids of images with an EXIF orientation, and 1 where `detect`
    #                            read them upright, else 0

    def __len__(self) -> int:
        return len(self.boxes)

    def select(self, keep: np.ndarray | slice) -> "PersonTable":
        """The persons of a mask or slice, and only the images that they are in."""
        used, image_rows = np.unique(self.image_rows[keep], return_inverse=True)
        return replace(self, image_rows=image_rows.astype(np.int32),
                       **{name: getattr(self, name)[keep] for name in PER_PERSON},
                       **{name: getattr(self, name)[used] for name in PER_IMAGE})

    def without(self, mask: np.ndarray, what: str) -> "PersonTable":
        """The persons that are not in a mask (N,); `what` is the note on those that are."""
        notes = Counter(self.notes) + Counter({what: int(mask.sum())})
        return replace(self.select(~mask), notes=dict(notes)) if mask.any() else self
