"""Columns: images, annotations and detections of a file as arrays, whatever is wrong in them.

A number that is missing or none is NaN, and beside each table stands how many numbers every row
has, so that strict readers find the first wrong row and the doctor counts them all.
"""
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from numbers import Integral, Real
from typing import Any

import numpy as np

from datasets.annotations.coco_file import CocoFile, refuse_row
from datasets.annotations.part_fields import joint_fields
from utils.errors import UserError
from utils.shown import counted, shown

IMAGE_FIELDS = ("id", "file_name", "width", "height")
NO_NUMBERS = -1             # in the place of a count
LARGEST_SIDE = 2 ** 31      # pixels; sizes are kept as int32
OTHERS_SHOWN = 5            # categories that a note lists


# ---- images --------------------------------------------------------------------------------------

@dataclass(frozen=True, eq=False)
class ImageColumns:
    """The M images of a file that are whole, and what the others lack."""
    ids: list[int]
    names: list[str]
    sizes: list[tuple[int, int]]    # (width, height); (0, 0) where there is none and nobody asks
    exif: list[str]                 # "obey" or "ignore" its EXIF orientation, "" if not said
    faults: list[str]               # a sentence's middle for each image that is left out

    @cached_property
    def ambiguous(self) -> list[int]:
        """Ids that stand for several images; one that is only listed again is the same one."""
        if len(self._rows) == len(self.ids):
            return []
        images = dict.fromkeys(zip(self.ids, self.names, self.sizes, strict=True))
        return [image_id for image_id, count in Counter(image_id for image_id, *_ in images).items()
                if count > 1]

    @cached_property
    def _rows(self) -> dict[Any, int]:
        return {image_id: row for row, image_id in enumerate(self.ids)}

    def rows_of(self, image_ids: Sequence) -> np.ndarray:
        """Row of each image id, (N,) int64; -1 for whatever is no id of one."""
        return np.array([self._rows.get(image_id, -1) if is_number(image_id) else -1
                         for image_id in image_ids], np.int64)


def image_columns(file: CocoFile, fields: Sequence[str] = IMAGE_FIELDS) -> ImageColumns:
    """The images of a file that have these fields, in its order."""
    ids, names, sizes, exif, faults = [], [], [], [], []
    for number, image in enumerate(file.images):
        fault = _image_fault(image, fields)
        if fault:
            faults.append(f"the image in row {number} {fault}")
            continue
        ids.append(int(image["id"]))
        names.append(image.get("file_name"))
        has_size = all(_is_side(image.get(side)) for side in ("width", "height"))
        sizes.append((int(image["width"]), int(image["height"])) if has_size else (0, 0))
        exif.append(image["exif"] if image.get("exif") in ("obey", "ignore") else "")
    return ImageColumns(ids, names, sizes, exif, faults)


def whole_images(file: CocoFile, fields: Sequence[str] = IMAGE_FIELDS) -> ImageColumns:
    """`image_columns`, but UserError for the first image that lacks something, or whose id is
    another one's, too."""
    images = image_columns(file, fields)
    if images.faults:
        raise UserError(f"{file.name}: {images.faults[0]}; correct or remove it")
    if images.ambiguous:
        raise UserError(f"{file.name}: {counted(len(images.ambiguous), 'image id')} used for more "
                        f"than one image, first {images.ambiguous[0]}, and whose persons are meant "
                        f"is not said: give every image its own id")
    return images


def _image_fault(image: Any, fields: Sequence[str]) -> str:
    """What is wrong with an image's row, "" if nothing is."""
    if not isinstance(image, dict):
        return f"is no entry with {', '.join(fields)}"
    for field in fields:
        value = image.get(field)
        if value is None:
            return f"has no {field}"
        if field == "id" and not (isinstance(value, Integral) and is_number(value)):
            return f"has the id {shown(value)}, which is no whole number"
        if field == "id" and not -2 ** 63 <= value < 2 ** 63:
            return f"has the id {shown(value)}, which is beyond 64 bits"
        if field == "file_name" and not isinstance(value, str):
            return f"has the file_name {shown(value)}, which is no text"
        if field in ("width", "height") and not _is_side(value):
            return f"has the {field} {shown(value)}, which is no number of pixels"
    return ""


