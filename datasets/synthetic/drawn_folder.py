"""Drawn folder: where the sets of `data.synthetic_*` may be drawn, and what marks them as drawn.

Nothing is drawn into a folder that holds anybody else's files: a mistyped annotation path must not
cost the images beside it. The first file of a folder of images is a mark that says for which
annotation file they are, so that the next start can finish what was killed.
"""
import json
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from operator import methodcaller
from pathlib import Path

from configs.schema import DataConfig
from utils.errors import UserError
from utils.files import write_atomically
from utils.json_file import parse_json
from utils.outputs import cannot_write

STREAMS = {"train": 0, "val": 1}    # so that the two sets of a seed differ
MARK = "drawn_set.json"
ANNOTATIONS_BEGIN = '{"info":{"description":"drawn people, seed '
TEMPORARY = re.compile(r"\.\d+\.simplepose\.tmp$")  # of write_atomically, in a process that died
IMAGE = re.compile(r"(\d{12})\.jpg")
CACHE = re.compile(r"(.+)\.\d+-\w+\.cache\.npz")    # see annotation_cache.py


@dataclass(frozen=True)
class DrawnSet:
    """A set that is to be drawn."""
    name: str                  # of STREAMS
    ann_path: Path
    image_root: Path
    count: int                 # images
    seed: int                  # of its images, another one than that of the run

    @property
    def mark(self) -> dict:
        """What the mark in `image_root` says; the path is relative, for folders that move."""
        beside = os.path.relpath(self.ann_path.resolve(), self.image_root.resolve())
        return {"what": "images drawn by SimplePose", "annotations": Path(beside).as_posix(),
                "images": self.count, "seed": self.seed}

    @contextmanager
    def named(self) -> Iterator[None]:
        """Say in an OSError of writing the set which settings say where."""
        try:
            yield
        except OSError as error:
            keys = f"data.{self.name}_ann_path, data.{self.name}_img_root"
            raise cannot_write(Path(error.filename or self.image_root), keys, error) from error


def sets_to_draw(data: DataConfig, seed: int) -> list[DrawnSet]:
    """The sets that `data.synthetic_*` asks for and whose annotation file does not exist yet.

    Writes nothing. Raises UserError for a missing path, where both sets would write the same
    files, and where a folder holds anything that was not drawn for the set.
    """
    sets = [DrawnSet(name, Path(getattr(data, f"{name}_ann_path")),
                     Path(getattr(data, f"{name}_img_root")), count, 2 * seed + STREAMS[name])
            for name in STREAMS if (count := getattr(data, f"synthetic_{name}"))]
    for one in sets:
        if not (getattr(data, f"{one.name}_ann_path") and getattr(data, f"{one.name}_img_root")):
            raise UserError(
                f"data.synthetic_{one.name} is {one.count} but data.{one.name}_ann_path or "
                f"data.{one.name}_img_root is empty: say where to write the set")
    sets = [one for one in sets if not one.ann_path.exists()]
    for key, what in (("img_root", "folder"), ("ann_path", "file")):
        if len({Path(getattr(data, f"{one.name}_{key}")).resolve() for one in sets}) < len(sets):
            raise UserError(f"data.train_{key} and data.val_{key} are both "
                             f"{getattr(data, f'train_{key}')!r}: give the two synthetic sets a "
                             f"{what} each")
    for one in sets:
        reason = _why_not(one, sets)
        if reason:
            raise UserError(
                f"data.{one.name}_ann_path: {one.ann_path} does not exist, and no set is drawn in "
                f"its place, since {reason}; correct the path, or give data.{one.name}_ann_path "
                f"and data.{one.name}_img_root new or empty folders")
    return sets


def mark_sets(sets: Iterable[DrawnSet]) -> None:
    """Make the folders of the images and say in each what it is for."""
    for one in sets:
        with one.named():
            one.image_root.mkdir(parents=True, exist_ok=True)
            begun = _read_mark(one.image_root) or one.mark
            mark = json.dumps(one.mark | {"images": max(one.count, begun["images"])}).encode()
            write_atomically(one.image_root / MARK, methodcaller("write", mark))


def _why_not(one: DrawnSet, sets: Iterable[DrawnSet]) -> str:
    """Why a set must not be drawn, or nothing."""
    if one.ann_path.is_symlink():
        return f"{one.ann_path} is a link that leads nowhere"
    for folder in (one.image_root, one.ann_path.parent):
        there = next(place for place in (folder, *folder.absolute().parents)
                     if place.exists() or place.is_symlink())
        if not there.is_dir():
            return f"{there} is not a folder"
    mark = _read_mark(one.image_root)
    if mark and mark["annotations"] != one.mark["annotations"]:
        owner = os.path.normpath(one.image_root / mark["annotations"])
        return f"the folder {one.image_root} holds the set of another annotation file, {owner}"
    if mark and mark["seed"] != one.seed:
        return f"the folder {one.image_root} holds a set that was drawn with another seed"
    # of a set that was begun the annotations' folder was looked at before anything was put there
    for folder in (one.image_root,) if mark else (one.image_root, one.ann_path.parent):
        strange = _stranger(folder, sets)
        if strange:
            return f"the folder {folder} holds what was not drawn there, such as {strange}"
    return ""


def _stranger(folder: Path, sets: Iterable[DrawnSet]) -> str:
    """Name of the first entry of a folder that no drawing has put there, or nothing."""
    if not folder.exists():
        return ""
    folder = folder.resolve()
    return next((entry.name for entry in sorted(folder.iterdir())
                 if not _is_drawn(entry, folder, sets)), "")


def _is_drawn(entry: Path, folder: Path, sets: Iterable[DrawnSet]) -> bool:
    if entry.is_dir():
        return bool(_read_mark(entry)) or entry.resolve() in {one.image_root.resolve()
                                                              for one in sets}
    if not entry.is_file() or entry.is_symlink():
        return False
    mark, name = _read_mark(folder), TEMPORARY.sub("", entry.name)
    if name == MARK:
        return bool(mark) or name != entry.name
    if image := IMAGE.fullmatch(name):
        return bool(mark) and 1 <= int(image[1]) <= mark["images"]
    if cache := CACHE.fullmatch(name):
        name = cache[1]
    if name != entry.name and folder / name in {one.ann_path.resolve() for one in sets}:
        return True
    return _is_annotations(folder / name)


def _is_annotations(path: Path) -> bool:
    """Whether a file begins as those of write_synthetic."""
    if not path.is_file() or path.is_symlink():
        return False
    with open(path, "rb") as file:
        return file.read(len(ANNOTATIONS_BEGIN)) == ANNOTATIONS_BEGIN.encode()


def _read_mark(folder: Path) -> dict:
    """The mark in a folder; empty for one that is not there or not ours."""
    path = folder / MARK
    if not path.is_file() or path.is_symlink():
        return {}
    try:
        mark = parse_json(path.read_bytes())
    except ValueError:
        return {}
    kinds = {"what": str, "annotations": str, "images": int, "seed": int}
    ours = isinstance(mark, dict) and all(isinstance(mark.get(key), kind)
                                          for key, kind in kinds.items())
    return mark if ours else {}
