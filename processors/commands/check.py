"""`python main.py check`: the words, and the job they name."""
from argparse import ArgumentParser, Namespace
from pathlib import Path

from configs.arguments import EPILOG, Job, add_settings, options, split
from configs.loader import load_config


def add_arguments(parser: ArgumentParser) -> None:
    add_settings(parser)
    parser.add_argument("--report", type=Path, metavar="DIR",
                        help="write an HTML page: the training crops as the network will see "
                             "them, histograms, the upper bound of AP")
    parser.add_argument("--repeated", type=Path, metavar="FILE",
                        help="COCO keypoints of some of the images, labelled by somebody else: "
                             "estimates the sigmas of the skeleton")
    parser.epilog = ("Status 0: nothing is wrong; 1: something is; 2: a setting is wrong. "
                     + EPILOG)


def job(words: Namespace) -> Job:
    return Job("processors.jobs.check:check",
               {"config": load_config(*split(words.settings)), **options(words)})
