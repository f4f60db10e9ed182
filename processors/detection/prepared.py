"""Prepared: an image on its way into a detector."""
from typing import NamedTuple

import numpy as np

from processors.detection.letterbox import Letterbox


class Prepared(NamedTuple):
    """An image as a network takes it."""
    pixels: np.ndarray      # (H, W, 3) uint8 RGB
    letterbox: Letterbox    # where the image lies in them