def _is_side(value: Any) -> bool:
    try:
        return 0 < int(value) < LARGEST_SIDE
    except (TypeError, ValueError, OverflowError):
        return False


def is_number(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)


# ---- numbers -------------------------------------------------------------------------------------

@dataclass(frozen=True, eq=False)
class Numbers:
    """A field of N rows that should hold `width` numbers in each."""
    table: np.ndarray       # (N, width) float64, NaN where a row has something else
    counts: np.ndarray      # (N,) int64, how many numbers a row has; NO_NUMBERS


def numbers(rows: Sequence[dict], field: str, width: int, optional: bool = False) -> Numbers:
    """The numbers in a field, lists in lists being taken as one list. optional: a field that is
    missing or null has 0 numbers; otherwise NO_NUMBERS, and one NaN."""
    values = [row.get(field) for row in rows]
    table = np.full((len(rows), width), np.nan)
    counts = np.full(len(rows), NO_NUMBERS, np.int64)
    plain = [row for row, value in enumerate(values) if (
        type(value) in (int, float) if width == 1 else type(value) is list and len(value) == width)]
    odd = range(len(values))
    try:        # all at once, as nearly always
        content = np.array([values[row] for row in plain]).reshape(-1, width)
        if content.dtype.kind in "iuf":     # and no text such as "0.5"
            table[plain], counts[plain] = content, width
            odd = np.setdiff1d(odd, plain).tolist()
    except (TypeError, ValueError, OverflowError):
        pass
    for row in odd:
        if values[row] is None and (optional or field not in rows[row]):
            counts[row] = 0 if optional else NO_NUMBERS
            continue
        found = None if width == 1 and type(values[row]) is list else _flat(values[row])
        if found is not None:
            counts[row] = len(found)
            table[row] = found if len(found) == width else np.nan
    return Numbers(table, counts)


def are_parts(values: np.ndarray) -> bool:
    """Whether points or boxes (N, ...) are parts of the image's size, from 0 to 1, not pixels."""
    return len(values) > 2 and bool((np.abs(values) <= 1.5).all() and (values % 1).any())


def _flat(value: Any) -> np.ndarray | None:
    try:
        found = np.array(value, np.float64).reshape(-1)
        return None if {str, bool} & set(map(type, np.array(value, object).flat)) else found
    except (TypeError, ValueError, OverflowError):
        return None


# ---- strictly ------------------------------------------------------------------------------------

