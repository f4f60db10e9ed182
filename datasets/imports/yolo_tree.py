"""YOLO trees: where the label files and pictures of Ultralytics and Roboflow lie, and data.yaml.

The folder of a picture is that of its label file with "images" for the last "labels" in the path,
in capitals or not; where there is none, pictures lie beside their labels.
"""
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from configs.strict_yaml import read_yaml
from datasets.crops.image_files import HEIF, SUFFIXES
from datasets.imports.write_coco import Notes
from utils.errors import UserError
from utils.files import files_below, read_file
from utils.shown import shown

YAMLS = ("data.yaml", "data.yml", "dataset.yaml")
SPLITS = {"train": "train", "training": "train", "val": "val", "valid": "val",
          "validation": "val", "test": "test", "testing": "test"}
NO_LABELS = "classes.txt"       # beside them; other texts lie above the folders of labels


@dataclass(frozen=True)
class LabelFile:
    path: Path
    labels: Path        # the folder that names start from
    split: str          # train, val or test, "" if nothing says it
    listed: bool = False    # in a list of pictures, which says what belongs to the split

    @property
    def name(self) -> Path:
        """Of the picture, with whatever ending."""
        return self.path.relative_to(self.labels)

    @cached_property
    def images(self) -> Path:
        """The folder that belongs to `labels`."""
        found = _swapped(self.labels, "labels", "images")
        return found if found.is_dir() else self.labels


@dataclass(frozen=True)
class DataYaml:
    """What data.yaml says of the labels."""
    names: dict[int, str] = field(default_factory=dict)     # of the classes
    shape: tuple[int, int] | None = None                    # joints, and numbers for each
    flip: tuple[int, ...] = ()                              # flip_idx
    joint_names: dict[int, tuple[str, ...]] = field(default_factory=dict)   # of each class
    path: Path | None = None


def split_of(name: str) -> str:
    """Training set, validation set and test set by one name each, others by their own."""
    return SPLITS.get(name.casefold(), name)


def label_files(source: Path, notes: Notes) -> list[LabelFile]:
    """Those of a folder, or of the splits of a data.yaml. Raises UserError if there are none."""
    if source.is_file():
        found = list(_of_yaml(source, notes))
    else:
        below = source.absolute()
        paths = [path for path in sorted(files_below(below, "*.txt")) if path.name != NO_LABELS]
        tops = [next((top for top in path.parents if top.name.casefold() == "labels"
                      and below in top.parents), below) for path in paths]
        in_labels = any(top != below for top in tops)
        found = [LabelFile(path, top, split_in(path.relative_to(below)))
                 for path, top in zip(paths, tops, strict=True)
                 if top != below or not in_labels]
    if not found:
        raise UserError(f"{source} holds no label files (*.txt): give the folder of labels, the "
                        f"one above train and valid, or data.yaml")
    return found


def unlabelled(files: list[LabelFile], root: Path | None) -> Iterator[LabelFile]:
    """The label files that pictures beside the labelled ones lack. root: of the images."""
    known = {file.path.stem for file in files}
    for folder, file in {file.path.parent: file for file in files if not file.listed}.items():
        below = folder.relative_to(file.labels)
        places = [file.images / below] if root is None else [
            root / below, root / file.split / below, root / file.split / "images" / below]
        place = next((place for place in places if place.is_dir()), folder)
        for picture in sorted(place.iterdir()):
            if picture.suffix.lower() in (*SUFFIXES, *HEIF) and picture.stem not in known:
                known.add(picture.stem)
                yield LabelFile(folder / f"{picture.stem}.txt", file.labels, file.split)


def data_yaml(source: Path) -> DataYaml:
    """The data.yaml of a folder of labels, or their classes.txt; empty if there is none. Raises
    UserError."""
    folder = source.absolute()
    folders = [folder]
    while not source.is_file() and folders[-1].name.casefold() in ("labels", "images", *SPLITS):
        folders.append(folders[-1].parent)
    places = [source] if source.is_file() else [
        place / name for place in folders for name in YAMLS]
    path = next((place for place in places if place.is_file()), None) or next(
        filter(None, map(_only_yaml, folders)), None)
    if path is None:
        lines = next((place.read_text(encoding="utf-8-sig", errors="replace").splitlines()
                      for place in (folder / "classes.txt", folder / "labels" / "classes.txt")
                      if place.is_file()), [])
        return DataYaml({number: name.strip() for number, name in enumerate(lines)})
    raw = read_yaml(path)
    if not isinstance(raw, dict):
        raise UserError(f"{path} is no data.yaml of Ultralytics or Roboflow: it needs names and "
                        f"the paths of train and val")
    shape, flip = raw.get("kpt_shape"), raw.get("flip_idx")
    if shape is not None and not (_whole_numbers(shape) and len(shape) == 2 and shape[0] > 0
                                  and shape[1] in (2, 3)):
        raise UserError(f"{path}: kpt_shape is {shown(shape)}; write [joints, 2 or 3]")
    if flip is not None and not (_whole_numbers(flip) and (not shape or len(flip) == shape[0])
                                 and sorted(flip) == list(range(len(flip)))):
        raise UserError(f"{path}: flip_idx is {shown(flip)}; write each joint's number once")
    names = {number: str(name) for number, name in _numbered(raw.get("names"))}
    joints = raw.get("kpt_names") or raw.get("keypoint_names")
    if isinstance(joints, list) and all(isinstance(name, str | int) for name in joints):
        joints = [joints] * max(len(names), 1)      # one list for all classes
    return DataYaml(names, (shape[0], shape[1]) if shape else None, tuple(flip or ()), {
        number: tuple(map(str, found)) for number, found in _numbered(joints)
        if isinstance(found, list)}, path)


