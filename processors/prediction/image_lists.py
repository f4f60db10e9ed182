"""The images that a folder holds or a COCO annotation file names."""
import re
from dataclasses import dataclass
from pathlib import Path

from datasets.annotations.category import category_ids
from datasets.annotations.coco_file import read_coco
from datasets.annotations.columns import whole_images
from datasets.crops.image_files import SUFFIXES, missing_files, spelled_otherwise
from utils.errors import UserError
from utils.shown import shortened

PERSON = 1              # category id in COCO
NUMBER = re.compile(r"(?:COCO_\w+_)?(\d{1,18})")     # a file name whose number is the image id


@dataclass(frozen=True)
class Images:
    """The images to look at, in this order."""
    root: Path
    names: list[str]            # relative to root
    ids: list[int]
    about_ids: str              # where the ids come from, for people
    category: int = PERSON      # what the annotation file calls a person
    show_names: bool = False    # whether rows need file names, because the ids say nothing


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
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*")
                   if path.suffix.lower() in SUFFIXES and path.name[0] != "." and path.is_file())
    if not names:
        raise UserError(f"the folder {folder} holds no images ({', '.join(SUFFIXES)}): give "
                         f"another one")
    numbers = [NUMBER.fullmatch(Path(name).stem) for name in names]
    ids = [int(number[1]) for number in numbers if number]
    if len(set(ids)) == len(names):
        return Images(folder, names, ids, "image ids are the numbers in the file names")
    return Images(folder, names, list(range(1, len(names) + 1)),
                  "image ids are running numbers, for not every file name is another number; "
                  "file_name tells them apart", show_names=True)


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
    return Images(img_root, names, ids, f"image ids are those of {path}", category=chosen)
