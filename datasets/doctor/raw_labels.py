"""Raw labels: a COCO keypoints file as columns, with everything that is wrong in it still there.

Training reads by datasets/annotations/readers.py, which stops at the first broken row; this is
what the doctor reads by, so it goes on and counts.
"""
import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from datasets.annotations.annotated_sets import AnnotatedSet
from datasets.annotations.category import category_ids
from datasets.annotations.coco_file import gc_paused
from datasets.doctor.finding import Finding, some

LISTS = ("images", "annotations", "categories")


@dataclass(frozen=True, eq=False)
class RawLabels:
    """M images and the N annotations of the chosen category, in the order of the file."""
    part: AnnotatedSet
    name: str                   # "training set", "validation set", "data.extra_sets[0]"
    faults: tuple[Finding, ...]     # found while reading
    categories: list[dict]
    category_ids: tuple         # of the chosen category
    all_ids: list               # ids of all annotations, whatever their category
    image_ids: list
    file_names: np.ndarray      # (M,) str
    image_sizes: np.ndarray     # (M, 2) float64, (width, height) as stated
    ids: list                   # (N) annotation ids, None where there is none
    image_rows: np.ndarray      # (N,) int64, -1: the image is not listed
    boxes: np.ndarray           # (N, 4) float64 xywh, NaN where missing
    areas: np.ndarray           # (N,) float64, NaN where missing
    stated: np.ndarray          # (N,) float64 num_keypoints, NaN where missing
    crowd: np.ndarray           # (N,) bool
    keypoints: np.ndarray       # (N, K, 3) float64 x, y, v; zeros where missing
    lengths: np.ndarray         # (N,) int64, how many numbers `keypoints` has; -1: no list

    @cached_property
    def labelled(self) -> np.ndarray:
        """(N, K) bool: joints that count, of annotations that are no crowd."""
        return (self.keypoints[..., 2] > 0) & ~self.crowd[:, None]

    @cached_property
    def persons(self) -> np.ndarray:
        """(N,) bool: those training and evaluation are about."""
        return np.any(self.labelled, axis=1)

    @cached_property
    def placed(self) -> np.ndarray:
        """(N,) bool: persons in a listed image."""
        return self.persons & (self.image_rows >= 0)

    @cached_property
    def sizes(self) -> np.ndarray:
        """(N, 2) size of each annotation's image; NaN where it is not listed."""
        return np.vstack([self.image_sizes, [[np.nan, np.nan]]])[self.image_rows]

    @cached_property
    def relative(self) -> bool:
        """Whether the joints are parts of the image's size, from 0 to 1, instead of pixels."""
        points = self.keypoints[..., :2][self.labelled]
        return len(points) > 10 and bool((np.abs(points) <= 1.5).all()) and bool((points % 1).any())

    def examples(self, mask: np.ndarray) -> tuple[str, ...]:
        return some((self.ids[row] for row in np.flatnonzero(mask)), "annotation")


@gc_paused()
def read_raw(part: AnnotatedSet, name: str) -> RawLabels:
    """Read whatever can be read of a set; what cannot is told in `faults`. Raises nothing."""
    faults: list[Finding] = []

    def fault(check: str, sentence: str, cost: str, **more: Any) -> None:
        faults.append(Finding(check, name, sentence, cost, **more))

    content = _read(part, fault)
    images = _images(content["images"], fault)
    rows = [row for row in content["annotations"] if isinstance(row, dict)
            and "image_id" in row and "category_id" in row]
    broken = len(content["annotations"]) - len(rows)
    if broken:
        fault("file", f"{broken} of {len(content['annotations'])} annotations are no entries with "
              f"image_id and category_id", "training stops at them: correct or remove them",
              count=broken)
    everyone = [row.get("id") for row in rows]
    chosen, rows = _of_category(part, content["categories"], rows, fault)
    odd = [row.get("id") for row in rows if row.get("iscrowd") not in (None, 0, 1)]
    if odd:
        fault("file", f"{len(odd)} of {len(rows)} annotations have an iscrowd that is neither 0 "
              f"nor 1", "training stops at them: correct or remove them", count=len(odd),
              examples=some(odd, "annotation"))
    joints = part.skeleton.num_joints
    lengths = np.array([len(row["keypoints"]) if isinstance(row.get("keypoints"), list) else -1
                        for row in rows], np.int64)
    known = {image: number for number, image in enumerate(images[0]) if _hashable(image)}
    return RawLabels(
        part=part, name=name, faults=tuple(faults), all_ids=everyone,
        categories=content["categories"], category_ids=chosen, image_ids=images[0],
        file_names=np.array(images[1], np.str_),
        image_sizes=np.array(images[2], np.float64).reshape(-1, 2),
        ids=[row.get("id") for row in rows], image_rows=np.array(
            [known.get(row["image_id"], -1) if _hashable(row["image_id"]) else -1 for row in rows],
            np.int64),
        boxes=_numbers([row.get("bbox") for row in rows], 4),
        areas=_numbers([[row.get("area")] for row in rows], 1)[:, 0],
        stated=_numbers([[row.get("num_keypoints")] for row in rows], 1)[:, 0],
        crowd=np.array([bool(row.get("iscrowd")) for row in rows], bool), lengths=lengths,
        keypoints=np.where(lengths[:, None] == 3 * joints, _numbers(
            [row.get("keypoints") for row in rows], 3 * joints), 0).reshape(-1, joints, 3))


