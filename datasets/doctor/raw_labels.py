"""Raw labels: a COCO keypoints file as columns, with everything that is wrong in it still there.

Training looks at the same columns by datasets/annotations/readers.py, which stops at the first
broken row; this is what the doctor looks by, so it goes on and counts.
"""
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from datasets.annotations.annotated_sets import AnnotatedSet
from datasets.annotations.category import category_ids
from datasets.annotations.coco_file import LISTS, CocoFile, read_coco
from datasets.annotations.columns import ImageColumns, are_parts, image_columns, numbers
from datasets.annotations.part_fields import joint_fields
from datasets.annotations.readers import LARGEST
from datasets.doctor.finding import Finding, examples_of, is_serious
from utils.errors import UserError
from utils.json_file import gc_paused
from utils.shown import shown


@dataclass(frozen=True, eq=False)
class RawLabels:
    """M images and the N annotations of the chosen category, in the order of the file."""
    part: AnnotatedSet
    name: str                   # "training set", "validation set", "data.extra_sets[0]"
    faults: tuple[Finding, ...]     # found while reading
    file: CocoFile              # held, so that whoever reads it again need not parse it
    category_ids: tuple         # of the chosen category
    all_ids: list               # ids of all annotations, whatever their category
    images: ImageColumns
    file_names: np.ndarray      # (M,) str
    image_sizes: np.ndarray     # (M, 2) float64, (width, height) as stated
    ids: list                   # (N) annotation ids, None where there is none
    image_rows: np.ndarray      # (N,) int64, -1: the image is not listed
    boxes: np.ndarray           # (N, 4) float64 xywh, NaN where missing or too large for any image
    areas: np.ndarray           # (N,) float64, NaN where missing
    odd_areas: np.ndarray       # (N,) bool: there is an area, and it is no finite number
    stated: np.ndarray          # (N,) float64 num_keypoints, NaN where missing
    crowd: np.ndarray           # (N,) bool
    keypoints: np.ndarray       # (N, K, 3) float64 x, y, v; zeros where missing
    lengths: np.ndarray         # (N,) int64, how many numbers `keypoints` has; -1: none
    fields: Mapping[str, int]   # of the file, in which the joints stand, and how many in each

    @cached_property
    def labelled(self) -> np.ndarray:
        """(N, K) bool: joints that count, of annotations that are no crowd."""
        return (self.keypoints[..., 2] > 0) & ~self.crowd[:, None]

    @cached_property
    def seen(self) -> np.ndarray:
        """(N, K) bool: labelled joints whose coordinates are such that one can compute with."""
        return self.labelled & (np.abs(self.keypoints[..., :2]) < LARGEST).all(axis=2)

    @cached_property
    def points(self) -> np.ndarray:
        """(N, K, 2) of the joints in `seen`; 0 for others."""
        return np.where(self.seen[..., None], self.keypoints[..., :2], 0)

    @cached_property
    def persons(self) -> np.ndarray:
        """(N,) bool: those training and evaluation are about."""
        return np.any(self.labelled, axis=1)

    @cached_property
    def placed(self) -> np.ndarray:
        """(N,) bool: persons in a listed image."""
        return self.persons & (self.image_rows >= 0)

    @cached_property
    def boxed(self) -> np.ndarray:
        """(N,) bool: those whose box is there and has a size."""
        return (self.boxes[:, 2:] > 0).all(axis=1) & np.isfinite(self.boxes).all(axis=1)

    @cached_property
    def sizes(self) -> np.ndarray:
        """(N, 2) size of each annotation's image; NaN where it is not listed."""
        return np.vstack([self.image_sizes, [[np.nan, np.nan]]])[self.image_rows]

    @cached_property
    def relative(self) -> bool:
        """Whether the joints are parts of the image's size, from 0 to 1, instead of pixels."""
        points = self.keypoints[..., :2][self.labelled]
        return len(points) > 10 and are_parts(points)

    @cached_property
    def boxes_relative(self) -> bool:
        """Whether the boxes of the persons are parts of the image's size instead of pixels."""
        boxes = self.boxes[self.placed & np.isfinite(self.boxes).all(axis=1)]
        return are_parts(boxes)

    def finding(self, sentence: str, cost: str, wrong: np.ndarray, total: int = 0,
                serious: bool = True) -> Finding:
        """What is wrong with annotations (N,) or with joints (N, K). total: of how many, where a
        few of them are noise."""
        count = int(wrong.sum())
        rows = np.flatnonzero(wrong if wrong.ndim == 1 else wrong.any(axis=1))
        return Finding(sentence, cost, count,
                       examples_of((self.ids[row] for row in rows), "annotation"),
                       serious and (not total or is_serious(count, total)))


