"""RGB: pixels from anywhere as the one form that all of the project works with, and into files."""
import math
from struct import error as StructError
from typing import Any

import cv2
import numpy as np
from PIL import ExifTags, Image

from utils.errors import UserError

# What Pillow raises over files that are odd or damaged: Image.open, which says so of OSError only,
# lets through what its readers of formats meet.
PILLOW_ERRORS = (OSError, SyntaxError, ValueError, TypeError, LookupError, ArithmeticError,
                 StructError)
DEPTHS = (8, 10, 12, 14, 16)    # bits that cameras use of the 16 in which they are stored
FEW, MOST_VALUES = 1000, 100_000        # one of so many values may be odd; how many are looked at
LIFTED = 4              # times the range of the values that their darkest may be
BITS, PHOTOMETRIC, WHITE_IS_ZERO = 258, 262, 0      # tags of TIFF, and a value
FORM = "give (height, width, 3) RGB of type uint8, values 0 to 255"


def as_rgb(image: Any, bits: int = 0) -> np.ndarray:
    """(H, W), (H, W, 1), (H, W, 3) or (H, W, 4) of uint8 or uint16 -> (H, W, 3) uint8 RGB.

    Grey becomes three equal channels, alpha is dropped, 16 bits become 8 by `eight_bits`. A PIL
    image of any mode gives what its file gives: converted to RGB, and turned as its EXIF
    orientation says. Raises UserError for anything else, and for no pixels.
    """
    pixels = of_pillow(image) if isinstance(image, Image.Image) else np.asarray(image)
    shape = pixels.shape if pixels.ndim == 3 else (*pixels.shape, 1)
    deep = pixels.dtype.kind == "u" and pixels.itemsize == 2
    if (not (deep or pixels.dtype == np.uint8) or len(shape) != 3
            or shape[2] not in (1, 3, 4) or not pixels.size):
        raise UserError(f"an image is an array of shape {tuple(pixels.shape)} and type "
                        f"{pixels.dtype}: {FORM}")
    pixels = pixels.reshape(shape)[..., :3]     # alpha says nothing of the bits
    if deep:
        pixels = eight_bits(pixels, bits)
    return np.ascontiguousarray(pixels.repeat(3, 2) if shape[2] == 1 else pixels)


def eight_bits(pixels: np.ndarray, bits: int = 0) -> np.ndarray:
    """The upper 8 of the bits in use of uint16 pixels, as uint8.

    In use are `used_bits`, so that what a camera of 10, 12 or 14 bits has stored is not black.
    bits: that many instead, the same for all images of a set; what is larger becomes 255. Raises
    UserError for values that `used_bits` refuses.
    """
    shift = max((bits or used_bits(pixels)) - 8, 0)
    return np.minimum(pixels >> shift, 255).astype(np.uint8)


def used_bits(pixels: np.ndarray) -> int:
    """The fewest of DEPTHS that hold the values of uint16 pixels, but for the few of FEW, since hot
    pixels of a sensor have any value.

    Raises UserError for values that lie far above 0 and close together, such as the temperatures
    of a thermal camera: the upper eight bits would show one grey.
    """
    step = max(1, math.isqrt(pixels.size // MOST_VALUES))
    values = pixels[::step, ::step].ravel()
    few = len(values) // FEW
    parted = np.partition(values, (few, len(values) - 1 - few))
    low, high = int(parted[few]), int(parted[-1 - few])
    if low > LIFTED * (high - low) > 0:
        raise UserError(f"its values of 16 bits are {low} to {high}, as of a thermal camera, and "
                        f"would be one grey: convert it to 8 bits, with {low} as black and {high} "
                        f"as white the same for all images, or set data.bits to read it as it is")
    return next(depth for depth in DEPTHS if high < 1 << depth)


def of_pillow(image: Image.Image) -> np.ndarray:
    """A PIL image as it is shown, (H, W, 3) uint8 or (H, W) uint16. Raises UserError, OSError."""
    cut = is_deep(image)        # as long as it is not loaded
    if image.mode == "F":
        raise UserError("an image has floating-point values, whose range nothing says: save it "
                        "with 8 or 16 bits")
    _load_whole(image)
    if image.mode.startswith("I"):
        pixels = np.asarray(image)      # of int32, or uint16 of either byte order
        if pixels.size and not 0 <= pixels.min() <= pixels.max() < 1 << 16:
            raise UserError(f"an image has the values {pixels.min()} to {pixels.max()}, beyond 16 "
                            f"bits: save it with 8 or 16 bits")
        pixels = pixels.astype(np.uint16)
        tags = getattr(image, "tag_v2", {})
        if tags.get(PHOTOMETRIC) == WHITE_IS_ZERO:      # which Pillow turns for 8 bits only
            pixels = ((1 << min(tags.get(BITS, (16,))[0], 16)) - 1 - pixels).astype(np.uint16)
        return turned(pixels, orientation_of(image))
    try:
        pixels = np.asarray((image.convert("LA") if image.mode == "La" else image).convert("RGB"))
    except ValueError as error:
        raise UserError(f"an image has the mode {image.mode}, which Pillow does not convert to RGB "
                        f"({error}): {FORM}") from error
    if cut and pixels.max() < 1 << 6:
        raise UserError("an image has colours of 16 bits, of which Pillow keeps the upper 8, and "
                        "these are nearly black: give the path of the file instead")
    return turned(pixels, orientation_of(image))


def _load_whole(image: Any) -> None:
    """Read the pixels of a PIL image. Pillow maps TIFFs without compression into memory with width
    and height exchanged where their orientation turns them, and not if there is no file's name."""
    if image.format == "TIFF" and (name := image.filename):
        image.filename = ""
        image.load()
        image.filename = name


def is_deep(image: Image.Image) -> bool:
    """Whether the file of a PIL image that is not decoded yet has more than 8 bits a value."""
    return image.mode.startswith("I") or any(";16" in str(tile) for tile in
                                             getattr(image, "tile", ()))


def orientation_of(image: Image.Image) -> int:
    """1 to 8, of the EXIF block of a PIL image; 1, upright, where it has none or is damaged."""
    block = image.info.get("exif")
    if not block:
        return 1
    exif = Image.Exif()
    try:
        exif.load(block)
        orientation: Any = exif.get(ExifTags.Base.Orientation)
    except PILLOW_ERRORS:
        return 1
    return orientation if isinstance(orientation, int) and 1 <= orientation <= 8 else 1


def turned(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """(H, W) or (H, W, C) as stored -> as an EXIF orientation shows it, a view."""
    if orientation > 4:
        pixels = pixels.swapaxes(0, 1)      # 5
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return pixels[:, ::-1] if orientation in (2, 3, 6, 7) else pixels


def encode_image(rgb: np.ndarray, suffix: str = ".jpg", quality: int = 95,
                 smallest: bool = False) -> bytes:
    """Content of an image file of (H, W, 3) uint8 RGB pixels. quality, 0 to 100, and smallest, the
    same in fewer bytes and more time, are for JPEGs."""
    options = [] if suffix == ".png" else [cv2.IMWRITE_JPEG_QUALITY, quality,
                                           cv2.IMWRITE_JPEG_OPTIMIZE, int(smallest)]
    done, content = cv2.imencode(suffix, cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), options)
    assert done
    return content.tobytes()
