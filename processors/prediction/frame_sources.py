"""Where `predict` gets its pictures from: image files, videos, streams, cameras."""
import glob
import os
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from datasets.crops.image_files import HEIF, SUFFIXES, files_among, image_numbers, images_among
from datasets.crops.image_header import Size, count_pictures
from datasets.crops.images import ImageError, read_image
from processors.prediction.frame import Frame
from processors.prediction.image_lists import list_images
from processors.prediction.video_source import Video, is_address, is_camera
from utils.errors import UserError
from utils.files import files_below
from utils.shown import shortened

SEVERAL = (".webp", ".png", ".tif", ".tiff", ".gif", ".heic", ".heif", ".avif")   # maybe pictures
VIDEO_SUFFIXES = (".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".ts", ".mts",
                  ".m2ts", ".wmv", ".flv", ".3gp", ".ogv")      # looked for in folders


@dataclass(frozen=True)
class ImageFiles:
    """Image files; with a rate those of a sequence, in which people have ids as in a video."""
    root: Path
    names: list[str]        # relative to root
    skipped: str = ""       # other files beside them, by their endings
    bits: int = 0           # see `read_image`
    fps: float = 0.0        # 0: no sequence
    stated: tuple[tuple[Size | None, str], ...] = ()    # of each, by the file of given boxes
    is_video = False
    at_once = 16            # frames that are predicted together

    def __len__(self) -> int:
        return len(self.names)

    @property
    def is_timed(self) -> bool:
        return self.fps > 0

    @cached_property
    def ids(self) -> list[int]:
        """Of the images, see `image_numbers`."""
        return image_numbers(self.names)[0]

    def __iter__(self) -> Iterator[Frame]:
        for number, name in enumerate(self.names):
            seconds = number / self.fps if self.fps else 0.0
            try:
                yield Frame(number, seconds, name, self.read(number))
            except ImageError as error:
                yield Frame(number, seconds, name, None, str(error))

    def read(self, number: int) -> np.ndarray:
        """Pixels, upright unless the file of the boxes says otherwise. Raises ImageError."""
        size, exif = self.stated[number] if self.stated else (None, "obey")
        path = self.root / self.names[number]
        pixels = read_image(path, size, exif, self.bits)
        if size and pixels.shape[1::-1] != size:
            raise ImageError(f"image {path} has {pixels.shape[1]}x{pixels.shape[0]} pixels, but "
                             f"the file of the boxes says {size[0]}x{size[1]}: they would lie in "
                             f"the wrong places")
        return pixels

    def notes(self) -> list[str]:
        """As `Video.notes`: a file that cannot be read is a frame with an error."""
        several = [name for name in self.names if Path(name).suffix.lower() in SEVERAL
                   and count_pictures(self.root / name) > 1]
        return [f"{len(several)} of the images have more frames or pages than the first one, which "
                f"alone is used: {shortened(several[0])}" + ", ..." * (len(several) > 1)
                for _ in several[:1]] + [
                    f"skipped beside the images: {self.skipped}"] * bool(self.skipped)


def open_source(source: str, fps: float = 0.0, name: str = "") -> ImageFiles | Video:
    """An image, a folder of images, a glob of images, a video, a camera's number or device, or the
    address of a stream. fps: the images are a sequence of so many a second. name: what is made of
    a video is called.

    Raises FileNotFoundError or UserError where there is nothing to look at.
    """
    path = Path(source)
    if path.is_dir():
        listed = list_images(path)
        return _images(listed.root, listed.names, listed.skipped, fps)
    is_image = path.suffix.lower() in (*SUFFIXES, *HEIF)
    if path.is_file() and (is_image or count_pictures(path) == 1):
        return _images(path.parent, [path.name], "", fps)
    if is_camera(source) or is_address(source) or path.is_file():
        if fps:
            raise UserError(f"--fps is for images, and {source} says its own rate: leave it out")
        return Video(source, name)
    if path.exists():
        raise UserError(f"{source} is a pipe or a device that gives no pictures: give an image, a "
                        f"folder, a video, an address such as rtsp://..., or /dev/video0")
    if glob.has_magic(source):
        found, skipped = images_among(_fitting(source))
        if not found:
            only = f", only {skipped}" if skipped else ""
            raise FileNotFoundError(f"no image file fits {source}{only}: correct the pattern (and "
                                    f"quote it, or the shell replaces it)")
        root = Path(os.path.commonpath([file.parent for file in found]))
        names = [file.relative_to(root).as_posix() for file in found]
        return _images(root, names, skipped, fps)
    raise FileNotFoundError(f"{source} does not exist: give an image, a folder, a pattern such as "
                            f"'photos/*.jpg', a video, the number of a camera, or an address such "
                            f"as rtsp://...")


def find_videos(source: str) -> tuple[list[tuple[str, str]], str]:
    """The videos of a folder or pattern that has no images, each with the name, folders included,
    of what is made of it, none for other sources; and what else is there, see `files_among`."""
    path = Path(source)
    if path.is_dir():
        found = list(files_below(path))
    elif glob.has_magic(source) and not path.exists() and not is_address(source):
        found = _fitting(source)
    else:
        return [], ""
    videos, skipped = files_among(found, lambda file: file.suffix.lower() in VIDEO_SUFFIXES)
    if not videos or images_among(found)[0]:
        return [], ""
    root = path if path.is_dir() else Path(os.path.commonpath([file.parent for file in videos]))
    names = [file.relative_to(root) for file in videos]
    count = Counter(name.with_suffix("") for name in names)
    return [(str(file), str(name.with_suffix("") if count[name.with_suffix("")] == 1 else name))
            for file, name in zip(videos, names, strict=True)], skipped


def _fitting(pattern: str) -> list[Path]:
    """What fits a pattern. Raises OSError for a folder that cannot be listed to look for it, which
    glob passes over."""
    for part in (Path(pattern), *Path(pattern).parents):
        if glob.has_magic(part.name):
            above = part if part.name == "**" else part.parent
            for folder in glob.glob(str(above), recursive=True):
                if os.path.isdir(folder):
                    os.scandir(folder).close()
    return [Path(name) for name in glob.glob(pattern, recursive=True)]


def _images(root: Path, names: list[str], skipped: str, fps: float) -> ImageFiles:
    """In the order of their names, of a sequence in that of the numbers in them: 2 before 10."""
    def parts(name: str) -> list:
        return [int(part) if part.isdecimal() else part for part in re.split(r"(\d+)", name)]
    return ImageFiles(root, sorted(names, key=parts) if fps else names, skipped, fps=fps)
