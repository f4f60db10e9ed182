"""Strict reading of a YAML file plus `section.key=value` overrides into a Config.

An unknown key, a wrong type or a contradiction raises ConfigError with one sentence that names
the key, where it was written and the cure; nothing is built before that.
"""
import difflib
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, asdict, fields, is_dataclass, replace
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import yaml

from configs.checks import problems
from configs.schema import Config
from utils.errors import UserError


class ConfigError(UserError):
    """A setting is wrong."""


class StrictYaml(yaml.SafeLoader):
    """Safe YAML that refuses a key written twice, where plain YAML silently takes the last."""


MERGE = "tag:yaml.org,2002:merge"


def _mapping_without_doubles(loader: StrictYaml, node: yaml.MappingNode) -> dict:
    keys = [MERGE if key.tag == MERGE else loader.construct_object(key)
            for key, _ in node.value]
    if MERGE in keys:
        raise ConfigError(f"line {node.start_mark.line + 1} on merges other settings in (<<), "
                          f"which is not allowed here; write the settings out")
    double = {str(key) for key in keys if keys.count(key) > 1}
    if double:
        raise ConfigError(f"line {node.start_mark.line + 1} on has the key "
                          f"{' and '.join(sorted(double))} twice; keep one of them")
    return loader.construct_mapping(node, deep=True)


StrictYaml.add_constructor("tag:yaml.org,2002:map", _mapping_without_doubles)


def load_config(path: str | Path, overrides: Sequence[str] = ()) -> Config:
    """Config from a YAML file and overrides such as `optim.lr=0.01`, later ones winning.

    Raises ConfigError (bad content) or FileNotFoundError (no such file).
    """
    path = Path(path)
    if not path.is_file():
        near = difflib.get_close_matches(path.name, [p.name for p in path.parent.glob("*.yaml")])
        hint = f"did you mean {path.parent / near[0]}?" if near else "give the path of a YAML file"
        raise FileNotFoundError(f"configuration {path} does not exist: {hint}")
    try:
        raw = yaml.load(path.read_text(encoding="utf-8"), Loader=StrictYaml)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error
    except (yaml.YAMLError, ValueError) as error:   # ValueError: no such date, bad bytes
        reason = " ".join(str(error).split())
        raise ConfigError(f"{path} is not valid YAML ({reason}); mend that place") from error
    if not isinstance(raw, dict):
        raise ConfigError(f"{path} holds no settings; write keys such as model_name: and data:")
    config = _fill(Config(), raw, str(path), "")
    return with_overrides(config, overrides, str(path))


def with_overrides(config: Config, overrides: Sequence[str], where: str) -> Config:
    """The Config with `section.key=value` of the command line put in, and all of it checked.

    where: the config comes from, for messages. Raises ConfigError.
    """
    changed = set()
    for override in overrides:
        key, equals, text = override.partition("=")
        if not equals or not key:
            raise ConfigError(f"the command line has '{override}'; overrides look like "
                              f"optim.lr=0.01 (and the YAML file comes before them)")
        config = _fill(config, _nested(key, override, text), "the command line", "")
        changed.add(key)
    for key, sentence in problems(config):
        overridden = key in changed or key.partition(".")[0] in changed
        where = "the command line" if overridden else where
        raise ConfigError(f"{where}: {key} {sentence}")
    return config


def config_from_dict(raw: Mapping[str, Any], where: str) -> Config:
    """The inverse of `asdict(config)`, for settings stored in a checkpoint."""
    return _fill(Config(), raw, where, "")


def config_to_dict(config: Config) -> dict[str, Any]:
    """Plain containers only, so that it can be stored and loaded without running code."""
    return _plain(asdict(config))


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, tuple) else value


def _nested(key: str, override: str, text: str) -> dict:
    try:
        value = yaml.load(text, Loader=StrictYaml)
    except ConfigError as error:
        raise ConfigError(f"the command line has '{override}': {error}") from error
    except (yaml.YAMLError, ValueError) as error:
        raise ConfigError(f"the command line has '{override}', whose value is not valid YAML; "
                          f"put quotes around it") from error
    for part in reversed(key.split(".")):
        value = {part: value}
    return value