@gc_paused()
def read_raw(part: AnnotatedSet, name: str, lists: Sequence[str] = LISTS) -> RawLabels:
    """Read whatever can be read of a set; what cannot is told in `faults`. lists: those that the
    file must have. Raises nothing."""
    faults: list[Finding] = []

    def fault(check: str, sentence: str, cost: str, **more: Any) -> None:
        faults.append(Finding(sentence, cost, check=check, where=name, **more))

    file = _read(part, lists, fault)
    images = image_columns(file)
    if images.faults:
        fault("file", f"{len(images.faults)} of {len(file.images)} images lack an id (a whole "
              f"number), a file_name, or a width and a height above 0: {images.faults[0]}",
              "training stops at them: correct or remove them", count=len(images.faults))
    rows = [row for row in file.annotations if isinstance(row, dict)
            and "image_id" in row and "category_id" in row]
    broken = len(file.annotations) - len(rows)
    if broken:
        fault("file", f"{broken} of {len(file.annotations)} annotations are no entries with "
              f"image_id and category_id", "training stops at them: correct or remove them",
              count=broken)
    everyone = [row.get("id") for row in rows]
    chosen, rows = _of_category(part, file.categories, rows, fault)
    odd = [row.get("id") for row in rows if row.get("iscrowd") not in (None, 0, 1)]
    if odd:
        fault("file", f"{len(odd)} of {len(rows)} annotations have an iscrowd that is neither 0 "
              f"nor 1", "training stops at them: correct or remove them", count=len(odd),
              examples=examples_of(odd, "annotation"))
    areas = numbers(rows, "area", 1).table[:, 0]
    given = np.array([row.get("area") not in (None, []) for row in rows], bool)
    joints = part.skeleton.num_joints
    fields = joint_fields(rows, joints)
    lengths, keypoints = _joints(rows, fields)
    return RawLabels(
        part=part, name=name, faults=tuple(faults), all_ids=everyone,
        file=file, category_ids=chosen, images=images,
        file_names=np.array(images.names, np.str_),
        image_sizes=np.array(images.sizes, np.float64).reshape(-1, 2),
        ids=[row.get("id") for row in rows],
        image_rows=images.rows_of([row["image_id"] for row in rows]),
        boxes=_sane(numbers(rows, "bbox", 4).table, LARGEST),
        areas=areas, odd_areas=given & ~np.isfinite(areas),
        stated=numbers(rows, "num_keypoints", 1).table[:, 0],
        crowd=np.array([bool(row.get("iscrowd")) for row in rows], bool), lengths=lengths,
        keypoints=np.where(lengths[:, None, None] == 3 * joints, keypoints, 0), fields=fields)


def _joints(rows: list[dict], fields: Mapping[str, int]) -> tuple[np.ndarray, np.ndarray]:
    """How many numbers each row has in these fields, -1: none in one of them, and the joints,
    (N, K, 3)."""
    lengths, tables = [], []
    for field, joints in fields.items():
        found = numbers(rows, field, 3 * joints)
        lengths.append([len(row[field]) if count < 0 and type(row.get(field)) is list else count
                        for row, count in zip(rows, found.counts.tolist(), strict=True)])
        tables.append(found.table)      # a list with text in it has the length of a list
    counts = np.array(lengths, np.int64)
    return (np.where((counts < 0).any(axis=0), -1, counts.sum(axis=0)),
            np.concatenate(tables, axis=1).reshape(len(rows), sum(fields.values()), 3))


def _sane(table: np.ndarray, largest: float) -> np.ndarray:
    """Numbers one can compute with; NaN for larger ones."""
    return np.where(np.abs(table) < largest, table, np.nan)


def _read(part: AnnotatedSet, lists: Sequence[str], fault) -> CocoFile:
    """The file; one without anything in it where it cannot be read."""
    try:
        file = read_coco(part.ann_path, part.ann_key)
    except (UserError, OSError) as error:
        fault("file", str(error), f"nothing of this set can be used: correct {part.ann_key}")
        return CocoFile(str(part.ann_path), [], [], [])
    for key in lists:
        if not getattr(file, key):
            fault("file", f"{file.name} has no list of {key}, or an empty one",
                  "training refuses it: write the file again, with images, annotations and "
                  "categories")
    return file


def _of_category(part: AnnotatedSet, categories: list, rows: list[dict], fault,
                 ) -> tuple[tuple, list[dict]]:
    """The ids of the chosen category and its annotations; all that have joints if that fails."""
    posed = [row for row in rows if row.get("keypoints")]
    if not categories:
        return (), posed or rows        # said already
    listed = [row.get("id") for row in categories if isinstance(row, dict)]
    found = sorted({shown(row["category_id"]) for row in rows})         # '1' is not 1
    has = f"its annotations have {', '.join(found[:10])}"
    cure = "correct category_id, or set data.category"
    try:
        chosen = category_ids(categories, part.category, str(part.ann_path))
    except UserError as error:
        fault("category", str(error), "training and evaluation refuse the file")
        return (), posed or rows
    mine = [row for row in rows if row["category_id"] in chosen]
    if rows and not mine:
        fault("category", f"no annotation has the category_id {shown(chosen[0])} that the file "
              f"gives to the category to train; {has}", f"nobody is left to train on, and AP is "
              f"-1: {cure}", count=len(rows))
        return chosen, posed or rows
    strangers = [row for row in rows if row["category_id"] not in listed]
    if strangers:
        fault("category", f"{len(strangers)} of {len(rows)} annotations have a category_id that "
              f"the file does not list; {has}", f"they are left out: {cure}",
              count=len(strangers),
              examples=examples_of((row.get("id") for row in strangers), "annotation"))
    named = [row.get("name") for row in categories if isinstance(row, dict)
             and row.get("id") in chosen]
    alike = [row for row in rows if row["category_id"] not in chosen and any(
        row["category_id"] == one.get("id") and one.get("name") in named
        for one in categories if isinstance(one, dict))]
    if alike:
        fault("category", f"a second category is called {shown(named[0])}, too, besides "
              f"{shown(chosen[0])}, and has {len(alike)} of {len(rows)} annotations; {has}",
              "they are left out: give one category_id to both", count=len(alike),
              examples=examples_of((row.get("id") for row in alike), "annotation"))
    return chosen, mine
