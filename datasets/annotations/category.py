"""Category: which annotations of a COCO file are the persons, or the animals, hands or tools."""
from collections import Counter
from collections.abc import Iterator
from typing import Any

from datasets.annotations.joint_names import misplaced, same_joints
from datasets.annotations.part_fields import IN_PARTS, names_in_parts
from datasets.annotations.skeleton import Skeleton
from utils.errors import UserError
from utils.shown import shortened, shown

ALL = "all"
PERSON = 1              # category id in COCO


def category_ids(categories: list, wanted: str | int = "", where: str = "the file",
                 ) -> tuple[int, ...]:
    """The category ids of the one that is looked for; results are written with the first.

    wanted (data.category): a name, an id, "all" for every category that has keypoints (or every
    one if none says so), taken as one; "" is person, else the only one with keypoints, else the
    only one. Raises UserError that lists what the file has.
    """
    rows = [row for row in categories if isinstance(row, dict)
            and isinstance(row.get("id"), int | float | str)]
    posed = [row for row in rows if row.get("keypoints")]
    if wanted == ALL and rows:
        return tuple(row["id"] for row in posed or rows)
    if wanted != "":
        found = [row for row in rows if wanted in (row.get("name"), row["id"])]
        if not found:
            raise UserError(f"{where} has no category {shown(wanted)}: set data.category to one of "
                             f"{_listed(rows)}")
        return (found[0]["id"],)
    persons = [row for row in rows if row.get("name") == "person"]
    for choice in (persons, posed, rows):
        if len(choice) == 1 or choice is persons and choice:
            return (choice[0]["id"],)
    raise UserError(f"{where} has no category named person: set data.category to one of "
                     f"{_listed(rows)}, or to all")


def other_joints(categories: list, ids: tuple[Any, ...], skeleton: Skeleton) -> bool:
    """Whether a file names joints that are not those of `skeleton`, in whatever spelling, each in
    its place; a file that names none is taken at its word."""
    ours = skeleton.joint_names
    return any(same_joints(theirs, ours) != [*range(len(ours))]
               for theirs in _joint_names(categories, ids, ours))


def result_category(rows: list, category: str | int, name: str) -> tuple[Any, ...]:
    """The category id that counts in results, which have no names of categories: data.category,
    PERSON, or the only one."""
    found = Counter(row.get("category_id") for row in rows if isinstance(row, dict)
                    and isinstance(row.get("category_id"), int))
    if isinstance(category, int):
        return (category,)
    if PERSON in found or not found:
        return (PERSON,)
    if len(found) == 1:
        return tuple(found)
    raise UserError(f"{name} has the categories {shown(sorted(found))} and not {PERSON}, which is "
                    f"person: set data.category to the number of those who are meant")


def _joint_names(categories: list, ids: tuple[Any, ...], ours: tuple[str, ...],
                 ) -> Iterator[list[str]]:
    """What those of the categories call their joints that call them anything, and with them those
    that stand in other fields (datasets/annotations/part_fields.py)."""
    for row in categories:
        names = row.get("keypoints") if isinstance(row, dict) and row.get("id") in ids else None
        if isinstance(names, list) and names:
            theirs = list(map(str, names))
            yield theirs + names_in_parts() * (len(ours) - len(theirs) == IN_PARTS)


def _listed(rows: list[dict[str, Any]]) -> str:
    names = [f"{shortened(str(row.get('name')))} ({shown(row['id'])})" for row in rows]
    more = f" and {len(names) - 20} more" if len(names) > 20 else ""
    return ", ".join(names[:20]) + more if names else "those it will list, which are none yet"


def ensure_joint_order(categories: list, ids: tuple[int, ...], skeleton: Skeleton,
                       where: str) -> None:
    """Raise UserError for a file that names the joints of `skeleton`, in whatever spelling, but in
    another order."""
    ours = skeleton.joint_names
    for theirs in _joint_names(categories, ids, ours):
        if (first := misplaced(theirs, ours)) >= 0:
            raise UserError(f"{where} has the joints of {skeleton.name} (data.skeleton) in "
                             f"another order, first {shortened(theirs[first])} in the place of "
                             f"{ours[first]}: give a skeleton with the file's order")
