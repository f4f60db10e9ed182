"""Where `predict` gets its pictures from: image files, a video, or a camera."""
import glob
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from datasets.crops.images import SUFFIXES, ImageError, read_image
from processors.prediction.image_lists import list_images
from utils.errors import UserError

USUAL_FPS = 25.0        # of a video or camera that does not say


@dataclass(frozen=True)
class Frame:
    number: int                     # in the source, from 0
    seconds: float                  # since the first one of a video or camera, else 0
    name: str                       # of an image, relative to the source's root
    pixels: np.ndarray | None       # (H, W, 3) uint8 RGB; None if it cannot be read
    error: str = ""                 # why


@dataclass(frozen=True)
class ImageFiles:
    root: Path
    names: list[str]        # relative to root
    is_video = False
    at_once = 16            # frames that are predicted together

    def __len__(self) -> int:
        return len(self.names)

    def __iter__(self) -> Iterator[Frame]:
        for number, name in enumerate(self.names):
            try:
                yield Frame(number, 0.0, name, read_image(self.root / name, upright=True))
            except ImageError as error:
                yield Frame(number, 0.0, name, None, str(error))


class Video:
    """A video file, or a camera by its number; read once, from its beginning."""
    is_video = True

    def __init__(self, source: str):
        """Raises UserError for what OpenCV cannot open, or has no picture."""
        self.is_camera = is_camera(source)
        self.path = Path(f"camera{source}.mp4" if self.is_camera else source)
        self.at_once = 1 if self.is_camera else 8       # a camera's picture is to be shown soon
        self.capture = cv2.VideoCapture(int(source) if self.is_camera else source)
        self.ahead = self._read() if self.capture.isOpened() else None
        if self.ahead is None:
            raise UserError(f"there is no camera {source} that OpenCV can open: give another "
                             f"number" if self.is_camera else
                             f"{source} is no image ({', '.join(SUFFIXES)}) and no video that "
                             f"OpenCV can read: copy it again or convert it")
        fps = self.capture.get(cv2.CAP_PROP_FPS)
        self.fps = fps if 0 < fps <= 1000 else USUAL_FPS
        stated = 0 if self.is_camera else self.capture.get(cv2.CAP_PROP_FRAME_COUNT)
        self.stated = int(stated) if 0 < stated < 1e9 else 0    # some files state nonsense

    def __len__(self) -> int:
        """Frames that the file says it has; 0 if that is not known."""
        return self.stated

    def _read(self) -> tuple[bool, np.ndarray | None] | None:
        """Whether the next frame could be read, and the frame; None at the end."""
        return self.capture.retrieve() if self.capture.grab() else None

    def __iter__(self) -> Iterator[Frame]:
        number, start = 0, time.monotonic()
        while self.ahead is not None:
            done, pixels = self.ahead
            seconds = time.monotonic() - start if self.is_camera else number / self.fps
            if done and pixels is not None and pixels.size:
                yield Frame(number, seconds, "", cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB))
            else:
                yield Frame(number, seconds, "", None, f"frame {number} cannot be decoded")
            number += 1
            self.ahead = self._read()
        for missing in range(number, self.stated):
            yield Frame(missing, missing / self.fps, "", None, f"the file ends at frame {number}")


def is_camera(source: str) -> bool:
    return source.isascii() and source.isdigit() and not Path(source).exists()


def open_source(source: str) -> ImageFiles | Video:
    """An image, a folder of images, a glob of images, a video, or a camera's number.

    Raises FileNotFoundError or UserError where there is nothing to look at.
    """
    path = Path(source)
    if path.is_dir():
        listed = list_images(path)
        return ImageFiles(listed.root, listed.names)
    if is_camera(source):
        return Video(source)
    if path.is_file():
        if path.suffix.lower() in SUFFIXES:
            return ImageFiles(path.parent, [path.name])
        return Video(source)
    if glob.has_magic(source):
        found = sorted(Path(name) for name in glob.glob(source, recursive=True))
        found = [file for file in found if file.suffix.lower() in SUFFIXES and file.is_file()]
        if not found:
            raise FileNotFoundError(f"no image file fits {source}: correct the pattern (and quote "
                                    f"it, or the shell replaces it)")
        root = Path(os.path.commonpath([file.parent for file in found]))
        return ImageFiles(root, [file.relative_to(root).as_posix() for file in found])
    raise FileNotFoundError(f"{source} does not exist: give an image, a folder, a pattern such as "
                            f"'photos/*.jpg', a video, or the number of a camera")
