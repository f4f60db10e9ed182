"""Image header: size and orientation of an image file without decoding it.

What is read of a picture whose EXIF orientation is not 1, anywhere in the project:

1. The size that the labels state is used where it proves something: if it fits the upright picture
   only, the pixels are read upright, and if it fits the stored ones only, as stored.
2. Orientations 2, 3 and 4, square pictures and labels without sizes leave that open. Then the
   field `exif` of the picture's row in the annotation file decides, "obey" or "ignore", which
   `import` writes; where it is missing, the setting `data.exif`, whose default is to ignore, as
   COCO does, and to say how many pictures that concerns.
3. Pictures that nobody has labelled, those of `predict`, PosePredictor and `detect` of a folder
   (whose setting `data.exif: ignore` is obeyed), are read upright. `detect` writes into the rows of
   turned pictures how they were read, and `predict --boxes` goes by it.

The formats below have such a tag; all decoders show TIFF, HEIC and AVIF upright.
"""
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from threading import RLock
from typing import BinaryIO

from PIL import Image

from datasets.crops.image_files import spread
from utils.errors import UserError
from utils.files import open_file
from utils.rgb import PILLOW_ERRORS, is_deep, orientation_of

FORMATS = ("JPEG", "PNG", "BMP", "WEBP")    # in which Pillow and OpenCV mean the same by the size
JPEG_START, JPEG_END = b"\xff\xd8", b"\xff\xd9"
FEW, MANY = 200, 3000       # images that are looked at, some 0.1 ms each
TAIL = 4096                                 # bytes in which a JPEG's end is
Size = tuple[int, int]                      # (width, height)

_pillow = RLock()       # its settings are those of all threads


@dataclass(frozen=True)
class ImageHeader:
    size: Size                  # width, height of the stored pixels, whatever the orientation
    orientation: int = 1        # of EXIF: 1 is upright, 5 to 8 are turned by a quarter
    deep: bool = False          # more than 8 bits a value

    @property
    def upright_size(self) -> Size:
        return self.size if self.orientation < 5 else self.size[::-1]

    def shown_size(self, exif: str) -> Size:
        return self.upright_size if exif == "obey" else self.size

    def proven(self, stated: Size | None) -> str:
        """What labels of a picture of a (width, height) have done with its orientation, "obey" or
        "ignore"; "" if that leaves it open."""
        if self.size == self.upright_size:
            return ""
        return {self.size: "ignore", self.upright_size: "obey"}.get(stated or (0, 0), "")

    def leaves_open(self, stated: Size | None) -> bool:
        """Whether it has an orientation of which `stated` proves nothing."""
        return self.orientation != 1 and not self.proven(stated)


def read_header(path: str | Path) -> ImageHeader | None:
    """The header of an image of one of FORMATS; None for what is no such image.

    Raises UserError, what is wrong with the file, and OSError.
    """
    with open_file(path) as file:
        start = file.read(len(JPEG_START))
        if not start:
            raise UserError("is empty")
        file.seek(0)
        header = _header(file)
        if header is None and start == JPEG_START:
            raise UserError("has a damaged header, or is cut short within it")
        if start == JPEG_START:
            _ensure_end(file)
        return header


def header_in(data: bytes) -> ImageHeader | None:
    """The header of the content of an image file, as `read_header`, which nothing is wrong with."""
    return _header(BytesIO(data))


def _header(file: BinaryIO) -> ImageHeader | None:
    try:
        with headers_only():
            image = Image.open(file, formats=FORMATS)
            return ImageHeader(image.size, orientation_of(image), is_deep(image))
    except PILLOW_ERRORS:
        return None


def count_pictures(path: Path) -> int:
    """How many frames or pages an image file has, whatever its ending; 0 if it is no image. What a
    JPEG of a camera has besides its picture, smaller ones and those of the other eye, are none."""
    try:
        with headers_only(), open_file(path) as file, Image.open(file) as image:
            return 1 if image.format == "MPO" else getattr(image, "n_frames", 1)
    except PILLOW_ERRORS:
        return 0


def how_read(path: Path, stated: Size | None, exif: str) -> str:
    """What `read_image` does with a picture's orientation, "obey" or "ignore"; "" for one that has
    none, or no header that can be read."""
    for header, _ in _headers([(path, stated)]):
        if header.orientation != 1:
            return header.proven(stated) or ("obey" if exif == "obey" else "ignore")
    return ""


def count_open(files: Sequence[tuple[Path, Size | None]]) -> tuple[int, int]:
    """Of how many images with their stated sizes the orientation is open, and how many were looked
    at: few of them, evenly spread, and many if one of the few has an orientation."""
    looked = spread(files, FEW)
    if any(header.orientation != 1 for header, _ in _headers(looked)):
        looked = spread(files, MANY)
    return sum(header.leaves_open(stated) for header, stated in _headers(looked)), len(looked)


def _headers(files: Iterable[tuple[Path, Size | None]],
             ) -> Iterator[tuple[ImageHeader, Size | None]]:
    """Those that can be read; what is wrong with others is said when they are decoded."""
    for path, stated in files:
        try:
            header = read_header(path)
        except (OSError, UserError):
            continue
        if header:
            yield header, stated


@contextmanager
def headers_only() -> Iterator[None]:
    """Pillow without its guard against pictures too large to decode, for none is decoded, and
    without its words on damaged EXIF, which costs no pixel."""
    with _pillow:
        limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)
                yield
        finally:
            Image.MAX_IMAGE_PIXELS = limit


def _ensure_end(file: BinaryIO) -> None:
    """Raise UserError for a JPEG without its end marker, which a broken copy has lost."""
    end = file.seek(0, 2)
    file.seek(max(0, end - TAIL))
    if JPEG_END not in file.read():
        raise UserError("is cut short, its end is missing")
