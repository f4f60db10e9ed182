"""Images: from a file to RGB pixels, and from a list of names to the files that are not there."""
import os
from collections.abc import Iterable
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from utils.errors import UserError

JPEG_START, JPEG_SCAN, JPEG_END = b"\xff\xd8", b"\xff\xda", b"\xff\xd9"
MORE_DATA = b"\x55\xaa\x35" * 30      # of JPEG's coded blocks, whatever they show

# OpenCV decodes straight to RGB from 4.11 on; older ones give BGR, which is turned afterwards
_RGB_FLAG = getattr(cv2, "IMREAD_COLOR_RGB", None)
_FLAGS = cv2.IMREAD_IGNORE_ORIENTATION | (cv2.IMREAD_COLOR if _RGB_FLAG is None else _RGB_FLAG)


class ImageError(UserError):
    """An image file that cannot be used; the message is one sentence that names the file.

    A DataLoader raises a worker's exception anew, with the whole traceback as its message. The
    sentence is the last line of that, and all that is kept.
    """
    def __init__(self, message: str):
        last_line = message.strip().splitlines()[-1]
        super().__init__(last_line.removeprefix(f"{__name__}.{type(self).__name__}: "))


def read_image(path: str | Path, upright: bool = False) -> np.ndarray:
    """Decode a JPEG, PNG, WebP or whatever else OpenCV reads.

    Returns (H, W, 3) uint8 RGB, whatever the file holds (grey, CMYK, alpha, 16 bits). An EXIF
    orientation counts only if `upright`, because the annotations of COCO ignore it. Raises
    ImageError for a file that is missing, empty, cut short or no image.
    """
    try:
        with open(path, "rb") as file:
            data = file.read()
    except FileNotFoundError:
        raise ImageError(f"image {path} does not exist") from None
    except OSError as error:
        raise ImageError(f"image {path} cannot be read: {error.strerror}") from error
    if not data:
        raise ImageError(f"image {path} is empty (0 bytes): copy it again")
    if data.startswith(JPEG_START) and not _jpeg_has_end(data):
        raise ImageError(f"image {path} is cut short, its end is missing: copy it again")
    try:
        pixels = decode(np.frombuffer(data, np.uint8), upright)
    except cv2.error as error:      # more pixels than OpenCV allows, for one
        raise ImageError(f"image {path} cannot be decoded: {error.err}") from error
    if pixels is None:
        raise ImageError(f"image {path} is damaged or is not an image: copy it again")
    if data.startswith(JPEG_START) and _cut_before_its_end(data, pixels):
        raise ImageError(f"image {path} is cut short, only an end was put behind it: copy it again")
    return pixels


def decode(data: np.ndarray, upright: bool = False) -> np.ndarray | None:
    """Content of an image file (N,) uint8 -> (H, W, 3) uint8 RGB; None if it is no image.

    torchvision decodes JPEGs with the same library in the same time (within 2 %).
    """
    pixels = cv2.imdecode(data, _FLAGS & ~cv2.IMREAD_IGNORE_ORIENTATION if upright else _FLAGS)
    if _RGB_FLAG is None and pixels is not None:
        return cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)
    return pixels


def _jpeg_has_end(data: bytes) -> bool:
    """Whether the end marker follows the last scan; OpenCV before 4.11 fills the rest with grey.

    Nearly all files end with it. Some carry other bytes behind it; one inside an embedded
    thumbnail does not count, as it comes before the scan.
    """
    return data.endswith(JPEG_END) or data.find(JPEG_END, data.rfind(JPEG_SCAN)) >= 0


def _cut_before_its_end(data: bytes, pixels: np.ndarray) -> bool:
    """Whether a JPEG with an end marker stops long before it, which OpenCV does not tell.

    What is missing is decoded as one colour, so only a picture that ends in one colour is looked
    at again, with further data before the end marker: that changes a picture that lacks some.
    By Pillow, because OpenCV complains on stderr about the data behind a whole picture. Not
    noticed: less than half of the last row of blocks, and progressive files, which lose detail
    everywhere.
    """
    bottom = pixels[-1, pixels.shape[1] // 2:]
    if (bottom != bottom[-1]).any():
        return False
    end = data.rfind(JPEG_END)
    try:
        one, other = (np.asarray(Image.open(BytesIO(content))) for content in (
            data, data[:end] + MORE_DATA + data[end:]))
    except (OSError, Image.DecompressionBombError):
        return False    # a kind of JPEG that only OpenCV reads
    return not np.array_equal(one, other)


def missing_files(root: str | Path, names: Iterable[str]) -> list[str]:
    """Those of `names` (relative to `root`, "folder/file.jpg" too) that do not exist.

    Lists every folder once instead of asking for every file, which takes minutes on a network
    disk.
    """
    listed: dict[str, set[str]] = {}
    missing = []
    for name in names:
        folder, file_name = os.path.split(name)
        if folder not in listed:
            listed[folder] = _files_in(os.path.join(root, folder))
        if file_name not in listed[folder]:
            missing.append(name)
    return missing


def _files_in(folder: str) -> set[str]:
    try:
        return {entry.name for entry in os.scandir(folder)}
    except (FileNotFoundError, NotADirectoryError):
        return set()
