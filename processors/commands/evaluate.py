"""`python main.py evaluate`: the words, and the job they name."""
from argparse import ArgumentParser, Namespace
from pathlib import Path

from configs.loader import load_config, with_overrides
from configs.schema import Config
from processors.commands.arguments import WEIGHTS, Job, add_settings, options, split

SOURCES = (     # of nets/files/sources.py, which cannot be imported without torch
    "alphapose", "darkpose_hrnet", "darkpose_resnet", "imagenet", "imagenet_vit", "mae", "mmpose",
    "mmpose_udp", "original_simplepose", "pose_hrnet", "pose_resnet", "rtmpose", "this_project",
    "vitpose")


def add_arguments(parser: ArgumentParser) -> None:
    add_settings(parser)
    parser.add_argument("--weights", metavar=WEIGHTS,
                        help="a checkpoint of this project or of another one, or published "
                             "weights, whose name brings all settings (see the command weights); "
                             "the best one of the YAML's run if not given")
    parser.add_argument("--source", choices=SOURCES,
                        help="the project the checkpoint comes from, where its keys do not tell "
                             "(see nets/files/sources.py)")
    parser.add_argument("--sweep", action="store_true",
                        help="compare all decoders, with and without flip test, from one pass")
    parser.add_argument("--report", type=Path, metavar="DIR",
                        help="write an HTML report with curves, errors and pictures")


def job(words: Namespace) -> Job:
    path: Path | None
    path, overrides = split(words.settings)
    if overrides == words.settings and words.weights and not (
            words.weights.startswith("hf://") or Path(words.weights).exists()):
        path = None     # a name, which brings its settings
    # a wrong setting is said before torch is imported
    load_config(path, overrides) if path else with_overrides(Config(), overrides, "")
    return Job("processors.jobs.evaluate:evaluate",
               {"cfg_path": path, "overrides": overrides, **options(words)})
