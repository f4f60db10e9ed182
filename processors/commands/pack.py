"""`python main.py pack`: the words, and the job they name."""
from argparse import ArgumentParser, Namespace

from configs.loader import load_config
from processors.commands.arguments import Job, add_settings, split


def add_arguments(parser: ArgumentParser) -> None:
    add_settings(parser)


def job(words: Namespace) -> Job:
    return Job("processors.jobs.pack:make_pack", {"config": load_config(*split(words.settings))})
