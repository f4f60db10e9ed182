"""Which classes of a detector are those that are looked for, people or others."""
from collections.abc import Sequence

from configs.convert import near
from utils.errors import UserError
from utils.log import log
from utils.shown import shortened, shown

PERSON = "person"


def class_numbers(wanted: Sequence[str | int], names: Sequence[str], count: int,
                  where: str) -> tuple[int, ...]:
    """The numbers of the classes `wanted` (detector.classes), of person if it is empty.

    names: of all classes, empty where the file `where` does not tell them; then the first one
    counts, and it is said. count: of classes. Raises UserError for a class that is not there.
    """
    if not wanted and not names:
        log.info("%s does not name its %d classes; the first one is taken: detector.classes=N "
                 "takes another", where, count)
        return (0,)
    numbers = []
    for one in wanted or (PERSON,):
        if isinstance(one, int) and 0 <= one < count:
            numbers.append(one)
        elif one in names:
            numbers.append(names.index(one))
        else:
            raise UserError(_unknown(one, bool(wanted), names, count, where))
    return tuple(numbers)


def _unknown(one: str | int, asked: bool, names: Sequence[str], count: int, where: str) -> str:
    if not names:
        return (f"detector.classes has {shown(one)}, but {where} names no classes: write numbers "
                f"from 0 to {count - 1}")
    listed = ", ".join(shortened(name) for name in names[:10]) + ", ..." * (len(names) > 10)
    if not asked:
        return (f"detector.weights {where} knows no class person, only {listed}: set "
                f"detector.classes, or give a file that does")
    alike = near(one, names)
    return (f"detector.classes has {shown(one)}, which {where} does not know"
            + f" (did you mean {shortened(alike)}?)" * bool(alike)
            + f": write names such as {listed}, or numbers from 0 to {count - 1}")
