"""Legend: words on a picture of people; a label at each, and what the colours mean."""
from collections.abc import Sequence

import cv2
import numpy as np

from utils.draw import COLOURS

FONT = cv2.FONT_HERSHEY_SIMPLEX
GROUND = (20, 20, 20)


def draw_legend(image: np.ndarray, boxes: np.ndarray, labels: Sequence[str]) -> np.ndarray:
    """Write labels at the upper left corners of boxes (N, 4) xywh, and the key of the colours in
    the lower left corner, on a copy of `image` (H, W, 3) uint8 RGB. ASCII only."""
    canvas = np.ascontiguousarray(image).copy()
    scale = max(0.35, min(canvas.shape[:2]) / 1000)
    for (x, y), label in zip(np.asarray(boxes).reshape(-1, 4)[:, :2], labels, strict=True):
        _write(canvas, label, x, y, scale, (255, 255, 255))
    bottom = canvas.shape[0]
    for side in ("right", "left"):
        bottom -= _write(canvas, f"{side} side", 0, bottom, scale, COLOURS[side])
    return canvas


def _write(canvas: np.ndarray, text: str, x: float, y: float, scale: float,
           colour: tuple[int, int, int]) -> int:
    """Text whose lower left corner is at (x, y), or as near as the picture allows. Returns its
    height, pixels."""
    thickness = max(1, round(1.5 * scale))
    (width, height), below = cv2.getTextSize(text, FONT, scale, thickness)
    rim = 2 + below // 2
    box_width, box_height = width + 2 * rim, height + below + 2 * rim
    left = int(np.clip(x, 0, max(0, canvas.shape[1] - box_width)))
    low = int(np.clip(y, box_height, max(box_height, canvas.shape[0])))
    cv2.rectangle(canvas, (left, low - box_height), (left + box_width, low), GROUND, -1)
    cv2.putText(canvas, text, (left + rim, low - rim - below), FONT, scale, colour, thickness,
                cv2.LINE_AA)
    return box_height
