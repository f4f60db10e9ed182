"""Images: from a file to RGB pixels."""
import os
from functools import cache
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from datasets.crops.image_header import (
    JPEG_END,
    JPEG_START,
    ImageHeader,
    Size,
    header_in,
    headers_only,
)
from utils.errors import UserError
from utils.files import read_file
from utils.rgb import PILLOW_ERRORS, as_rgb, is_deep, of_pillow, turned, used_bits
from utils.shown import sentence

JPEG_SCAN, PNG_START, TIFF_STARTS = b"\xff\xda", b"\x89PNG", (b"II*\0", b"MM\0*")
LFS_POINTER = b"version https://git-lfs.github.com/spec/"
HEIF_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"mif1", b"msf1", b"avif", b"avis")
MORE_DATA = b"\x55\xaa\x35" * 30      # of JPEG's coded blocks, whatever they show
MOST_PIXELS = 300_000_000   # above the largest cameras' 200 million, and 900 MB as RGB
SMALL_JPEG = 500_000        # bytes, too few for so many pixels: JPEG has a bit or more for 64

# OpenCV decodes straight to RGB from 4.11 on; older ones give BGR, which is turned afterwards
_RGB_FLAG = getattr(cv2, "IMREAD_COLOR_RGB", None)
_FLAGS = cv2.IMREAD_IGNORE_ORIENTATION | (cv2.IMREAD_COLOR if _RGB_FLAG is None else _RGB_FLAG)
# With more than 8 bits a value: OpenCV 5 mixes the colours of such TIFFs up on the way to RGB
_DEEP_FLAGS = cv2.IMREAD_IGNORE_ORIENTATION | cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH
_EIGHTH = cv2.IMREAD_IGNORE_ORIENTATION | cv2.IMREAD_REDUCED_GRAYSCALE_8

if "OPENCV_LOG_LEVEL" not in os.environ:    # what is wrong with a file stands in our own sentences
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)


class ImageError(UserError):
    """An image file that cannot be used; the message is one sentence that names the file.

    A DataLoader raises a worker's exception anew, with the whole traceback as its message. The
    sentence is the last line of that, and all that is kept.
    """
    def __init__(self, message: str):
        if message.startswith("Caught "):
            message = message.strip().splitlines()[-1]
        super().__init__(sentence(message.removeprefix(f"{__name__}.{type(self).__name__}: ")))


def read_image(path: str | Path, stated: Size | None = None, exif: str = "default",
               bits: int = 0, look_for_cut: bool = True) -> np.ndarray:
    """Decode a JPEG, PNG, WebP, TIFF, GIF (its first frame), HEIC or AVIF, or whatever else OpenCV
    reads.

    Returns (H, W, 3) uint8 RGB, whatever the file holds (grey, palette, CMYK, alpha, 16 bits).
    stated: its (width, height) as the labels say, and exif: "obey" or something else, decide
    about an EXIF orientation by the rule of datasets/crops/image_header.py. bits: in use of 16,
    0: as many as the image uses (`utils.rgb.eight_bits`). look_for_cut: also for JPEGs that were
    given an end, which takes time at some pictures and is needed once. Raises ImageError for a
    file that is missing, empty, cut short, no image, no file but a device or pipe, or one that
    would fill the memory.
    """
    data = _content(path)
    pixels = _stored(data, path)
    if look_for_cut and data.startswith(JPEG_START) and _cut_before_its_end(data, pixels):
        raise ImageError(f"image {path} is cut short, only an end was put behind it: copy it again")
    if pixels.dtype != np.uint8 or pixels.ndim == 2:
        try:
            pixels = as_rgb(pixels, bits)
        except UserError as error:
            raise ImageError(f"image {path} cannot be used: {error}") from error
    height, width = pixels.shape[:2]
    if exif != "obey" and stated in (None, (width, height)):
        return pixels       # as nearly always, without a look at the EXIF block
    header = header_in(data) or ImageHeader((width, height))
    if (header.proven(stated) or exif) == "obey":
        pixels = np.ascontiguousarray(turned(pixels, header.orientation))
    return pixels


def read_small(path: str | Path, least: int) -> np.ndarray:
    """(H, W) uint8 grey of an image as stored; of a JPEG in an eighth of its size, which takes a
    seventh of the time, where that leaves `least` pixels a side. Raises ImageError."""
    data = _content(path)
    if data.startswith(JPEG_START):
        grey = cv2.imdecode(np.frombuffer(data, np.uint8), _EIGHTH)
        if grey is not None and min(grey.shape) >= least:
            return grey
    return cv2.cvtColor(read_image(path, look_for_cut=False), cv2.COLOR_RGB2GRAY)


