"""YAML text: settings with their reasons beside them."""
import json
import textwrap
from collections.abc import Iterable
from itertools import groupby
from typing import Any

from processors.proposal.choices import Choice
from utils.shown import shortened

COLUMN, WIDTH = 34, 100         # where reasons begin, and where lines end
SECTIONS = ("", "data", "model", "codec", "augment", "optim", "val")


def yaml_text(title: Iterable[str], choices: Iterable[Choice]) -> str:
    """The file, its sections in their usual order."""
    def section_of(choice: Choice) -> str:
        return choice.key.rpartition(".")[0]

    lines = [f"# {shortened(row, 1000)}" for row in title]
    in_order = sorted(choices, key=lambda one: SECTIONS.index(section_of(one)))
    for section, members in groupby(in_order, key=section_of):
        lines += [f"{section}:"] if section else []
        for choice in members:
            lines += _lines(choice, "  " if section else "")
    return "\n".join(lines) + "\n"


def _lines(choice: Choice, indent: str) -> list[str]:
    line = f"{indent}{choice.key.rpartition('.')[2]}: {_written(choice.value)}"
    reason = shortened(choice.reason, 600)
    if len(line) >= COLUMN - 2:
        return [*(f"{indent}# {part}" for part in textwrap.wrap(reason, WIDTH - 6)), line]
    first, *more = textwrap.wrap(reason, WIDTH - COLUMN - 2)
    return [f"{line:{COLUMN}}# {first}", *(f"{'':{COLUMN}}# {part}" for part in more)]


def _written(value: Any) -> str:
    """JSON is YAML; but numbers such as 1e-05 would be text."""
    if isinstance(value, float):
        return f"{value:.6f}".rstrip("0") + ("0" if value == int(value) else "")
    return json.dumps(value, ensure_ascii=False)
