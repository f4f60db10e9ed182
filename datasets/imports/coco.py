"""COCO keypoints files that training does not take as they are; each mend is counted and said.

Joints are taken by the names of their category, or the first ones in their order, also out of
longer lists (Halpe's 136) and out of the fields that COCO-WholeBody keeps beside `keypoints`; for
the skeleton hand21 its hands are persons. Boxes and areas that are missing or no use are made, and
so is num_keypoints; lists in lists are taken as one; ids may be text.
"""
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from datasets.annotations.coco_file import CocoFile, read_coco
from datasets.annotations.columns import are_parts
from datasets.annotations.part_fields import has_parts, part_names
from datasets.annotations.skeleton import Skeleton, load_skeleton
from datasets.imports.joint_places import joint_places
from datasets.imports.write_coco import (
    NOT_LABELLED,
    VISIBLE,
    ImportedImage,
    ImportedPerson,
    Notes,
    empty_joints,
    is_inside,
)
from datasets.imports.yolo_tree import split_in
from utils.errors import UserError
from utils.files import files_below

LARGEST = 1e12      # pixels squared
ROBOFLOW = "_annotations.coco.json"     # in the folder of each split
HANDS = ("lefthand", "righthand")       # COCO-WholeBody's names of them


@dataclass(frozen=True)
class _File:
    content: CocoFile
    kinds: dict[str, dict]      # categories that are taken, by their id as text; empty: none listed
    skeleton: Skeleton
    notes: Notes
    parts: dict[str, tuple[str, ...]]       # fields of joints beside `keypoints`, and their names
    hands: bool                             # whether the persons are the hands
    places: dict[tuple[str, int], np.ndarray] = field(default_factory=dict)     # see `_places`


def read_coco_labels(source: Path, skeleton: Skeleton, root: Path | None, notes: Notes,
                     ) -> tuple[list[ImportedImage], Path]:
    """All images of a file, or of the files of a Roboflow tree, and the folder of the images:
    `root`, or the first of the usual ones that has one of them. Raises UserError."""
    tree = source.is_dir()
    contents = {path: read_coco(path) for path in coco_files(source)}
    base = root or (source if tree else _root_of(source, contents[source]))
    images: list[ImportedImage] = []
    for path, content in contents.items():
        content.need("images", "annotations")
        below = path.parent.relative_to(source) if tree else Path()
        images += _images(_file(content, skeleton, notes), base, below)
    _look_at_units(images, notes)
    ids = [image.id for image in images]
    if None in ids or len(set(ids)) < len(ids):
        notes.remark(f"{source}: ids of images that are text or stand twice are numbered anew, so "
                     f"a file of detections by the old ids fits no more")
        images = [replace(image, id=None) for image in images]
    return images, base


def _root_of(source: Path, content: CocoFile) -> Path:
    """The folder of images of a file: beside it, or as COCO and CVAT have it beside the folder
    "annotations", where person_keypoints_val2017.json belongs to val2017."""
    here, above, part = source.parent, source.parent.parent, source.stem.rpartition("_")[2]
    names = [_inside(row["file_name"]) for row in content.images
             if isinstance(row, dict) and isinstance(row.get("file_name"), str)][:20]
    places = [here / "images", here, above / "images" / part, above / part, above / "images", above]
    return next((place for place in places if any((place / name).is_file() for name in names)),
                places[0] if places[0].is_dir() else here)


def coco_files(source: Path) -> list[Path]:
    """A file, or those of a Roboflow tree. Raises UserError if there are none."""
    files = sorted(files_below(source, ROBOFLOW)) if source.is_dir() else [source]
    if not files:
        raise UserError(f"the folder {source} holds no {ROBOFLOW}: give a COCO file")
    return files


def kinds_of(content: CocoFile, wanted: str) -> dict[str, dict]:
    """The categories that are taken, by their id as text: the one that is asked for, else person,
    else those with joints, else all. Raises UserError for one that is not there.

    Boxes called person, in a file of Label Studio, do not hide joints of another category.
    """
    rows = {str(row.get("id")): row for row in content.categories if isinstance(row, dict)}
    drawn = {str(row.get("category_id")) for row in content.annotations
             if isinstance(row, dict) and row.get("keypoints")}
    posed = {key: row for key, row in rows.items() if row.get("keypoints")} or {
        key: row for key, row in rows.items() if key in drawn}
    persons = {key: row for key, row in rows.items() if row.get("name") == "person"
               and (key in drawn or not drawn & rows.keys())}
    if not wanted:
        return persons or posed or rows
    kinds = {key: row for key, row in rows.items() if wanted in (str(row.get("name")), key)}
    if not kinds:
        known = ", ".join(f"{row.get('name')} ({key})" for key, row in list(rows.items())[:20])
        raise UserError(f"{content.name} has no class {wanted} (--class): give one of "
                        f"{known or 'its categories, of which it has none'}")
    return kinds


