"""The page of all settings, docs/configuration.md, from the schema.

Made again by `python main.py info --keys > docs/configuration.md`.
"""
from collections.abc import Sequence
from dataclasses import fields, is_dataclass
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from configs.convert import NAMES
from configs.schema import Config
from utils.files import write_to_stdout

HEAD = """\
# Every key of the YAML

Write keys in a YAML file, a section's keys indented below its name, or on the command line as
`section.key=value`; what you leave out has the default below. A key that does not exist, a wrong
type, a number out of its range or a contradiction stops before anything is built. Paths are
relative to the folder that the command runs in; a leading `~` is the home folder, and variables
such as `$DATA` are not filled in.

This page is made from [configs/schema.py](../configs/schema.py) by
`python main.py info --keys > docs/configuration.md`.
"""


def reference() -> str:
    """All keys as a Markdown page: a table of key, type, default and meaning for each section."""
    sections = {name: kind for name, kind in get_type_hints(Config).items()
                if isinstance(kind, type) and is_dataclass(kind)}
    parts = [HEAD, _table("The top of the file", "", Config)]
    for name, kind in sections.items():
        parts.append(_table(f"`{name}`", " ".join((kind.__doc__ or "").split()), kind))
        parts += [_table(f"Each entry of `{name}.{key}`", "", entry)
                  for key, entry in _entries(kind).items()]
    return "\n".join(parts)


def print_reference() -> None:
    """`python main.py info --keys`."""
    write_to_stdout(lambda: print(reference(), end=""))


def _table(title: str, about: str, section: type) -> str:
    types = get_type_hints(section)
    rows = [f"| `{field.name}` | {_type_text(types[field.name], field.metadata['choices'])} | "
            f"{_default_text(field.default)} | {_escaped(field.metadata['doc'])} | "
            f"{_escaped(str(field.metadata['range'] or ''))} |"
            for field in fields(section) if "doc" in field.metadata]
    return "\n".join([f"## {title}\n", *([f"{about}\n"] if about else []),
                      "| key | type | default | meaning | range |", "|---|---|---|---|---|",
                      *rows, ""])


def _entries(section: type) -> dict[str, type]:
    """Keys of a section that hold lists of mappings, with the dataclass of these."""
    return {key: get_args(kind)[0] for key, kind in get_type_hints(section).items()
            if get_origin(kind) is tuple and is_dataclass(get_args(kind)[0])}


def _type_text(kind: Any, named: Sequence[str] = ()) -> str:
    origin, choices = get_origin(kind), named or get_args(kind)
    if origin in (Union, UnionType):
        return ", or ".join(map(_type_text, choices))
    if origin is Literal or named:
        return ", ".join(f"`{choice}`" for choice in choices)
    if origin is tuple and choices[-1] is Ellipsis:
        return ("list of mappings" if is_dataclass(choices[0])
                else f"list of: {_type_text(choices[0])}")
    if origin is tuple:
        return f"list of {len(choices)}: {_type_text(choices[0])}"
    return NAMES[kind].removeprefix("a ")


def _default_text(value: Any) -> str:
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, tuple):
        return f"`[{', '.join(map(str, value))}]`"
    return f"`{value:g}`" if isinstance(value, float) else f"`{value}`" if value != "" else "empty"


def _escaped(text: str) -> str:
    return text.replace("|", "\\|").replace("*", "\\*")
