"""DeepLabCut: a project, or a table CollectedData_*.csv, which lies with the frames that it labels.

A table has a column for x and one for y of each joint, under its scorer and, with several animals,
the individual; a row is a frame, named by one column or, since version 2.2, by three. A joint
without a place is not labelled; nothing tells of hidden ones.
"""
import csv
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from configs.strict_yaml import read_yaml
from datasets.annotations.joint_names import own_name
from datasets.annotations.other_tools import hint_at
from datasets.annotations.skeleton import Skeleton
from datasets.imports.write_coco import (
    VISIBLE,
    BadFile,
    ImportedImage,
    ImportedPerson,
    Notes,
    empty_joints,
    ends_of,
    place_joint,
)
from utils.errors import UserError
from utils.files import files_below, read_file

TABLES, CONFIG, LABELLED = "CollectedData_*.csv", "config.yaml", "labeled-data"
HEADS = ("scorer", "individuals", "bodyparts", "coords")    # begin the first lines


@dataclass(frozen=True)
class Table:
    path: Path
    columns: list[tuple[str, str, str]]     # of each number: individual, joint, and x or y
    rows: list[tuple[str, list[float]]]     # name of the picture, and the numbers; NaN: none

    @property
    def joint_names(self) -> list[str]:
        return list(dict.fromkeys(joint for _, joint, _ in self.columns))


def read_deeplabcut(source: Path, skeleton: Skeleton, root: Path | None, notes: Notes,
                    ) -> tuple[list[ImportedImage], Path]:
    """All frames of a table, or of those of a project, and the folder that their names start from:
    `root`, or the one above the folders of frames. Raises UserError."""
    if notes.wanted:
        raise UserError("DeepLabCut's tables have no classes: leave --class out")
    base = root or (source.parent if is_table(source) else frames_folder(source))
    images = [image for table in read_tables(source) for image in notes.usable(
        table.rows, partial(_image, table, skeleton, base, notes)) if image]
    notes.leave_out_strangers(skeleton)
    return images, base


def is_table(source: Path) -> bool:
    """Whether a source is one table, and no project or its config.yaml."""
    return source.is_file() and source.suffix.lower() not in (".yaml", ".yml")


def frames_folder(source: Path) -> Path:
    """The folder above those of the frames, of a project or its config.yaml."""
    folder = source if source.is_dir() else source.parent
    return folder / LABELLED if (folder / LABELLED).is_dir() else folder


def read_tables(source: Path) -> list[Table]:
    """A table, or those of a project. Raises UserError if there is none, or one is of something
    else."""
    paths = [source] if is_table(source) else sorted(files_below(frames_folder(source), TABLES))
    if not paths:
        raise UserError(f"{source} holds no {TABLES} of DeepLabCut: give the folder of a project "
                        f"in which frames are labelled, or such a file")
    return [_table(path) for path in paths]


def drawn_limbs(source: Path) -> list[tuple[str, str]]:
    """The lines between joints that a project's config.yaml has, by their names."""
    folder = source if source.is_dir() else source.parent
    path = next((place / CONFIG for place in (folder, *folder.absolute().parents[:2])
                 if (place / CONFIG).is_file()), None)
    with suppress(UserError, OSError):
        raw = read_yaml(path) if path else {}
        listed = raw.get("skeleton") if isinstance(raw, dict) else None
        return [(str(limb[0]), str(limb[1])) for limb in listed or ()
                if isinstance(limb, list) and len(limb) == 2]
    return []


def _table(path: Path) -> Table:
    try:
        lines = [*csv.reader(read_file(path).decode("utf-8-sig").splitlines())]
    except (OSError, ValueError, csv.Error) as error:
        hint = hint_at(path, "DeepLabCut (CSV)") or f": give a {TABLES}"
        raise UserError(f"{path} is no table of DeepLabCut{hint}") from error
    heads = {line[0]: line for line in lines[:len(HEADS)] if line and line[0] in HEADS}
    if not {"scorer", "bodyparts", "coords"} <= heads.keys():
        hint = hint_at(path, "DeepLabCut (CSV)") or (
            ": its first lines are to begin with scorer, bodyparts and coords")
        raise UserError(f"{path} is no table of DeepLabCut{hint}")
    names = 1 + next((place for place, cell in enumerate(heads["scorer"][1:]) if cell), 0)
    nobody = [""] * len(heads["coords"])
    columns = [*zip(*(heads.get(head, nobody)[names:] for head in HEADS[1:]), strict=False)]
    if any(part == "likelihood" for *_, part in columns):
        raise UserError(f"{path} holds guesses of a network with their likelihood, no labels: give "
                        f"a {TABLES}")
    return Table(path, columns, [*_rows(path, lines[len(heads):], names, len(columns))])


def _rows(path: Path, lines: list[list[str]], names: int, count: int,
          ) -> Iterator[tuple[str, list[float]]]:
    """names: how many columns name the picture; count: how many numbers are to follow."""
    for cells in filter(any, lines):
        name = "/".join(cells[:names]).replace("\\", "/")
        try:
            numbers = [float(cell) if cell.strip() else np.nan for cell in cells[names:]]
        except ValueError as error:
            raise UserError(f"{path}: the row of {name} has something that is no number: correct "
                            f"it") from error
        if len(numbers) != count:
            raise UserError(f"{path}: the row of {name} has {len(numbers)} numbers in the place of "
                            f"{count}: correct it")
        yield name, numbers


def _image(table: Table, skeleton: Skeleton, base: Path, notes: Notes,
           row: tuple[str, list[float]]) -> ImportedImage | None:
    """A frame; None, with a note, for one that nobody has labelled."""
    name, numbers = row
    places: dict[tuple[str, str], dict[str, float]] = {}
    for (who, joint, part), number in zip(table.columns, numbers, strict=True):
        places.setdefault((who, joint), {})[part] = number
    notes.count("joints with one number in the place of two left out", sum(
        np.isfinite([*place.values()]).sum() == 1 for place in places.values()))
    people: dict[str, np.ndarray] = {}
    for (who, joint), place in places.items():
        point = place.get("x", np.nan), place.get("y", np.nan)
        if not np.isfinite(point).all():
            continue
        joints = people.setdefault(who, empty_joints(skeleton))
        if ours := own_name(joint, skeleton.joint_names):
            place_joint(joints, skeleton, ours, point, VISIBLE, f"{table.path}, {name}")
        else:
            notes.strangers[joint] += 1
    if not people:
        notes.count("frames without a labelled joint left out", 1)
        return None
    return ImportedImage(_place(table, name, base), None,
                         [ImportedPerson(joints, None) for joints in people.values()])


def _place(table: Table, name: str, base: Path) -> str:
    """The name of a picture in the folder `base`: of the one beside the table, or as it says."""
    parts = Path(name).parts
    if not parts:
        raise BadFile(f"{table.path} has a row that names no picture: name it, or remove the row")
    beside = table.path.parent / parts[-1]
    with suppress(ValueError):
        if beside.is_file():
            return beside.resolve().relative_to(base.resolve()).as_posix()
    found = next((end for end in ends_of(Path(name), most=3) if (base / end).is_file()), None)
    if found is None:
        raise BadFile(f"{table.path}: the picture {name} is not beside it, nor in {base}: give the "
                      f"folder of the pictures by --images")
    return found.as_posix()