def _read(part: AnnotatedSet, fault) -> dict[str, list]:
    """The three lists of the file, empty where there is none."""
    empty: dict[str, list] = {name: [] for name in LISTS}
    where = f"{part.ann_path} ({part.ann_key})"
    stops = f"nothing of this set can be used: correct {part.ann_key}"
    try:
        content = json.loads(Path(part.ann_path).read_bytes())
    except OSError as error:
        fault("file", f"{where} cannot be read: {error.strerror}", stops)
        return empty
    except ValueError as error:
        fault("file", f"{where} is not JSON: {error}", "nothing of this set can be used: download "
                                                       "or write the file again")
        return empty
    if not isinstance(content, dict):
        fault("file", f"{where} holds no images, annotations and categories", stops)
        return empty
    for name in LISTS:
        if not isinstance(content.get(name), list) or not content[name]:
            fault("file", f"{where} has no list of {name}, or an empty one",
                  "training refuses it: write the file again, with images, annotations and "
                  "categories")
    return {name: content[name] if isinstance(content.get(name), list) else [] for name in LISTS}


def _images(rows: list, fault) -> tuple[list, list[str], list[tuple[float, float]]]:
    """Ids, names and sizes of the images that have them."""
    ids, names, sizes, broken = [], [], [], 0
    for row in rows:
        try:
            found = row["id"], row["file_name"], (float(row["width"]), float(row["height"]))
        except (KeyError, TypeError, ValueError):
            broken += 1
            continue
        if type(found[0]) is not int or type(found[1]) is not str or not min(found[2]) >= 1:
            broken += 1
            continue
        ids.append(found[0])
        names.append(found[1])
        sizes.append(found[2])
    if broken:
        fault("file", f"{broken} of {len(rows)} images lack an id (a whole number), a file_name, "
              f"or a width and a height above 0", "training stops at them: correct or remove "
              "them", count=broken)
    return ids, names, sizes


def _of_category(part: AnnotatedSet, categories: list, rows: list[dict], fault,
                 ) -> tuple[tuple, list[dict]]:
    """The ids of the chosen category and its annotations; all that have joints if that fails."""
    posed = [row for row in rows if row.get("keypoints")]
    if not categories:
        return (), posed or rows        # said already
    listed = {row.get("id") for row in categories if isinstance(row, dict)}
    found = sorted({row["category_id"] for row in rows if _hashable(row["category_id"])}, key=str)
    has = f"its annotations have {', '.join(map(repr, found[:10]))}"    # '1' is not 1
    cure = "correct category_id, or set data.category"
    try:
        chosen = category_ids(categories, part.category, str(part.ann_path))
    except ValueError as error:
        fault("category", str(error), "training and evaluation refuse the file")
        return (), posed or rows
    mine = [row for row in rows if row["category_id"] in chosen]
    if rows and not mine:
        fault("category", f"no annotation has the category_id {chosen[0]!r} that the file gives to "
              f"the category to train; {has}", f"nobody is left to train on, and AP is -1: {cure}",
              count=len(rows))
        return chosen, posed or rows
    strangers = [row for row in rows if row["category_id"] not in listed]
    if strangers:
        fault("category", f"{len(strangers)} of {len(rows)} annotations have a category_id that "
              f"the file does not list; {has}", f"they are left out, silently: {cure}",
              count=len(strangers),
              examples=some((row.get("id") for row in strangers), "annotation"))
    return chosen, mine


def _numbers(values: list, width: int) -> np.ndarray:
    """(N, width) float64 of lists of numbers, NaN where it is something else."""
    table = np.full((len(values), width), np.nan)
    good = [row for row, value in enumerate(values)
            if isinstance(value, list) and len(value) == width]
    if not good:
        return table
    try:
        table[good] = np.array([values[row] for row in good], np.float64)
    except (TypeError, ValueError):     # somewhere is text: one by one
        for row in good:
            try:
                table[row] = np.array(values[row], np.float64)
            except (TypeError, ValueError):
                continue
    return table


def _hashable(value: Any) -> bool:
    return isinstance(value, int | str)
