"""Legend: words on a picture of people; a label at each, and what the colours mean."""
from collections.abc import Sequence

import numpy as np

from utils.draw import COLOURS, write_text


def draw_legend(image: np.ndarray, boxes: np.ndarray, labels: Sequence[str]) -> np.ndarray:
    """Write labels at the upper left corners of boxes (N, 4) xywh, and the key of the colours in
    the lower left corner, on a copy of `image` (H, W, 3) uint8 RGB."""
    canvas = np.ascontiguousarray(image).copy()
    scale = max(0.35, min(canvas.shape[:2]) / 1000)
    for (x, y), label in zip(np.asarray(boxes).reshape(-1, 4)[:, :2], labels, strict=True):
        write_text(canvas, label, x, y, scale)
    bottom = canvas.shape[0]
    for side in ("right", "left"):
        bottom -= write_text(canvas, f"{side} side", 0, bottom, scale, COLOURS[side])
    return canvas
