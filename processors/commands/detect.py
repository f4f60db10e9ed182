"""`python main.py detect`: the words, and the job they name."""
from argparse import ArgumentParser, Namespace
from pathlib import Path

from configs.arguments import Job, add_settings, options, split
from configs.loader import load_config


def add_arguments(parser: ArgumentParser) -> None:
    add_settings(parser)
    parser.add_argument("--images", type=Path, required=True, metavar="DIR_or_JSON",
                        help="a folder of images, a COCO annotation file, or with --frames a film")
    parser.add_argument("--img-root", type=Path, metavar="DIR",
                        help="the folder of the images that an annotation file names")
    parser.add_argument("--frames", type=Path, metavar="DIR",
                        help="the folder where frames of a film become pictures, which are then "
                             "looked at")
    parser.add_argument("--every", type=int, default=10, metavar="N",
                        help="of a film each N-th frame, 10 by default")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE",
                        help="the detections file to write; an interrupted search goes on")


def job(words: Namespace) -> Job:
    return Job("processors.jobs.detect:detect",
               {"config": load_config(*split(words.settings), one_device=True), **options(words)})
