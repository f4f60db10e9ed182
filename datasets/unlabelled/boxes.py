"""read_unlabelled: people of whom only boxes are known, as a table of persons.

The boxes are those of a detector's results, of an annotation file, or whole pictures. Joints of an
annotation file are kept for comparison; nobody learns them. What is left out is counted.
"""
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from datasets.annotations.annotated_sets import AnnotatedSet
from datasets.annotations.category import other_joints, result_category
from datasets.annotations.columns import Rows
from datasets.annotations.persons import PersonTable
from datasets.crops.boxes_of_pictures import (
    annotated_boxes,
    result_orientations,
    result_places,
    result_scores,
)
from datasets.crops.image_files import SUFFIXES, image_numbers, images_among
from datasets.crops.image_header import Size, read_header
from datasets.crops.images import read_image
from utils.errors import UserError
from utils.files import files_below
from utils.geometry import clean_box
from utils.json_file import gc_paused, read_json
from utils.log import log
from utils.shown import counted, shortened

UNKNOWN = (0, 0)        # size of a picture that cannot be read
NO_BOX = "boxes without size, not finite or outside their picture left out"


@dataclass(frozen=True)
class Pictures:
    """M pictures of a folder, and what a file of boxes says of them."""
    names: list[str]        # relative to the folder
    ids: list[int]
    sizes: list[Size]       # (width, height), UNKNOWN where nothing is said
    exif: list[str]         # "obey" or "ignore" the orientation, "": as the set says


@dataclass(frozen=True)
class Found:
    """N people in M pictures."""
    pictures: Pictures
    rows: np.ndarray            # (N,) int64, of the file's list
    picture_rows: np.ndarray    # (N,) int64
    boxes: np.ndarray           # (N, 4) float64, xywh, pixels
    scores: np.ndarray          # (N,) 1 where no detector found them
    joints: np.ndarray          # (N, K, 3) x, y, v, NaN where nothing is known
    notes: Counter[str]


@gc_paused()
def read_unlabelled(part: AnnotatedSet, alignment: str, min_score: float,
                    skip_broken: bool = False) -> PersonTable:
    """The people of an entry of data.unlabelled: those of the boxes in `part.ann_path`, which may
    be COCO results (of scores from min_score) or a COCO annotation file (without crowds); where it
    is the folder of pictures itself, each of them is one person.

    Boxes are cut to their picture by the rule of `alignment`. Visibilities are 1 where the file
    has a joint of the skeleton. Pictures of a folder are read upright, unless the results say
    otherwise. Pictures of which the file does not say the size are looked at, some 0.1 ms each;
    with skip_broken people in those that cannot be read are left out. Raises FileNotFoundError or
    UserError naming file and setting, also where there is no box at all.
    """
    if not part.img_root.is_dir():
        raise FileNotFoundError(f"{part.root_key}: the folder {part.img_root} does not exist; "
                                f"correct the path")
    if part.ann_path == part.img_root:
        found = _whole_pictures(part)
    else:
        name = f"{part.ann_path} ({part.ann_key})"
        content = read_json(part.ann_path, name)
        found = (_of_results(content, name, part, min_score) if isinstance(content, list)
                 else _of_annotations(content, name, part))
    sizes = _sizes(found, part)
    unread = [row for row in np.unique(found.picture_rows).tolist() if not sizes[row].all()]
    if unread and not skip_broken:
        raise UserError(f"{part.root_key}: {counted(len(unread), 'picture')} of {part.img_root} "
                        f"cannot be read, first {shortened(found.pictures.names[unread[0]])}; mend "
                        f"or remove them, or set data.skip_broken to true")
    persons = _table(found, sizes, alignment)
    if not len(persons):
        lost = ", ".join(f"{count} {what}" for what, count in persons.notes.items())
        raise UserError(f"{part.ann_key}: {part.ann_path} has no box of anybody in the pictures of "
                        f"{part.img_root}{f': {lost}' * bool(lost)}; give the boxes of these "
                        f"pictures, or set data.category or detector.confidence")
    return persons


def _whole_pictures(part: AnnotatedSet) -> Found:
    pictures, skipped = _folder(part)
    count = len(pictures.names)
    boxes = np.full((count, 4), np.nan)
    if skipped:
        log.info("skipped in %s: %s", part.img_root, skipped)
    return Found(pictures, np.arange(count), np.arange(count), boxes, np.ones(count),
                 _no_joints(count, part), Counter())


def _of_results(content: list, name: str, part: AnnotatedSet, min_score: float) -> Found:
    """Pictures are known by file_name, and without it by the number that they are called by."""
    rows = Rows(name, content, result_category(content, part.category, name), "detection")
    pictures, _ = _folder(part)
    picture_rows = result_places(
        rows, pictures.names,
        f"{name} tells pictures by numbers, and names such as {shortened(pictures.names[0])} have "
        f"none: give a COCO annotation file, or run detect on the folder {part.img_root}")
    for place, exif in result_orientations(rows, picture_rows):
        pictures.exif[place] = exif
    scores = result_scores(rows, min_score)
    return _found(rows, pictures, picture_rows, scores, _no_joints(len(rows.rows), part))


