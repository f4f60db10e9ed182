"""Strict reading of a YAML file plus `section.key=value` overrides into a Config.

An unknown key, a wrong type or a contradiction raises ConfigError with one sentence that names
the key, where it was written and the cure; nothing is built before that.
"""
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from configs.checks import problems
from configs.convert import COMMAND_LINE, fill
from configs.schema import Config
from configs.strict_yaml import ConfigError, InvalidYaml, parse_yaml, read_yaml
from utils.shown import most_like, shown

MOST_PROBLEMS = 5       # said at once


def load_config(path: str | Path, overrides: Sequence[str] = (), one_device: bool = False,
                ) -> Config:
    """Config from a YAML file and overrides such as `optim.lr=0.01`, later ones winning.

    one_device: for what uses only the first of `gpus`.

    Raises ConfigError (bad content) or FileNotFoundError (no such file).
    """
    path = Path(path)
    if path.exists() and not path.is_file():
        raise FileNotFoundError(f"configuration {path} is no file, but a folder or a device: give "
                                f"the path of a YAML file")
    if not path.is_file():
        near = most_like(path.name, [p.name for p in path.parent.glob("*.yaml")])
        hint = f"did you mean {path.parent / near[0]}?" if near else "give the path of a YAML file"
        raise FileNotFoundError(f"configuration {path} does not exist: {hint}")
    raw = read_yaml(path)
    if not isinstance(raw, dict):
        raise ConfigError(f"{path} holds no settings; write keys such as model_name: and data:")
    return with_overrides(fill(Config(), raw, str(path)), overrides, str(path), one_device)


def with_overrides(config: Config, overrides: Sequence[str], where: str,
                   one_device: bool = False) -> Config:
    """The Config with `section.key=value` of the command line put in, and all of it checked.

    where: the config comes from, for messages. Raises ConfigError.
    """
    changed: list[str] = []
    for override in overrides:
        key, equals, text = override.partition("=")
        if not equals or not key:
            raise ConfigError(f"the command line has {shown(override)}; overrides look like "
                              f"optim.lr=0.01 (and the YAML file comes before them)")
        config = fill(config, _nested(key, override, text), COMMAND_LINE)
        changed.append(key)
    found = [f"{COMMAND_LINE if _is_in(key, changed) else where}: {key} {sentence}"
             for key, sentence in problems(config, one_device)]
    if len(found) > MOST_PROBLEMS:
        found[MOST_PROBLEMS:] = [f"and {len(found) - MOST_PROBLEMS} more are wrong"]
    if found:
        raise ConfigError(". ".join(found))
    return config


def _is_in(key: str, changed: Sequence[str]) -> bool:
    return any(key == name or key.startswith((f"{name}.", f"{name}[")) for name in changed)


def config_from_dict(raw: Mapping[str, Any], where: str) -> Config:
    """The inverse of `asdict(config)`, for settings stored in a checkpoint."""
    if not isinstance(raw, Mapping):
        raise ConfigError(f"{where}: its settings are {shown(raw)} and not a mapping of keys; get "
                          f"the file again")
    return fill(Config(), raw, where)


def config_to_dict(config: Config) -> dict[str, Any]:
    """Plain containers only, so that it can be stored and loaded without running code."""
    return json.loads(json.dumps(asdict(config), default=str))


def flat_settings(config: Config) -> dict[str, Any]:
    """Plain values by keys such as `optim.lr`."""
    return _flat(config_to_dict(config))


def _flat(nested: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in nested.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[prefix + key] = value
    return flat


def _nested(key: str, override: str, text: str) -> dict:
    try:
        value = parse_yaml(text)
    except InvalidYaml as error:
        raise ConfigError(f"the command line has {shown(override)}, whose value is not valid YAML; "
                          f"put quotes around it") from error
    except ConfigError as error:
        raise ConfigError(f"the command line has {shown(override)}: {error}") from error
    for part in reversed(key.split(".")):
        value = {part: value}
    return value