def _only_yaml(folder: Path) -> Path | None:
    """The file of a folder that describes labels under another name; UserError for several."""
    found = []
    for path in sorted(folder.glob("*.y*ml")):
        with suppress(UserError):       # others may be of any kind
            raw = read_yaml(path)
            if isinstance(raw, dict) and raw.keys() & {"train", "val"} and (
                    raw.keys() & {"names", "kpt_shape"}):
                found.append(path)
    if len(found) > 1:
        raise UserError(f"{folder} has several descriptions of labels, "
                        f"{', '.join(path.name for path in found)}: give one of them as the source")
    return found[0] if found else None


def _whole_numbers(values: Any) -> bool:
    return isinstance(values, list) and all(type(value) is int for value in values)


def _numbered(values: Any) -> list[tuple[int, Any]]:
    """The items of a list, or of a mapping from numbers."""
    if isinstance(values, list):
        return list(enumerate(values))
    return [(int(key), value) for key, value in values.items() if str(key).isdecimal()] if (
        isinstance(values, dict)) else []


def _of_yaml(source: Path, notes: Notes) -> Iterator[LabelFile]:
    """The label files of the pictures that train, val and test name; each only once."""
    raw = read_yaml(source)
    raw = raw if isinstance(raw, dict) else {}
    seen: set[Path] = set()
    named = [(key, str(entry)) for key in SPLITS for value in [raw.get(key)]
             for entry in (value if isinstance(value, list) else [value] if value else [])]
    places = [(key, entry, _place(source, str(raw.get("path") or ""), entry))
              for key, entry in named]
    for key, entry, place in places:
        if not place.exists():
            sentence = (f"{source}: {key} is {entry}, and {place} does not exist: correct path, "
                        f"train, val and test, or give the folder above the labels")
            if not any(other.exists() for _, _, other in places):
                raise FileNotFoundError(sentence)
            notes.remark(sentence)
            continue
        listed = place.suffix == ".txt"
        if listed:
            lines = read_file(place).decode("utf-8-sig", "replace").split("\n")
            labels = [_swapped(_beside(place.parent, line.strip()), "images", "labels")
                      for line in lines if line.strip()]
            found = [(path.with_suffix(".txt"), path.parent) for path in labels]
        else:
            top = _swapped(place, "images", "labels")
            found = [(path, top) for path in sorted(files_below(top, "*.txt"))
                     if path.name != NO_LABELS]
        for path, top in found:
            if path not in seen:
                seen.add(path)
                yield LabelFile(path, top, split_of(key), listed)


def _place(source: Path, base: str, entry: str) -> Path:
    """The folder or list that an entry names. Roboflow's "../train/images" starts one too high,
    and Ultralytics' path in a folder of its own."""
    here = source.absolute().parent
    entry, base = entry.replace("\\", "/"), base.replace("\\", "/")
    tries = [here / base / entry, here / entry.removeprefix("../")]
    return Path(os.path.normpath(next((place for place in tries if place.exists()), tries[0])))


def _beside(folder: Path, line: str) -> Path:
    return Path(os.path.normpath(folder / line.replace("\\", "/")))


def _swapped(path: Path, old: str, new: str) -> Path:
    """The path with `new`, as it is spelled there, in the place of the last folder `old`."""
    parts = list(path.parts)
    for number in reversed(range(len(parts))):
        if parts[number].casefold() == old:
            above = Path(*parts[:number])
            there = [entry.name for entry in above.iterdir()] if above.is_dir() else []
            spelled = next((name for name in there if name.casefold() == new), new)
            return above.joinpath(spelled, *parts[number + 1:])
    return path


def split_in(path: Path) -> str:
    """The split that a folder of a path is named after, "" if none is."""
    return next((SPLITS[part.casefold()] for part in path.parts[:-1] if part.casefold() in SPLITS),
                "")
