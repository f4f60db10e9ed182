"""`python main.py rank`: the words, and the job they name."""
from argparse import ArgumentParser, Namespace
from pathlib import Path

from configs.arguments import Job, add_settings, add_weights, config_or_name, options
from utils.errors import UserError


def add_arguments(parser: ArgumentParser) -> None:
    add_settings(parser)
    add_weights(parser)
    parser.add_argument("--out", type=Path, metavar="DIR", required=True,
                        help="folder of the page (rank.html) and of the lists")
    parser.add_argument("--labels", choices=("train", "val", "both", "none"),
                        help="whose labels are compared with the network (both, or val where no "
                             "training set is named; none with --images)")
    parser.add_argument("--images", type=Path, metavar="DIR",
                        help="images without labels, of which to say which to label next")
    parser.add_argument("--boxes", type=Path, metavar="FILE.json",
                        help="boxes of people in those images in place of a detector: COCO "
                             "results or annotations")
    parser.add_argument("--next", type=int, default=100, metavar="N", dest="count",
                        help="how many of the images to name for labelling (100)")


def job(words: Namespace) -> Job:
    if words.boxes and not words.images:
        raise UserError("--boxes are those of people in the images of --images: name their folder, "
                        "or leave --boxes out, as labels bring their own")
    if words.count < 1:
        raise UserError(f"--next is {words.count}; it must be 1 or more")
    if words.labels == "none" and not words.images:
        raise UserError("--labels none leaves nothing to look at: name a folder by --images, or "
                        "leave --labels out")
    path, overrides = config_or_name(words)
    return Job("processors.ranking.rank:rank",
               {"cfg_path": path, "overrides": overrides, **options(words)})
