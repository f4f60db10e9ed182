"""Frame: one picture of a source of `predict`."""
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Frame:
    number: int                     # in the source, from 0
    seconds: float                  # since the first one of a video, camera or sequence, else 0
    name: str                       # of an image, relative to the source's root
    pixels: np.ndarray | None       # (H, W, 3) uint8 RGB; None if it cannot be read
    error: str = ""                 # why
