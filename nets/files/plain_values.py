"""Plain values: what may survive the reading of a weights file, tensors and simple data."""
from typing import Any

import torch

from utils.errors import UserError

SCALARS = (str, int, float, bool, type(None))
DEEPEST = 50        # containers within containers; real checkpoints have under ten, YOLOv5 twenty
MOST = 1_000_000    # values in all; a container that is named twice counts twice


class Unread:
    """Stands where a file wants a numpy object; nothing of the file gets into it.

    numpy trusts the state that a pickle gives it: an array with a tampered dtype reads memory
    that is not its own. Training code stores such numbers beside the weights, where nobody needs
    them, so none is ever built.
    """
    __slots__ = ()

    def __new__(cls, *_: Any, **__: Any) -> "Unread":
        return super().__new__(cls)

    def __setstate__(self, state: Any) -> None:
        pass


class StandIn:
    """Stands where a file wants a module of a network; it keeps the module's state, unlooked at."""
    __slots__ = ("state",)

    def __new__(cls, *_: Any, **__: Any) -> "StandIn":
        found = super().__new__(cls)
        found.state = None
        return found

    def __setstate__(self, state: Any) -> None:
        self.state = state


def plain_values(value: Any) -> Any:
    """`value` with nothing but tensors, scalars, lists, tuples and dicts in it.

    Exact types count, a subclass may behave in any way. A StandIn becomes its state; what is none
    of these becomes None, and a dict loses entries with other keys than scalars. Raises UserError,
    without the file's name, for containers that contain themselves, are nested too deep or hold
    too much.
    """
    done: dict[int, tuple[Any, int]] = {}   # by id: a file may name one container a million times

    def plain(value: Any, depth: int) -> tuple[Any, int]:
        """The plain form, and how many values are in it."""
        kind = type(value)
        if kind in SCALARS:
            return value, 1
        if kind in (torch.Tensor, torch.nn.Parameter):
            return torch.Tensor.detach(value), 1    # without attributes, which could hide methods
        if depth > DEEPEST:
            raise UserError("its containers contain themselves or are nested too deep; take "
                            "another file")
        if id(value) not in done:
            done[id(value)] = contents(value, depth + 1)
        return done[id(value)]

    def contents(value: Any, depth: int) -> tuple[Any, int]:
        found: Any = None
        count = 1
        if isinstance(value, dict):     # OrderedDict and the like: their items alone
            found = {}
            for key, item in dict.items(value):
                if type(key) in SCALARS:
                    found[key], more = plain(item, depth)
                    count += more
        elif type(value) in (list, tuple):
            parts = [plain(item, depth) for item in value]
            found, count = type(value)(part for part, _ in parts), 1 + sum(n for _, n in parts)
        elif type(value) is StandIn:
            found, count = plain(value.state, depth)
        if count > MOST:
            raise UserError(f"its containers hold more than {MOST} values, as those of no network "
                            f"do; take another file")
        return found, count

    return plain(value, 0)[0]
