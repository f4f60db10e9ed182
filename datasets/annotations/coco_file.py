"""COCO annotation files: the one reader of them, which judges nothing.

What a file holds is looked at as columns (datasets/annotations/columns.py). Training and judging
stop at the first thing that is wrong in them; the doctor goes on and counts.
"""
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn
from weakref import WeakValueDictionary

from datasets.annotations.other_tools import hint_at, hint_of
from utils.errors import UserError
from utils.json_file import gc_paused, read_json
from utils.shown import shown

LISTS = ("images", "annotations", "categories")


@dataclass(frozen=True, eq=False)
class CocoFile:
    """The lists of a COCO annotation file as they are; a list that it has not is empty here."""
    name: str       # path and setting, for messages
    images: list
    annotations: list
    categories: list
    lacking: tuple[str, ...] = ()       # names of LISTS that it has not
    hint: str = ""      # of which tool it looks like, if it lacks some

    def need(self, *lists: str) -> None:
        """Raise UserError for lists that must be there and are not."""
        lacking = [name for name in lists if name in self.lacking]
        if lacking:
            raise UserError(f"{self.name} is not a COCO annotation file: it has no list of "
                            f"{' and none of '.join(lacking)}{self.hint}")


# Files that somebody holds on to: the validation set is read once for its persons and for judging.
_held: WeakValueDictionary[tuple, CocoFile] = WeakValueDictionary()


def read_coco(path: str | Path, key: str = "") -> CocoFile:
    """The lists of a file; the same object again as long as somebody holds it and the file stays.

    key: the setting that names the file. Raises FileNotFoundError or UserError for what is no
    JSON, or no JSON object.
    """
    path, name = Path(path), f"{path} ({key})" if key else str(path)
    state = path.stat() if path.is_file() else None
    known = (name, path.resolve(), state and (state.st_mtime_ns, state.st_size))
    file = _held.get(known)
    if file is None:
        with gc_paused():
            try:
                content = read_json(path, name)
            except UserError as error:
                if hint := hint_at(path, "COCO"):
                    raise UserError(f"{name} is not a COCO annotation file{hint}") from error
                raise
            file = _held[known] = coco_content(content, name)
    return file


def coco_content(content: Any, name: str) -> CocoFile:
    """The lists of what was read already. Raises UserError."""
    if not isinstance(content, dict):
        raise UserError(f"{name} is not a COCO annotation file: it holds no images, annotations "
                        f"and categories{hint_of(content, 'COCO')}")
    lists = {key: content[key] for key in LISTS if isinstance(content.get(key), list)}
    images, annotations, categories = (lists.get(key, []) for key in LISTS)
    lacking = tuple(key for key in LISTS if key not in lists)
    return CocoFile(name, images, annotations, categories, lacking,
                    hint_of(content, "COCO") if lacking else "")


def refuse_row(where: str, row: Any, number: int, what: str) -> NoReturn:
    """Raise UserError for a row, which its id or its number tells. where: file, kind of row."""
    known = isinstance(row, dict) and row.get("id") is not None
    name = shown(row["id"]) if known else f"in row {number}"
    raise UserError(f"{where} {name} {what}; correct or remove it")