def posed_kinds(paths: list[Path]) -> set[str]:
    """The names of all categories that something with joints has."""
    names = set()
    for content in map(read_coco, paths):
        drawn = {str(row.get("category_id")) for row in content.annotations
                 if isinstance(row, dict) and isinstance(row.get("keypoints"), list)
                 and any(row["keypoints"][2::3])}
        names |= {str(row.get("name")) for row in content.categories
                  if isinstance(row, dict) and str(row.get("id")) in drawn}
    return names


def _file(content: CocoFile, skeleton: Skeleton, notes: Notes) -> _File:
    """What is taken of a file."""
    hand_names = load_skeleton("hand21").joint_names
    is_hand = skeleton.joint_names == hand_names
    kinds = kinds_of(content, "" if is_hand and notes.wanted in HANDS else notes.wanted)
    parts = part_names() if has_parts(content.annotations) else {}
    return _File(content, kinds, skeleton, notes, parts, bool(parts) and is_hand)


def _images(file: _File, root: Path, below: Path) -> Iterator[ImportedImage]:
    """All images of a file. below: the folder of its images, from the root."""
    notes, rows = file.notes, [row for row in file.content.images if isinstance(row, dict)]
    ids = Counter(str(row.get("id")) for row in rows)
    persons = _persons(file)
    for row in rows:
        key, text = str(row.get("id")), row.get("file_name")
        if not isinstance(text, str) or not text or ids[key] > 1:
            notes.count("images without a file_name, or with an id that another one has, left out",
                        1)
            persons.pop(key, None)
            continue
        width, height = _positive(row.get("width")), _positive(row.get("height"))
        size = (int(width), int(height)) if width and height else None
        exif = row["exif"] if row.get("exif") in ("obey", "ignore") else ""
        number = row["id"] if type(row["id"]) is int and abs(row["id"]) < 2 ** 63 else None
        name = _name(text, root, below, notes)
        yield ImportedImage(name, size, persons.pop(key, []), exif, split_in(Path(name)), number)
    notes.count("persons in images that the file does not list left out",
                sum(map(len, persons.values())))


def _look_at_units(images: list[ImportedImage], notes: Notes) -> None:
    """Remark on joints and boxes that are no pixels, by the rules of the doctor."""
    people = [(person, image.size or (np.inf, np.inf)) for image in images
              for person in image.persons]
    joints = [person.joints[person.joints[:, 2] > 0, :2] for person, _ in people]
    found = [(person.box, size) for person, size in people if person.box]
    boxes, sizes = (np.array([row[place] for row in found]) for place in (0, 1))
    for what, values in (("joints", np.concatenate([np.zeros((0, 2)), *joints])), ("boxes", boxes)):
        if are_parts(values):
            notes.remark(f"all {what} lie between 0 and 1, so they are parts of the image's size, "
                         f"not pixels: multiply them by its width and height, and import again")
    if found:
        out = (boxes[:, :2] + boxes[:, 2:] > 1.05 * sizes).any(axis=1).mean()
        if out > 0.3 and (boxes[:, 2:] > boxes[:, :2]).all():
            notes.remark(f"{out:.0%} of the boxes reach out of their image, as corners x1, y1, x2, "
                         f"y2 do in the place of x, y, width, height: see what check says of them")


def _inside(text: str) -> PurePosixPath:
    """A file_name that stays inside the folder of images, if need be without its own folder."""
    name = PurePosixPath(text.replace("\\", "/"))
    return name if is_inside(text) else PurePosixPath(name.name)


def _name(text: str, root: Path, below: Path, notes: Notes) -> str:
    """A file_name as it is found below the folder of images."""
    name = _inside(text)
    if not (root / below / name).is_file() and (root / below / name.name).is_file():
        name = PurePosixPath(name.name)
    shorter = len(name.parts) < len(PurePosixPath(text.replace("\\", "/")).parts)
    notes.count("file names without their folder, as the images lie", shorter)
    notes.count("file names with / in the place of \\", "\\" in text and not shorter)
    return (below / name).as_posix()


def _persons(file: _File) -> dict[str, list[ImportedPerson]]:
    """The persons of each image by its id as text."""
    found: dict[str, list[ImportedPerson]] = {}
    rows = [row for row in file.content.annotations if isinstance(row, dict)]
    file.notes.count("annotations that are no entries left out",
                     len(file.content.annotations) - len(rows))
    tables = [_table(row.get("keypoints"), file.notes) for row in rows]
    lengths: dict[str, Counter[int]] = defaultdict(Counter)     # of each category
    for row, table in zip(rows, tables, strict=True):
        if table is not None:
            lengths[str(row.get("category_id")) if file.kinds else ""][len(table)] += 1
    usual = {key: found.most_common(1)[0][0] for key, found in lengths.items()}
    for row, table in zip(rows, tables, strict=True):
        key = str(row.get("category_id"))
        count = usual.get(key if file.kinds else "", 0)
        kind = str(file.kinds[key].get("name")) if key in file.kinds else ""
        people = found.setdefault(str(row.get("image_id")), [])
        if file.kinds and key not in file.kinds:
            file.notes.count("annotations of other categories left out (--class)", 1)
        elif file.hands:
            people += _hands(row, file)
        elif table is not None and len(table) != count:
            file.notes.count(f"annotations with {len(table)} joints in the place of {count} left "
                             f"out", 1)
        elif file.notes.takes(kind, key):
            people.append(_person(row, table, count, key, file))
    return found


