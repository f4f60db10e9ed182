"""RGB: pixels from anywhere as the one form that all of the project works with, and into files."""
from typing import Any

import cv2
import numpy as np

from utils.errors import UserError


def as_rgb(image: Any) -> np.ndarray:
    """(H, W), (H, W, 1), (H, W, 3) or (H, W, 4) of uint8 or uint16 -> (H, W, 3) uint8 RGB.

    Grey becomes three equal channels, alpha is dropped, 16 bits keep their upper 8. A PIL image
    in one of these forms will do. Raises UserError for anything else, and for no pixels.
    """
    pixels = np.asarray(image)
    if pixels.dtype == np.uint16:
        pixels = (pixels >> 8).astype(np.uint8)
    shape = pixels.shape if pixels.ndim == 3 else (*pixels.shape, 1)
    if pixels.dtype != np.uint8 or len(shape) != 3 or shape[2] not in (1, 3, 4) or not pixels.size:
        raise UserError(f"an image is an array of shape {tuple(pixels.shape)} and type "
                         f"{pixels.dtype}: give (height, width, 3) RGB of type uint8, values 0 "
                         f"to 255")
    pixels = pixels.reshape(shape)
    return np.ascontiguousarray(pixels.repeat(3, 2) if shape[2] == 1 else pixels[..., :3])


def encode_image(rgb: np.ndarray, suffix: str = ".jpg", quality: int = 95,
                 smallest: bool = False) -> bytes:
    """Content of an image file of (H, W, 3) uint8 RGB pixels. quality, 0 to 100, and smallest, the
    same in fewer bytes and more time, are for JPEGs."""
    options = [] if suffix == ".png" else [cv2.IMWRITE_JPEG_QUALITY, quality,
                                           cv2.IMWRITE_JPEG_OPTIMIZE, int(smallest)]
    done, content = cv2.imencode(suffix, cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), options)
    assert done
    return content.tobytes()
