"""Image header: size and orientation of an image file without decoding it."""
from dataclasses import dataclass
from pathlib import Path
from struct import error as StructError
from typing import Any, BinaryIO

from PIL import ExifTags, Image, UnidentifiedImageError

from datasets.crops.images import JPEG_END, JPEG_START, headers_only
from utils.errors import UserError

FORMATS = ("JPEG", "PNG", "BMP", "WEBP")    # in which Pillow and OpenCV mean the same by the size
TAIL = 4096                                 # bytes in which a JPEG's end is


@dataclass(frozen=True)
class ImageHeader:
    size: tuple[int, int]       # width, height of the stored pixels, whatever the orientation
    orientation: int = 1        # of EXIF: 1 is upright, 5 to 8 are turned by a quarter


def read_header(path: str | Path) -> ImageHeader | None:
    """The header of an image of one of FORMATS; None for what is no such image.

    Raises UserError, what is wrong with the file, and OSError.
    """
    with open(path, "rb") as file:
        start = file.read(len(JPEG_START))
        if not start:
            raise UserError("is empty")
        file.seek(0)
        try:
            with headers_only():
                image = Image.open(file, formats=FORMATS)
                orientation = _orientation(image.info.get("exif", b""))
        except (UnidentifiedImageError, OSError):
            if start == JPEG_START:
                raise UserError("has a damaged header, or is cut short within it") from None
            return None
        if start == JPEG_START:
            _ensure_end(file)
        return ImageHeader(image.size, orientation)


def _orientation(block: bytes) -> int:
    """Of an EXIF block; 1 where it has none or is damaged."""
    exif = Image.Exif()
    try:
        exif.load(block)
        orientation: Any = exif.get(ExifTags.Base.Orientation)
    except (SyntaxError, StructError):      # so Pillow calls a block that is none
        return 1
    return orientation if isinstance(orientation, int) and 1 <= orientation <= 8 else 1


def _ensure_end(file: BinaryIO) -> None:
    """Raise UserError for a JPEG without its end marker, which a broken copy has lost."""
    end = file.seek(0, 2)
    file.seek(max(0, end - TAIL))
    if JPEG_END not in file.read():
        raise UserError("is cut short, its end is missing")
