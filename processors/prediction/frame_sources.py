"""Where `predict` gets its pictures from: image files, a video, or a camera."""
import glob
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from datasets.crops.image_files import HEIF, SUFFIXES, images_among
from datasets.crops.image_header import is_still
from datasets.crops.images import ImageError, read_image
from processors.prediction.frame import Frame
from processors.prediction.image_lists import list_images
from processors.prediction.video_source import Video, is_camera


@dataclass(frozen=True)
class ImageFiles:
    root: Path
    names: list[str]        # relative to root
    skipped: str = ""       # other files beside them, by their endings
    bits: int = 0           # see `read_image`
    is_video = False
    at_once = 16            # frames that are predicted together

    def __len__(self) -> int:
        return len(self.names)

    def __iter__(self) -> Iterator[Frame]:
        for number, name in enumerate(self.names):
            try:
                yield Frame(number, 0.0, name, read_image(self.root / name, exif="obey",
                                                           bits=self.bits))
            except ImageError as error:
                yield Frame(number, 0.0, name, None, str(error))

    def notes(self) -> list[str]:
        """As `Video.notes`: a file that cannot be read is a frame with an error."""
        return [f"skipped beside the images: {self.skipped}"] * bool(self.skipped)


def open_source(source: str) -> ImageFiles | Video:
    """An image, a folder of images, a glob of images, a video, or a camera's number.

    Raises FileNotFoundError or UserError where there is nothing to look at.
    """
    path = Path(source)
    if path.is_dir():
        listed = list_images(path)
        return ImageFiles(listed.root, listed.names, listed.skipped)
    if is_camera(source):
        return Video(source)
    if path.is_file():
        if path.suffix.lower() in (*SUFFIXES, *HEIF) or is_still(path):
            return ImageFiles(path.parent, [path.name])
        return Video(source)
    if glob.has_magic(source):
        found, skipped = images_among(map(Path, glob.glob(source, recursive=True)))
        if not found:
            only = f", only {skipped}" if skipped else ""
            raise FileNotFoundError(f"no image file fits {source}{only}: correct the pattern (and "
                                    f"quote it, or the shell replaces it)")
        root = Path(os.path.commonpath([file.parent for file in found]))
        return ImageFiles(root, [file.relative_to(root).as_posix() for file in found], skipped)
    raise FileNotFoundError(f"{source} does not exist: give an image, a folder, a pattern such as "
                            f"'photos/*.jpg', a video, or the number of a camera")