def _person(row: dict, table: np.ndarray | None, count: int, key: str, file: _File,
            ) -> ImportedPerson:
    whole = [np.zeros((count, 3)) if table is None else table]
    for name, joint_names in file.parts.items():
        part = _table(row.get(name), file.notes)
        fits = part is not None and len(part) == len(joint_names)
        whole.append(part if part is not None and fits else np.zeros((len(joint_names), 3)))
    joints, found = empty_joints(file.skeleton), np.concatenate(whole)
    if len(found):
        places = _places(file, key, count)
        joints[places >= 0] = found[places[places >= 0]]
    stated = row.get("num_keypoints")
    file.notes.count("num_keypoints that were not the number of labelled joints made anew",
                     table is not None and stated != int((table[:, 2] > 0).sum()))
    crowd = row.get("iscrowd") in (1, "1")
    area = _positive(row.get("area"))
    file.notes.count("areas made from the boxes", area is None)
    return ImportedPerson(joints * (not crowd), _box(row.get("bbox")), _box(row.get("bbox_head")),
                          area, crowd)


def _places(file: _File, key: str, count: int) -> np.ndarray:
    """`joint_places` of a category with `count` joints in `keypoints`, and of the other parts."""
    if (key, count) not in file.places:
        names = file.kinds.get(key, {}).get("keypoints")
        names = [*map(str, names)] if isinstance(names, list) else []
        if file.parts:
            names = names or list(load_skeleton("coco").joint_names)
            names += [name for part in file.parts.values() for name in part]
        whole = count + sum(map(len, file.parts.values()))
        file.places[key, count] = np.array(joint_places(names, whole, file.skeleton,
                                                        file.content.name, file.notes))
    return file.places[key, count]


def _hands(row: dict, file: _File) -> Iterator[ImportedPerson]:
    """The hands of COCO-WholeBody that are labelled, each with its own box."""
    for hand in HANDS:
        joints = _table(row.get(f"{hand}_kpts"), file.notes)
        if joints is not None and len(joints) == file.skeleton.num_joints and joints[:, 2].any() \
                and row.get(f"{hand}_valid", True) and (
                    file.notes.wanted not in HANDS or file.notes.wanted == hand):
            file.notes.classes[hand] += 1
            yield ImportedPerson(joints, _box(row.get(f"{hand}_box")))


def _positive(value: Any) -> float | None:
    """A size or an area, None for what is none."""
    return float(value) if type(value) in (int, float) and 0 < value < LARGEST else None


def _box(value: Any) -> list[float] | None:
    """xywh, None for what is no box with a size."""
    try:
        box = np.array(value, np.float64).reshape(4)
    except (TypeError, ValueError, OverflowError):
        return None
    return box.tolist() if np.isfinite(box).all() and min(box[2:]) > 0 else None


def _table(value: Any, notes: Notes) -> np.ndarray | None:
    """Joints (n, 3) of a list, or of a list of lists with or without v; None for none."""
    if value is None or value == []:
        return None
    try:
        table = np.array(value, np.float64)
        if table.ndim == 2 and table.shape[0] in (2, 3) and table.shape[1] > 3:
            table = table.T
            notes.count("persons whose joints are lists of all x, all y and all v", 1)
        if table.ndim > 1 and table.shape[0] > 1 and table.shape[-1] not in (2, 3):
            raise ValueError
        if table.ndim > 1 and table.shape[-1] == 2:
            table = table.reshape(-1, 2)
            table = np.column_stack([table, VISIBLE * table.any(axis=1)])
            notes.count("persons whose joints have no v: 0 0 is not labelled", 1)
        table = table.reshape(-1, 3)
    except (TypeError, ValueError, OverflowError):
        notes.count("keypoints that are no numbers, or not three for each joint, left out", 1)
        return None
    v = np.where(np.nan_to_num(table[:, 2]) > 0, table[:, 2], NOT_LABELLED)
    odd, lost = v > VISIBLE, (v > 0) & ~np.isfinite(table[:, :2]).all(axis=1)
    odd |= v % 1 > 0
    notes.count("joints whose v is none of 0, 1 and 2 taken as visible", int(odd.sum()))
    notes.count("joints without a place left out", int(lost.sum()))
    v = np.where(lost, NOT_LABELLED, np.where(odd, VISIBLE, v))
    return np.column_stack([np.where(v[:, None] > 0, table[:, :2], 0), v])
