"""Image header: the size of an image file without decoding it."""
import struct
from pathlib import Path
from typing import BinaryIO

from utils.errors import UserError

JPEG_SIZES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}      # frame headers, which hold the size
JPEG_BARE = {0x01, *range(0xD0, 0xD8)}                      # markers without a length
TAIL = 4096                                                 # bytes in which a JPEG's end is


def image_size(path: str | Path) -> tuple[int, int] | None:
    """(width, height) as the header of a JPEG, PNG or BMP says; None for other forms.

    An EXIF orientation does not count. Raises ValueError, what is wrong with the file, and
    OSError.
    """
    with open(path, "rb") as file:
        start = file.read(26)
        if not start:
            raise UserError("is empty")
        try:
            if start.startswith(b"\xff\xd8"):
                return _jpeg(file)
            if start.startswith(b"\x89PNG"):
                return struct.unpack(">II", start[16:24])
            if start.startswith(b"BM"):
                width, height = struct.unpack("<ii", start[18:26])
                return width, abs(height)       # negative: rows from the top
        except struct.error:
            raise UserError("is cut short within its header") from None
    return None


def _jpeg(file: BinaryIO) -> tuple[int, int]:
    """From segment to segment until the one with the size (ITU-T T.81, annex B)."""
    file.seek(2)
    while True:
        mark, code = struct.unpack("BB", file.read(2))
        while code == 0xFF:     # filling
            (code,) = struct.unpack("B", file.read(1))
        if mark != 0xFF:
            raise UserError("has a damaged header")
        if code in JPEG_BARE:
            continue
        (length,) = struct.unpack(">H", file.read(2))
        if code in JPEG_SIZES:
            _, height, width = struct.unpack(">BHH", file.read(5))
            _ensure_end(file)
            return width, height
        file.seek(length - 2, 1)


def _ensure_end(file: BinaryIO) -> None:
    """Raise ValueError for a JPEG without its end marker, which a broken copy has lost."""
    end = file.seek(0, 2)
    file.seek(max(0, end - TAIL))
    if b"\xff\xd9" not in file.read():
        raise UserError("is cut short, its end is missing")
