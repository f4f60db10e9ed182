"""What the commands share: their words CONFIG.yaml and section.key=value, and the job they name."""
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Any, NamedTuple

from configs.loader import load_config, with_overrides
from configs.schema import Config
from utils.files import ROOT

QUICKSTART = ROOT / "configs" / "quickstart.yaml"
WEIGHTS = "FILE_or_NAME"
EPILOG = "All settings with their meaning: docs/configuration.md."


class Job(NamedTuple):
    """What a command is to do: a function by its name, which main.py imports, and its arguments."""
    function: str               # "module:function"; a whole number it returns is the exit status
    arguments: dict[str, Any]


def add_settings(parser: ArgumentParser, metavar: str = "CONFIG.yaml section.key=value",
                 about: str = "a YAML file (configs/quickstart.yaml if none is given), then any "
                              "number of settings that replace the file's") -> None:
    """The words that belong to no option."""
    parser.add_argument("settings", nargs="*", metavar=metavar, help=about)
    parser.epilog = EPILOG


def add_weights(parser: ArgumentParser) -> None:
    """The option of commands that judge a network by the data of a YAML."""
    parser.add_argument("--weights", metavar=WEIGHTS,
                        help="a checkpoint of this project or of another one, or published "
                             "weights, whose name brings all settings (see the command weights); "
                             "the best one of the YAML's run if not given")


def options(words: Namespace) -> dict[str, Any]:
    """What the options say, by their names, which are those of the function's arguments."""
    return {name: value for name, value in vars(words).items()
            if name not in ("command", "settings")}


def split(settings: list[str]) -> tuple[Path, list[str]]:
    """The YAML file (the first word, if it is no override) and the overrides."""
    if not settings or "=" in settings[0]:
        return QUICKSTART, settings
    return Path(settings[0]), settings[1:]


def config_or_name(words: Namespace) -> tuple[Path | None, list[str]]:
    """As `split`, but no YAML file where --weights is a name, which brings its settings. A wrong
    setting is said here, before torch is imported. Raises UserError or FileNotFoundError."""
    path: Path | None
    path, overrides = split(words.settings)
    if overrides == words.settings and words.weights and not (
            words.weights.startswith("hf://") or Path(words.weights).exists()):
        path = None
    load_config(path, overrides) if path else with_overrides(Config(), overrides, "")
    return path, overrides
