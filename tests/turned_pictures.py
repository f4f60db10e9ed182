"""Pictures as phones store them: turned, with an EXIF orientation that shows them upright."""
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image

from utils.rgb import turned

INVERSE = {6: 8, 8: 6}      # the others undo themselves


def store_turned(path: Path, orientation: int) -> None:
    """Write a picture anew so that with its orientation it shows what it showed before."""
    pixels = np.asarray(Image.open(path).convert("RGB"))
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    stored = np.ascontiguousarray(turned(pixels, INVERSE.get(orientation, orientation)))
    Image.fromarray(stored).save(path, exif=exif, **(
        {"quality": 98} if path.suffix == ".jpg" else {}))
