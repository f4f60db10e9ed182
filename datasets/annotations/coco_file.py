"""The lists of a COCO file: fields that must be there, images and persons as columns."""
import gc
import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from numbers import Real
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from datasets.annotations.category import category_ids
from datasets.annotations.persons import PersonTable
from utils.errors import UserError


@contextmanager
def gc_paused() -> Iterator[None]:
    """Half of the time to read a large file would go into looking for garbage in it."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def parse_coco(file: "CocoFile", category: str | int) -> tuple[dict, tuple[int, ...], "ImageTable"]:
    """The content as it is, the category ids of persons, and the images."""
    content = file.read()
    lists = ("images", "annotations", "categories")
    if not isinstance(content, dict) or not all(type(content.get(n)) is list for n in lists):
        raise UserError(f"{file} is not a COCO annotation file: it must hold the lists "
                         f"{', '.join(lists)}")
    ids = category_ids(content["categories"], category, str(file))
    return content, ids, ImageTable(file, content["images"])


@dataclass(frozen=True)
class CocoFile:
    """A JSON file and what its rows are called in messages."""
    path: str | Path
    key: str        # the setting that names the file
    row_name: str

    def __str__(self) -> str:
        return f"{self.path} ({self.key})"

    def read(self) -> Any:
        try:
            return json.loads(Path(self.path).read_bytes())
        except FileNotFoundError:
            raise FileNotFoundError(f"{self} does not exist: correct the path") from None
        except OSError as error:
            raise UserError(f"{self} cannot be read: {error.strerror}") from error
        except ValueError as error:     # not JSON, or not text at all
            raise UserError(f"{self} is not JSON ({error}): download or write it again"
                             ) from error

    def value(self, row: Any, name: str, number: int) -> Any:
        """A field that must be there. number: of the row, for the message."""
        if not isinstance(row, dict) or name not in row:
            self.fail(row, number, f"has no {name}")
        return row[name]

    def numbers(self, row: dict, name: str, count: int, number: int, meaning: str,
                ) -> np.ndarray:
        """A field of `count` numbers, (count,) float64."""
        value = self.value(row, name, number)
        try:
            numbers = np.array(value, np.float64).reshape(-1)
        except (TypeError, ValueError):
            self.fail(row, number, f"has something else than numbers in {name}")
        if len(numbers) != count:
            self.fail(row, number, f"has {len(numbers)} numbers in {name} instead of {count}, "
                                    f"{meaning}")
        return numbers

    def is_crowd(self, row: dict, number: int) -> bool:
        crowd = row.get("iscrowd")
        if crowd not in (None, 0, 1):       # a text such as "0" would count as true
            self.fail(row, number, "has an iscrowd that is neither 0 nor 1")
        return bool(crowd)

    def fail(self, row: Any, number: int, what: str) -> NoReturn:
        name = row["id"] if isinstance(row, dict) and "id" in row else f"in row {number}"
        raise UserError(f"{self}: {self.row_name} {name} {what}; correct or remove it")


class ImageTable:
    """The image list of an annotation file as columns."""
    def __init__(self, file: CocoFile, images: list):
        self.ids: list[int] = []
        self.names: list[str] = []
        self.sizes: list[tuple[int, int]] = []     # (width, height)
        for number, image in enumerate(images):
            try:
                image_id, name, size = image["id"], image["file_name"], (
                    int(image["width"]), int(image["height"]))
            except (KeyError, TypeError, ValueError):
                image_id, name, size = None, None, (0, 0)
            if type(image_id) is not int or type(name) is not str or min(size) <= 0:
                raise UserError(f"{file}: the image in row {number} needs id (a whole number), "
                                 f"file_name, width and height; correct or remove it")
            self.ids.append(image_id)
            self.names.append(name)
            self.sizes.append(size)
        self._rows: dict[Any, int] = {image_id: row for row, image_id in enumerate(self.ids)}

    def find(self, image_id: Any) -> int | None:
        """Row of an image; None for whatever is no id of one."""
        return self._rows.get(image_id) if isinstance(image_id, Real) else None


class PersonRows:
    """Persons being collected. The arrays are made beforehand: a list of small arrays would
    leave holes in the memory of every worker."""
    def __init__(self, most: int, num_joints: int):
        self.count = 0
        self.images, self.ids = np.zeros(most, np.int32), np.zeros(most, np.int64)
        self.boxes, self.scores = np.zeros((most, 4)), np.zeros(most, np.float32)
        self.points = np.zeros((most, num_joints, 2), np.float32)
        self.labelled = np.zeros((most, num_joints), np.uint8)

    def add(self, image: int, box: np.ndarray, score: float, row_id: Any,
            points: np.ndarray | float = 0, labelled: np.ndarray | float = 0) -> None:
        row = self.count
        self.images[row], self.boxes[row], self.scores[row] = image, box, score
        self.points[row], self.labelled[row] = points, labelled
        self.ids[row] = row_id if type(row_id) is int else row
        self.count += 1

    def stack(self, images: ImageTable, notes: Counter) -> PersonTable:
        order = np.argsort(self.images[:self.count], kind="stable")
        return PersonTable(
            boxes=self.boxes, keypoints=self.points, visibility=self.labelled,
            scores=self.scores, ids=self.ids, image_rows=self.images,
            image_ids=np.array(images.ids, np.int64), file_names=np.array(images.names, np.str_),
            image_sizes=np.array(images.sizes, np.int32).reshape(-1, 2),
            sets=np.zeros(len(images.ids), np.int16), notes=dict(notes)).select(order)