def bits_of(path: str | Path) -> int:
    """How many of 16 bits a value of an image file uses, one of `utils.rgb.DEPTHS`; 0 where it is
    stored with 8. Raises ImageError, and UserError as `used_bits`."""
    pixels = _stored(_content(path), path)
    return 0 if pixels.dtype == np.uint8 else used_bits(pixels)


def _content(path: str | Path) -> bytes:
    """The bytes of an image file. Raises ImageError."""
    try:
        data = read_file(path)
    except FileNotFoundError:
        raise ImageError(f"image {path} does not exist") from None
    except OSError as error:
        raise ImageError(f"image {path} cannot be read: {error.strerror}") from error
    if not data:
        raise ImageError(f"image {path} is empty (0 bytes): copy it again")
    if data.startswith(LFS_POINTER):
        raise ImageError(f"image {path} is only a pointer of git-lfs to a picture that was not "
                         f"fetched: git lfs pull brings it")
    if data.startswith(JPEG_START) and not _jpeg_has_end(data):
        raise ImageError(f"image {path} is cut short, its end is missing: copy it again")
    if len(data) > SMALL_JPEG or not data.startswith(JPEG_START):
        _ensure_memory_for(data, path)
    return data


def _stored(data: bytes, path: str | Path) -> np.ndarray:
    """(H, W, 3) uint8 or uint16 RGB, or (H, W) uint16. Raises ImageError."""
    heif = data[4:8] == b"ftyp" and data[8:12] in HEIF_BRANDS
    try:
        pixels = None
        if heif or data.startswith((*TIFF_STARTS, b"GIF8")):
            pixels = _by_pillow(data)
        if pixels is None and _may_be_deep(data):
            pixels = cv2.imdecode(np.frombuffer(data, np.uint8), _DEEP_FLAGS)
            if pixels is not None:
                pixels = cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)
        elif pixels is None:
            pixels = decode(np.frombuffer(data, np.uint8))
    except cv2.error as error:
        raise ImageError(f"image {path} cannot be decoded: {error.err}") from error
    except UserError as error:
        raise ImageError(f"image {path} cannot be used: {error}") from error
    if pixels is None and heif:
        raise ImageError(f"image {path} is a HEIC or AVIF, which needs a package: pip install "
                         f"pillow-heif, or convert it to JPEG")
    if pixels is None:
        raise ImageError(f"image {path} is damaged or is not an image: copy it again")
    if pixels.dtype not in (np.uint8, np.uint16):
        raise ImageError(f"image {path} has values of the type {pixels.dtype}, whose range nothing "
                         f"says: save it with 8 or 16 bits")
    return pixels


def _by_pillow(data: bytes) -> np.ndarray | None:
    """What Pillow reads better than OpenCV, upright; None where OpenCV may know more."""
    _register_heif()
    try:
        with headers_only():        # the size has been looked at
            image = Image.open(BytesIO(data))
            return None if is_deep(image) and image.mode == "RGB" else of_pillow(image)
    except UserError:
        raise
    except PILLOW_ERRORS:
        return None


@cache
def _register_heif() -> None:
    """Teach Pillow to read HEIC, if pillow-heif is installed."""
    try:
        from pillow_heif import register_heif_opener
    except ImportError:
        return
    register_heif_opener()


def _may_be_deep(data: bytes) -> bool:
    """Whether a file can have more than 8 bits a value."""
    if data.startswith(PNG_START):
        return data[24:25] == b"\x10"
    return not data.startswith((JPEG_START, b"RIFF", b"BM"))


def _ensure_memory_for(data: bytes, path: str | Path) -> None:
    """Raise ImageError for a picture of more than MOST_PIXELS, which a small file can be."""
    _register_heif()
    try:
        with headers_only():
            width, height = Image.open(BytesIO(data)).size
    except PILLOW_ERRORS:
        return      # no image to Pillow: OpenCV may know it, and has a limit of its own
    if width * height > MOST_PIXELS:
        raise ImageError(f"image {path} has {width}x{height} pixels, more than the "
                         f"{MOST_PIXELS // 10 ** 6} million that are decoded: make it smaller, or "
                         f"cut it into pieces")


def decode(data: np.ndarray) -> np.ndarray | None:
    """Content of an image file (N,) uint8 -> (H, W, 3) uint8 RGB as stored; None if it is no image.

    torchvision decodes JPEGs with the same library in the same time (within 2 %).
    """
    pixels = cv2.imdecode(data, _FLAGS)
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
    except PILLOW_ERRORS:
        return False    # a kind of JPEG that only OpenCV reads


def _in_small(data: bytes) -> bytes:
    """Pixels of a JPEG in an eighth of its size, grey where that is quicker."""
    image = Image.open(BytesIO(data))
    image.draft("L", (1, 1))
    return image.tobytes()
