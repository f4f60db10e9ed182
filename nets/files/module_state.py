"""Module state: the state_dict of a torch.nn.Module that a file holds as a whole object.

Such a file is read by `read_weights_file(path, modules)`, which leaves of each module the dict of
its attributes: `_parameters`, `_buffers`, `_modules`, and what else it had.
"""
from typing import Any

import torch

from utils.errors import UserError

LONGEST_NAME = 1000     # letters; names grow with the depth, and a file may make them of any length


def module_state(module: Any) -> dict[str, torch.Tensor]:
    """The state_dict of a module's attributes; {} if they are none. Raises UserError, without the
    file's name, for names that cannot be."""
    found: dict[str, torch.Tensor] = {}
    todo = [("", module)]
    while todo:
        prefix, module = todo.pop()
        own = _named(module, "_parameters") + _named(module, "_buffers")
        children = _named(module, "_modules")
        if any(len(prefix) + len(name) > LONGEST_NAME for name, _ in own + children):
            raise UserError("its modules have names beyond all measure; take another file")
        found |= {prefix + name: value for name, value in own if isinstance(value, torch.Tensor)}
        todo += [(f"{prefix}{name}.", child) for name, child in children]
    return found


def _named(module: Any, kind: str) -> list[tuple[str, Any]]:
    """Entries of a module with names that are text; others belong to no network."""
    entries = module.get(kind) if isinstance(module, dict) else None
    return [(name, value) for name, value in entries.items() if type(name) is str
            ] if isinstance(entries, dict) else []
