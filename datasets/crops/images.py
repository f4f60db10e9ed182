"""Images: from a file to RGB pixels, and from a list of names to the files that are not there."""
import os
import stat
import unicodedata
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from utils.errors import UserError

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff")     # looked for in folders
JPEG_START, JPEG_SCAN, JPEG_END = b"\xff\xd8", b"\xff\xda", b"\xff\xd9"
MORE_DATA = b"\x55\xaa\x35" * 30      # of JPEG's coded blocks, whatever they show
MOST_PIXELS = 300_000_000   # above the largest cameras' 200 million, and 900 MB as RGB
SMALL_JPEG = 500_000        # bytes, too few for so many pixels: JPEG has a bit or more for 64

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


def read_image(path: str | Path, upright: bool = False, look_for_cut: bool = True) -> np.ndarray:
    """Decode a JPEG, PNG, WebP or whatever else OpenCV reads.

    Returns (H, W, 3) uint8 RGB, whatever the file holds (grey, CMYK, alpha, 16 bits). An EXIF
    orientation counts only if `upright`, because the annotations of COCO ignore it. look_for_cut:
    also for JPEGs that were given an end, which takes time at some pictures and is needed once.
    Raises ImageError for a file that is missing, empty, cut short, no image, no file but a device
    or pipe, or one that would fill the memory.
    """
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):     # a device is read for ever
            raise ImageError(f"image {path} is no file: name one")
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
    if len(data) > SMALL_JPEG or not data.startswith(JPEG_START):
        _ensure_memory_for(data, path)
    try:
        pixels = decode(np.frombuffer(data, np.uint8), upright)
    except cv2.error as error:
        raise ImageError(f"image {path} cannot be decoded: {error.err}") from error
    if pixels is None:
        raise ImageError(f"image {path} is damaged or is not an image: copy it again")
    if look_for_cut and data.startswith(JPEG_START) and _cut_before_its_end(data, pixels):
        raise ImageError(f"image {path} is cut short, only an end was put behind it: copy it again")
    return pixels


def _ensure_memory_for(data: bytes, path: str | Path) -> None:
    """Raise ImageError for a picture of more than MOST_PIXELS, which a small file can be."""
    try:
        with headers_only():
            width, height = Image.open(BytesIO(data)).size
    except (OSError, ValueError):
        return      # no image to Pillow: OpenCV may know it, and has a limit of its own
    if width * height > MOST_PIXELS:
        raise ImageError(f"image {path} has {width}x{height} pixels, more than the "
                         f"{MOST_PIXELS // 10 ** 6} million that are decoded: make it smaller, or "
                         f"cut it into pieces")


@contextmanager
def headers_only() -> Iterator[None]:
    """Pillow without its guard against pictures too large to decode, for none is decoded, and
    without its words on damaged EXIF, which costs no pixel."""
    limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            yield
    finally:
        Image.MAX_IMAGE_PIXELS = limit


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
    at again, in an eighth of its size, with further data before the end marker: that changes a
    picture that lacks some. By Pillow, because OpenCV complains on stderr about the data behind a
    whole picture. Not noticed: less than half of the last row of blocks, and progressive files,
    which lose detail everywhere.
    """
    bottom = pixels[-1, pixels.shape[1] // 2:]
    if (bottom != bottom[-1]).any():
        return False
    end = data.rfind(JPEG_END)
    try:
        with headers_only():    # the size is that of `pixels`
            return _in_small(data) != _in_small(data[:end] + MORE_DATA + data[end:])
    except OSError:
        return False    # a kind of JPEG that only OpenCV reads


def _in_small(data: bytes) -> bytes:
    """Pixels of a JPEG in an eighth of its size, grey where that is quicker."""
    image = Image.open(BytesIO(data))
    image.draft("L", (1, 1))
    return image.tobytes()


def missing_files(root: str | Path, names: Iterable[str], alike: Callable[[str], str] = str,
                  ) -> list[str]:
    """Those of `names` (relative to `root`, "folder/file.jpg" too) that do not exist.

    Lists every folder once instead of asking for every file, which takes minutes on a network
    disk. alike: gives the same for file names that count as the same.
    """
    listed: dict[str, set[str]] = {}
    missing = []
    for name in names:
        folder, file_name = os.path.split(name)
        if folder not in listed:
            listed[folder] = set(map(alike, entries_of(os.path.join(root, folder))))
        if alike(file_name) not in listed[folder]:
            missing.append(name)
    return missing


def spelled_otherwise(root: str | Path, missing: Sequence[str]) -> str:
    """Why names of `missing_files` may be missing, as the end of a sentence's part; "" if no
    other spelling of them is there."""
    for words, change, alike in SPELLINGS:
        changed = [change(name) for name in missing]
        count = len(missing) - len(missing_files(root, changed, alike))
        if count:
            there = "they are" if count == len(missing) else f"{count} of them are"
            return f"; {there} there {words}"
    return ""


def _bare(name: str) -> str:
    return name.replace("\\", "/").rpartition("/")[2]


def _letters(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()


SPELLINGS: tuple[tuple[str, Callable[[str], str], Callable[[str], str]], ...] = (
    ("with / in the place of \\", lambda name: name.replace("\\", "/"), str),
    ("without the folder in file_name", _bare, str),
    ("with letters written in another Unicode form (NFC, NFD)",
     str, lambda name: unicodedata.normalize("NFC", name)),
    ("in another case, such as .JPG for .jpg", str, _letters),
    ("without the folder in file_name, and in another case or Unicode form", _bare, _letters))


def entries_of(folder: str) -> dict[str, os.DirEntry]:
    """What is in a folder, by name; nothing where there is no such folder."""
    try:
        return {entry.name: entry for entry in os.scandir(folder)}
    except PermissionError:
        raise
    except (OSError, ValueError):       # not there, a name of another system, or too long
        return {}
