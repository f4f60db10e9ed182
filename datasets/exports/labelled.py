"""Labelled: what is written of a picture and its people, whatever the form."""
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class LabelledPerson:
    """A person, whole inside of the picture. A joint that is not labelled (v = 0) has a place all
    the same, for tools that show where it may be."""
    joints: np.ndarray      # (K, 3) float64: x, y in image pixels, and COCO's v
    box: np.ndarray         # (4,) float64 xywh, image pixels
    scores: np.ndarray      # (K,) of the joints
    score: float            # of the whole pose


@dataclass(frozen=True)
class LabelledImage:
    name: str               # of the picture, relative to the folder of pictures
    size: tuple[int, int]   # (width, height) of the upright picture
    persons: Sequence[LabelledPerson]
    id: int


def rounded(values: Any, digits: int = 2) -> Any:
    """As it stands in a file: 1/100 pixel."""
    return np.round(np.asarray(values, np.float64), digits).tolist()
