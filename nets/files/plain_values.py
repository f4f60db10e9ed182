"""Plain values: what may survive the reading of a weights file, tensors and simple data."""
from typing import Any

import torch

from utils.errors import UserError

SCALARS = (str, int, float, bool, type(None))
DEEPEST = 50    # containers within containers; real checkpoints have under ten


class Unread:
    """Stands where a file wants a numpy object; nothing of the file gets into it.

    numpy trusts the state that a pickle gives it: an array with a tampered dtype reads memory
    that is not its own. Training code stores such numbers beside the weights, where nobody needs
    them, so none is ever built.
    """

    def __new__(cls, *_: Any) -> "Unread":
        return super().__new__(cls)

    def __setstate__(self, state: Any) -> None:
        pass


def plain_values(value: Any) -> Any:
    """`value` with nothing but tensors, scalars, lists, tuples and dicts in it.

    Exact types count, a subclass may behave in any way; what is none of these becomes None, and
    a dict loses entries with other keys than scalars. Raises ValueError for containers that
    contain themselves or are nested too deep.
    """
    done: dict[int, Any] = {}       # by id: a file may name one container a million times

    def plain(value: Any, depth: int) -> Any:
        kind = type(value)
        if kind in SCALARS:
            return value
        if kind in (torch.Tensor, torch.nn.Parameter):
            return torch.Tensor.detach(value)   # without attributes, which could hide its methods
        if depth > DEEPEST:
            raise UserError("its containers contain themselves or are nested too deep")
        if id(value) not in done:
            done[id(value)] = contents(value, depth + 1)
        return done[id(value)]

    def contents(value: Any, depth: int) -> Any:
        if isinstance(value, dict):     # OrderedDict and the like: their items alone
            return {key: plain(item, depth) for key, item in dict.items(value)
                    if type(key) in SCALARS}
        if type(value) in (list, tuple):
            return type(value)(plain(item, depth) for item in value)
        return None

    return plain(value, 0)
