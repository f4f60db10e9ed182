"""`python main.py weights`: the words, and the job they name."""
from argparse import ArgumentParser, Namespace

from configs.arguments import Job, add_settings


def add_arguments(parser: ArgumentParser) -> None:
    add_settings(parser, "NAME", "weights to fetch into the cache of torch.hub; without a name all "
                                 "are listed, with AP, size and licence")
    parser.epilog = ("A name stands wherever the path of a file of weights does, and brings its "
                     "settings: --weights NAME, model.pretrained=NAME, detector.weights=NAME.")


def job(words: Namespace) -> Job:
    return Job("processors.jobs.weights:weights", {"names": words.settings})
