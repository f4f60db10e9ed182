"""The images that a folder holds or a COCO annotation file names."""
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from datasets.annotations.category import PERSON, category_ids
from datasets.annotations.coco_file import read_coco
from datasets.annotations.columns import whole_images
from datasets.crops.image_files import (
    SUFFIXES,
    image_numbers,
    images_among,
    missing_files,
    spelled_otherwise,
)
from datasets.crops.image_header import Size, count_open, how_read
from datasets.crops.images import read_image
from utils.errors import UserError
from utils.files import files_below
from utils.shown import shortened


@dataclass(frozen=True)
class Images:
    """The images to look at, in this order."""
    root: Path
    names: list[str]            # relative to root
    ids: list[int]
    about_ids: str              # where the ids come from, for people
    category: int = PERSON      # what the annotation file calls a person
    show_names: bool = False    # whether rows need file names, because the ids say nothing
    stated: tuple[tuple[Size | None, str], ...] = ()    # of an annotation file: sizes, and `exif`
    skipped: str = ""           # files of the folder that are no images, by their endings

    def read(self, number: int, exif: str = "default", bits: int = 0) -> np.ndarray:
        """Pixels of an image, see `read_image`. Raises ImageError."""
        size, own = self.stated[number] if self.stated else (None, "")
        return read_image(self.root / self.names[number], size, own or exif, bits)

    def how_read(self, number: int, exif: str) -> str:
        """See `how_read` of datasets/crops/image_header.py."""
        size, own = self.stated[number] if self.stated else (None, "")
        return how_read(self.root / self.names[number], size, own or exif)

    def notes(self, exif: str) -> list[str]:
        """What is to be known before they are read."""
        stated = self.stated or [(None, "")] * len(self.names)
        count, looked = count_open([
            (self.root / name, size) for name, (size, own) in zip(self.names, stated, strict=True)
            if not own])
        notes = [f"{count} of {looked} images have an EXIF orientation that no size settles, and "
                 f"are read {'upright' if exif == 'obey' else 'as stored'}: set data.exif to obey "
                 f"or ignore, as the labels that this is for"] * bool(count)
        return notes + [f"skipped in {self.root}: {self.skipped}"] * bool(self.skipped)


def list_images(images: Path, img_root: Path | None = None, category: str | int = "") -> Images:
    """The images of a folder or of a COCO annotation file; see `detect_images`. category: what
    the annotation file calls those who are found, see `category_ids`."""
    if images.is_dir():
        if img_root:
            raise UserError(f"{images} is a folder already, with images in it; a folder of "
                             f"images beside it ({img_root}) belongs to an annotation file")
        return _in_folder(images)
    if not images.is_file():
        raise FileNotFoundError(f"{images} does not exist: give a folder of images or a COCO "
                                f"annotation file")
    if img_root is None:
        raise UserError(f"{images} is an annotation file; give the folder of its images, too")
    if not img_root.is_dir():
        raise FileNotFoundError(f"the folder of images {img_root} does not exist: correct it")
    return _in_annotations(images, img_root, category)


def _in_folder(folder: Path) -> Images:
    files, skipped = images_among(files_below(folder))
    names = [file.relative_to(folder).as_posix() for file in files]
    if not names:
        only = f", only {skipped}" if skipped else ""
        raise UserError(f"the folder {folder} holds no images ({', '.join(SUFFIXES)}){only}: give "
                        f"another one")
    ids, by_number = image_numbers(names)
    return Images(folder, names, ids, "image ids are the numbers in the file names" if by_number
                  else "image ids are running numbers, for not every file name is another number; "
                       "file_name tells them apart", show_names=not by_number, skipped=skipped)


def _in_annotations(path: Path, img_root: Path, category: str | int) -> Images:
    file = read_coco(path)
    file.need("images")
    images = whole_images(file, ("id", "file_name"))
    names, ids = images.names, images.ids
    if not names or len(set(ids)) < len(ids):
        raise UserError(f"{path} lists {'an image id twice' if names else 'no images'}: correct "
                         f"it")
    if len(missing_files(img_root, names)) == len(names):
        raise FileNotFoundError(f"none of the {len(names)} images of {path} is in {img_root}, "
                                f"such as {shortened(names[0])}"
                                f"{spelled_otherwise(img_root, names)}: correct the folder")
    chosen = category_ids(file.categories, category, str(path))[0] if file.categories else PERSON
    return Images(img_root, names, ids, f"image ids are those of {path}", category=chosen,
                  stated=tuple((size if all(size) else None, exif) for size, exif in zip(
                      images.sizes, images.exif, strict=True)))
