"""Pickle checks: a look at the program in a weights file before torch's reader runs it.

A pickle is a program for a small stack machine. torch's reader calls nothing that is not on its
list, but it hashes the keys of dicts, and hashing a tuple that is nested a million deep ends the
process. Here the program is only walked through; nothing is built.
"""
import pickletools
from typing import Any, BinaryIO

from utils.errors import UserError

DEEPEST = 50                # tuples within tuples; real checkpoints have under five
MOST_STEPS = 2_000_000      # ten times those of the largest network here with its optimizer
_MARK = pickletools.markobject


def ensure_readable(pickle: bytes | BinaryIO) -> None:
    """Raise UserError, without the file's name, for a pickle that torch's reader does not know or
    should not see, and ValueError for what is no pickle. A file is read to the pickle's end."""
    depths: list[int | object] = []     # of the tuples on the machine's stack, 0 for all else
    memo: dict[Any, int | object] = {}
    value: Any      # what it is depends on the opcode
    for step, (opcode, value, _) in enumerate(pickletools.genops(pickle)):
        name = opcode.name
        if step > MOST_STEPS:
            raise UserError(f"its pickle has more than {MOST_STEPS} steps, as no network has; "
                            f"take another file")
        if name == "PROTO" and value > 3:
            raise UserError(f"it was written with pickle_protocol={value}, and torch reads "
                            f"weights of torch.save's own protocol only; load it where it was "
                            f"made and save it by torch.save(state, path)")
        if name.endswith("PUT") or name == "MEMOIZE":
            memo[len(memo) if name == "MEMOIZE" else value] = depths[-1]
        elif name.endswith("GET"):
            depths.append(memo[value])
        else:
            taken = _take(depths, opcode.stack_before)
            if name.startswith("TUPLE"):
                depth = 1 + max((item for item in taken if isinstance(item, int)), default=0)
                if depth > DEEPEST:
                    raise UserError(f"its tuples are nested more than {DEEPEST} deep, as in no "
                                    f"weights; take another file")
                depths.append(depth)
            else:
                depths += [_MARK if item is _MARK else 0 for item in opcode.stack_after]


def _take(depths: list[int | object], before: list) -> list[int | object]:
    """Take off the stack what an opcode takes: so many, or all down to the mark and so many."""
    count = len(before)
    if _MARK in before:
        place = len(depths) - 1
        while depths[place] is not _MARK:
            place -= 1
            if place < 0:
                raise ValueError("a mark is missing")
        count = len(depths) - place + before.index(_MARK)
    if count > len(depths):
        raise ValueError("the stack is empty")
    first = len(depths) - count
    taken = depths[first:]
    del depths[first:]
    return taken
