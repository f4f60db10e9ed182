"""`python main.py train` and `pack`: the words, and the job they name."""
from argparse import Namespace

from configs.arguments import Job, add_settings, split
from configs.loader import load_config

add_arguments = add_settings
SOLVERS = {"dp": "processors.dp_pose_resnet_solver:train",
           "ddp": "processors.ddp_pose_resnet_solver:train"}


def job(words: Namespace) -> Job:
    path, overrides = split(words.settings)
    config = load_config(path, overrides)
    if words.command == "pack":
        return Job("processors.jobs.pack:make_pack", {"config": config})
    return Job(SOLVERS[config.processor], {"cfg_path": path, "overrides": overrides})
