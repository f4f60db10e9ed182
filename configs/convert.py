"""fill: the values of a YAML put into the sections of a Config, each in the type of its setting."""
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, is_dataclass, replace
from datetime import date
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from configs.schema import Config
from configs.strict_yaml import MOST_VALUES, ConfigError
from utils.shown import most_like, shortened, shown
from utils.user_path import home_path

COMMAND_LINE = "the command line"
NAMES = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}
COUNTS = ("no", "one", "two", "three", "four")


def fill(target: Any, raw: Mapping[str, Any], where: str, prefix: str = "") -> Any:
    """A copy of the dataclass `target` with the values of `raw` converted and put in.

    where: `raw` comes from; prefix: of its keys; both for messages. Raises ConfigError.
    """
    types = get_type_hints(type(target))
    metadata = {field.name: field.metadata for field in fields(target)}
    values = {}
    for key, value in raw.items():
        name = f"{prefix}{shortened(key) if isinstance(key, str) else shown(key)}"
        if key not in types:
            raise ConfigError(f"{where}: there is no key {name}; {_hint(key, prefix, types)}")
        if is_dataclass(types[key]):
            if not isinstance(value, dict):
                raise ConfigError(f"{where}: {name} is a section; write its keys below it, "
                                  f"indented, such as {_first_key(types[key])}")
            values[key] = fill(getattr(target, key), value, where, f"{name}.")
        else:
            choices = metadata[key]["choices"]
            value = (_choose(value, choices, name, where) if choices
                     else _convert(value, types[key], name, where))
            is_path = metadata[key]["path"] and isinstance(value, str)
            values[key] = home_path(value) if is_path else value
    return replace(target, **values)


def near(word: Any, known: Iterable[str]) -> str:
    """The known word that goes on where `word` ends, or else is most like it, or ""."""
    text, known = shortened(word) if isinstance(word, str) else "", list(known)
    longer = [name for name in known if len(text) > 3 and name.startswith(text)]
    return next(iter(longer or most_like(text, known)), "")


def _hint(key: Any, prefix: str, types: Mapping[str, Any]) -> str:
    if alike := near(key, types):
        return f"did you mean {prefix}{alike}?"
    for section, kind in get_type_hints(Config).items():
        if is_dataclass(kind) and key in {f.name for f in fields(kind)}:
            return f"did you mean {section}.{key}?"
    return f"the keys here are {', '.join(types)}"


def _first_key(section: type) -> str:
    first = fields(section)[0]
    return f"{first.name}: {first.default or '...'}"


def _convert(value: Any, kind: Any, name: str, where: str, more: str = "") -> Any:
    """`value` as `kind`, or ConfigError. A bool is no int; '1e-3', which YAML reads as a
    string, is a float. more: follows what to write."""
    origin, choices = get_origin(kind), get_args(kind)
    if isinstance(kind, type) and is_dataclass(kind):
        if not isinstance(value, dict):
            raise ConfigError(f"{where}: {name} is {_shown(value)}; write its keys, "
                              f"{', '.join(get_type_hints(kind))}, each with a value")
        return fill(kind(), value, where, f"{name}.")
    if origin in (Union, UnionType):
        return _convert_any(value, choices, name, where)
    if origin is Literal:
        return _choose(value, choices, name, where)
    if origin is tuple:
        return _convert_tuple(value, choices, name, where)
    if kind is float and isinstance(value, int | float | str) and not isinstance(value, bool):
        try:
            return float(value)
        except ValueError:
            pass
        except OverflowError:
            more = " that is not so large"
    if isinstance(value, kind) and not (kind is int and isinstance(value, bool)):
        return value
    if kind is str and value is None and where == COMMAND_LINE:
        return ""       # data.train_pack= takes back what the YAML has
    if kind is str and isinstance(value, int | float | date) and not isinstance(value, bool):
        quoted = f'"{shortened(str(value))}"'
        more = f", here {quoted}" if where != COMMAND_LINE else f", here '{quoted}'"
    raise ConfigError(f"{where}: {name} is {_shown(value)}; write {NAMES[kind]}{more}")


def _choose(value: Any, choices: Sequence[str], name: str, where: str) -> Any:
    if value in choices:
        return value
    alike = near(value, choices)
    raise ConfigError(f"{where}: {name} is {_shown(value)}; choose {_either(choices)}"
                      + (f" (did you mean {alike}?)" if alike else ""))


def _convert_any(value: Any, kinds: tuple, name: str, where: str) -> Any:
    for kind in kinds:
        try:
            return _convert(value, kind, name, where)
        except ConfigError:
            continue
    names = [_either(get_args(kind)) if get_origin(kind) is Literal else NAMES[kind]
             for kind in kinds]
    raise ConfigError(f"{where}: {name} is {_shown(value)}; write {_either(names)}")


def _convert_tuple(value: Any, kinds: tuple, name: str, where: str) -> tuple:
    item, given, many = kinds[0], value, kinds[-1] is Ellipsis
    if value is None:
        value = []
    elif isinstance(value, str) and value.startswith("["):
        raise ConfigError(f"{where}: {name} is {shown(given)}; write the list without quotes")
    elif isinstance(value, str):     # gpus: "4,5,6,7"
        value = [_number_or_text(part) for part in value.split(",") if part.strip()]
    elif not isinstance(value, (list, tuple)):
        value = [value]
    if len(value) > MOST_VALUES:
        raise ConfigError(f"{where}: {name} has {len(value)} values; write at most {MOST_VALUES}")
    if not many and len(value) != len(kinds):
        count, example = len(kinds), ([192, 256] if item is int else [4.9, 5.66])[:len(kinds)]
        if isinstance(given, str):      # 192x256
            raise ConfigError(f"{where}: {name} is {shown(given)}; write {COUNTS[count]} "
                              f"{'whole ' * (item is int)}numbers, such as {example}")
        raise ConfigError(f"{where}: {name} has {len(value)} values; write {count} of them, "
                          f"such as {example}")
    more = " or a list of them, [] for none" if many else f", {COUNTS[len(kinds)]} in all"
    return tuple(_convert(part, item, f"{name}[{i}]" if is_dataclass(item) else name, where, more)
                 for i, part in enumerate(value))


def _number_or_text(text: str) -> int | str:
    try:
        return int(text)
    except ValueError:
        return text.strip()


def _either(choices: Sequence[Any]) -> str:
    return " or ".join(map(str, choices))


def _shown(value: Any) -> str:
    return "empty" if value is None else str(value) if isinstance(value, date) else shown(value)