def _of_annotations(content: object, name: str, part: AnnotatedSet) -> Found:
    file, ids, rows, images = annotated_boxes(content, name, part.category)
    joints = None
    if not other_joints(file.categories, ids or (), part.skeleton):
        with suppress(UserError):       # they are more or less than ours
            joints = rows.joints(part.skeleton.num_joints, "", optional=True)
    if joints is None:
        joints = _no_joints(len(rows.rows), part)
        rows.notes[f"people whose joints are not those of {part.skeleton.name}, with which nothing "
                   f"is compared"] = int((rows.used & rows.given("keypoints")).sum())
    pictures = Pictures(images.names, images.ids, images.sizes, images.exif)
    return _found(rows, pictures, images.rows_of(rows.image_ids()), np.ones(len(rows.rows)), joints)


def _found(rows: Rows, pictures: Pictures, picture_rows: np.ndarray, scores: np.ndarray,
           joints: np.ndarray) -> Found:
    """What is in use of the rows of a file."""
    rows.leave_out(picture_rows < 0, "boxes of other pictures left out")
    boxes = rows.numbers("bbox", 4, "x, y, width and height")
    whole = np.isfinite(boxes).all(axis=1) & (boxes[:, 2:] > 0).all(axis=1)
    rows.leave_out(~whole, NO_BOX)
    used = rows.used
    return Found(pictures, rows.places[used], picture_rows[used], boxes[used], scores[used],
                 joints[used], rows.notes)


def _folder(part: AnnotatedSet) -> tuple[Pictures, str]:
    """The pictures of the folder and those below it, and what else is there."""
    files, skipped = images_among(files_below(part.img_root))
    if not files:
        only = f", only {skipped}" if skipped else ""
        raise UserError(f"{part.root_key}: the folder {part.img_root} holds no pictures "
                        f"({', '.join(SUFFIXES)}){only}: give another one")
    names = [file.relative_to(part.img_root).as_posix() for file in files]
    exif = "ignore" if part.exif == "ignore" else "obey"        # as `detect` reads them
    return Pictures(names, image_numbers(names)[0], [UNKNOWN] * len(names),
                    [exif] * len(names)), skipped


def _no_joints(count: int, part: AnnotatedSet) -> np.ndarray:
    return np.full((count, part.skeleton.num_joints, 3), np.nan)


def _sizes(found: Found, part: AnnotatedSet) -> np.ndarray:
    """(M, 2) int32 sizes of the pictures; those in use of which nothing is said are looked at."""
    sizes = np.array(found.pictures.sizes, np.int32).reshape(-1, 2)
    for row in np.unique(found.picture_rows).tolist():
        if not sizes[row].all():
            exif = found.pictures.exif[row] or part.exif
            sizes[row] = _size(part.img_root / found.pictures.names[row], exif, part.bits)
    return sizes


def _size(path: Path, exif: str, bits: int) -> Size:
    """(width, height) of a picture as it is read; what is wrong with it is said when it is."""
    try:
        if header := read_header(path):
            return header.shown_size(exif)
        height, width = read_image(path, None, exif, bits).shape[:2]
    except (OSError, UserError):
        return UNKNOWN
    return width, height


def _table(found: Found, sizes: np.ndarray, alignment: str) -> PersonTable:
    """Those of them whose box is in their picture, neighbours in it being neighbours."""
    of_each = sizes[found.picture_rows]
    boxes = np.where(np.isnan(found.boxes), np.hstack([np.zeros_like(of_each), of_each]),
                     found.boxes)
    for row, (width, height) in enumerate(of_each.tolist()):
        cleaned = clean_box(boxes[row], (width, height), alignment)
        touches = (boxes[row, :2] + boxes[row, 2:] > 0).all()
        boxes[row] = np.nan if cleaned is None or not touches else cleaned
    lost = np.isnan(boxes[:, 0])
    unread = lost & ~of_each.all(axis=1)
    joints = np.nan_to_num(found.joints, nan=0, posinf=0, neginf=0)
    known = joints[..., 2] > 0
    pictures, used = found.pictures, np.argsort(found.picture_rows, kind="stable")
    table = PersonTable(
        boxes=boxes, keypoints=np.where(known[..., None], joints[..., :2], 0).astype(np.float32),
        visibility=known.astype(np.uint8), hidden=np.zeros_like(known),
        scores=found.scores.astype(np.float32), ids=found.rows, rows=found.rows,
        image_rows=found.picture_rows.astype(np.int32), image_ids=np.array(pictures.ids, np.int64),
        file_names=np.array(pictures.names, np.str_), image_sizes=sizes,
        exif=np.array(pictures.exif, np.str_), sets=np.zeros(len(pictures.ids), np.int16),
        notes={what: count for what, count in found.notes.items() if count}).select(used)
    table = table.without(unread[used], "people in pictures that cannot be read left out")
    return table.without((lost & ~unread)[used][~unread[used]], NO_BOX)