class Rows:
    """Rows of one category on their way to arrays: some are left out and counted, and the first
    that is still in use and wrong is refused, by UserError."""

    def __init__(self, where: str, rows: Sequence, ids: Sequence | None, what: str):
        """rows: all of the file `where`. ids: of the category, None: of all. what: a row is."""
        self.where = f"{where}: {what}"
        self.others: Counter[str] = Counter()       # how many rows each other category has
        places = []
        for number, row in enumerate(rows):
            if not isinstance(row, dict):
                refuse_row(self.where, row, number, "is no entry with image_id and category_id")
            if ids is not None and "category_id" not in row:
                refuse_row(self.where, row, number, "has no category_id")
            if ids is None or row["category_id"] in ids:        # '1' is not 1
                places.append(number)
            else:
                self.others[shown(row["category_id"])] += 1
        self.rows: list[dict] = [rows[place] for place in places]
        self.places = np.array(places, np.int64)        # in the file
        self.used = np.ones(len(places), bool)
        self.notes: Counter[str] = Counter()
        if self.others:
            listed = [f"{category}: {count}"
                      for category, count in self.others.most_common(OTHERS_SHOWN)]
            more = ", ..." if len(self.others) > OTHERS_SHOWN else ""
            self.notes[f"{what}s of other categories ({', '.join(listed)}{more}) left out"] = (
                self.others.total())

    def leave_out(self, mask: np.ndarray, what: str) -> None:
        """No longer use the rows of a mask (N,); `what` is their note."""
        self.notes[what] += int((self.used & mask).sum())
        self.used &= ~mask

    def refuse(self, wrong: np.ndarray | list[bool], what: Callable[[dict], str]) -> None:
        """Raise UserError for the first row in use that is `wrong`, if there is one."""
        for row in np.flatnonzero(self.used & np.array(wrong, bool))[:1]:
            refuse_row(self.where, self.rows[row], int(self.places[row]), what(self.rows[row]))

    def numbers(self, field: str, width: int, meaning: str, optional: bool = False) -> np.ndarray:
        """A field of `width` numbers, (N, width) float64. optional: NaN where there are none."""
        found = numbers(self.rows, field, width, optional)
        fits = (found.counts == width) | (optional & (found.counts == 0))
        self.refuse(~fits, lambda row: _misfit(row, field, width, meaning))
        return found.table

    def joints(self, num_joints: int, meaning: str, optional: bool = False) -> np.ndarray:
        """The joints of all rows, (N, K, 3) float64 x, y and v, in whatever fields they stand.
        optional: NaN for rows without any."""
        table = np.empty((len(self.rows), num_joints, 3))
        fields, first = joint_fields(self.rows, num_joints), 0
        for name, count in fields.items():
            found = self.numbers(name, 3 * count, meaning, optional)
            table[:, first:first + count] = found.reshape(-1, count, 3)
            first += count
        there = np.stack([self.given(name) for name in fields], axis=1)
        some = np.logical_or.reduce(there, axis=1) & ~np.logical_and.reduce(there, axis=1)
        self.refuse(some, lambda row: "has no " + next(
            name for name in fields if row.get(name) in (None, [])))
        return table

    def given(self, field: str) -> np.ndarray:
        """(N,) bool: whether a row says anything in a field."""
        return np.array([row.get(field) not in (None, []) for row in self.rows], bool)

    def refuse_infinite(self, table: np.ndarray, field: str, where: np.ndarray | bool = True,
                        ) -> None:
        """No row in use may have NaN or infinity in a table (N, ...) at the places `where`."""
        wrong = (~np.isfinite(table) & where).any(axis=tuple(range(1, table.ndim)))
        self.refuse(wrong, lambda row: f"has NaN or infinity in {field}")

    def image_ids(self) -> list:
        """The image id of each row; it must be a number."""
        ids = [row.get("image_id") for row in self.rows]
        self.refuse([not is_number(image_id) for image_id in ids], lambda row: (
            "has no image_id" if row.get("image_id") is None else
            f"has the image_id {shown(row['image_id'])}, which is no number"))
        return ids

    def crowd(self) -> np.ndarray:
        """(N,) bool: iscrowd, which must be 0 or 1 if it is there."""
        found = [row.get("iscrowd") for row in self.rows]
        self.refuse([value not in (None, 0, 1) for value in found],     # "0" would count as true
                    lambda row: "has an iscrowd that is neither 0 nor 1")
        return np.array([bool(value) for value in found], bool)


def _misfit(row: dict, field: str, width: int, meaning: str) -> str:
    """Why a field does not hold `width` numbers."""
    if row.get(field) is None:
        return f"has no {field}"
    found = _flat(row[field])
    if found is None or len(found) == width:
        return f"has something else than numbers in {field}, or numbers without end"
    longer = field == "keypoints" and len(found) > width
    return f"has {counted(len(found), 'number')} in {field} instead of {width}, {meaning}" + (
        ", which `import --from coco` takes out of longer lists" if longer else "")