def _fill(target: Any, raw: Mapping[str, Any], where: str, prefix: str) -> Any:
    """A copy of the dataclass `target` with the values of `raw` converted and put in."""
    types = get_type_hints(type(target))
    values = {}
    for key, value in raw.items():
        name = f"{prefix}{key}"
        if key not in types:
            raise ConfigError(f"{where}: there is no key {name}; {_hint(str(key), prefix, types)}")
        if is_dataclass(types[key]):
            if not isinstance(value, dict):
                raise ConfigError(f"{where}: {name} is a section; write its keys below it, "
                                  f"indented, such as {_first_key(types[key])}")
            values[key] = _fill(getattr(target, key), value, where, f"{name}.")
        else:
            values[key] = _convert(value, types[key], name, where)
    return replace(target, **values)


def _hint(key: str, prefix: str, types: Mapping[str, Any]) -> str:
    near = difflib.get_close_matches(key, types, n=1, cutoff=0.6)
    if near:
        return f"did you mean {prefix}{near[0]}?"
    for section, kind in get_type_hints(Config).items():
        if is_dataclass(kind) and key in {f.name for f in fields(kind)}:
            return f"did you mean {section}.{key}?"
    return f"the keys here are {', '.join(types)}"


def _first_key(section: type) -> str:
    first = fields(section)[0]
    assert first.default is not MISSING
    return f"{first.name}: {first.default or '...'}"


def _convert(value: Any, kind: Any, name: str, where: str) -> Any:
    """`value` as `kind`, or ConfigError. A bool is no int; '1e-3', which YAML reads as a
    string, is a float."""
    origin, choices = get_origin(kind), get_args(kind)
    if isinstance(kind, type) and is_dataclass(kind):
        if not isinstance(value, dict):
            raise ConfigError(f"{where}: {name} is {_shown(value)}; write its keys, "
                              f"{', '.join(get_type_hints(kind))}, each with a value")
        return _fill(kind(), value, where, f"{name}.")
    if origin in (Union, UnionType):
        return _convert_any(value, choices, name, where)
    if origin is Literal:
        if value in choices and not (isinstance(value, bool) and True not in choices):
            return value
        raise ConfigError(f"{where}: {name} is {_shown(value)}; choose {_either(choices)}")
    if origin is tuple:
        return _convert_tuple(value, choices, name, where)
    if kind is float and isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            pass
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if isinstance(value, kind) and not (kind is int and isinstance(value, bool)):
        return value
    raise ConfigError(f"{where}: {name} is {_shown(value)}; write {_NAMES[kind]}")


def _convert_any(value: Any, kinds: tuple, name: str, where: str) -> Any:
    for kind in kinds:
        try:
            return _convert(value, kind, name, where)
        except ConfigError:
            continue
    raise ConfigError(f"{where}: {name} is {_shown(value)}; write "
                      f"{' or '.join(_kind_name(kind) for kind in kinds)}")


def _convert_tuple(value: Any, kinds: tuple, name: str, where: str) -> tuple:
    item = kinds[0]
    if value is None:
        value = []
    elif isinstance(value, str):     # gpus: "4,5,6,7"
        value = [_number_or_text(part) for part in value.split(",") if part.strip()]
    elif not isinstance(value, (list, tuple)):
        value = [value]
    items = tuple(_convert(part, item, f"{name}[{i}]" if is_dataclass(item) else name, where)
                  for i, part in enumerate(value))
    if kinds[-1] is not Ellipsis and len(items) != len(kinds):
        raise ConfigError(f"{where}: {name} has {len(items)} values; write {len(kinds)} of them, "
                          f"such as {[192, 256][:len(kinds)]}")
    return items


def _number_or_text(text: str) -> int | str:
    try:
        return int(text)
    except ValueError:
        return text.strip()


_NAMES = {bool: "true or false", int: "a whole number", float: "a number", str: "text",
          NoneType: "nothing"}


def _kind_name(kind: Any) -> str:
    return _either(get_args(kind)) if get_origin(kind) is Literal else _NAMES[kind]


def _either(choices: Sequence[Any]) -> str:
    return " or ".join(str(choice) for choice in choices)


def _shown(value: Any) -> str:
    return "empty" if value is None else repr(value)
