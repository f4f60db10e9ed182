"""`python main.py evaluate`: the words, and the job they name."""
from argparse import ArgumentParser, Namespace
from pathlib import Path

from configs.arguments import Job, add_settings, add_weights, config_or_name, options

SOURCES = (     # of nets/files/sources.py, which cannot be imported without torch
    "alphapose", "darkpose_hrnet", "darkpose_resnet", "imagenet", "imagenet_vit", "mae", "mmpose",
    "mmpose_udp", "original_simplepose", "pose_hrnet", "pose_resnet", "rtmpose", "this_project",
    "vitpose")


def add_arguments(parser: ArgumentParser) -> None:
    add_settings(parser)
    add_weights(parser)
    parser.add_argument("--source", choices=SOURCES,
                        help="the project the checkpoint comes from, where its keys do not tell "
                             "(see nets/files/sources.py)")
    parser.add_argument("--sweep", action="store_true",
                        help="compare all decoders, with and without flip test, from one pass")
    parser.add_argument("--report", type=Path, metavar="DIR",
                        help="write an HTML report with curves, errors and pictures")


def job(words: Namespace) -> Job:
    path, overrides = config_or_name(words)
    return Job("processors.jobs.evaluate:evaluate",
               {"cfg_path": path, "overrides": overrides, **options(words)})
