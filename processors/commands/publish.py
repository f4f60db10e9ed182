"""`python main.py publish`: the words, and the job they name."""
from argparse import ArgumentParser, Namespace
from pathlib import Path

from configs.arguments import Job, options
from utils.errors import UserError


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--weights", required=True, metavar="FILE.pth",
                        help="a checkpoint of this project, such as weights/pose_best.pth")
    parser.add_argument("--to", required=True, metavar="ORG/NAME", help="the repository")
    parser.add_argument("--license", metavar="NAME",
                        help="under which others may use the weights, as the Hub spells it: "
                             "apache-2.0, mit, cc-by-nc-4.0 ...")
    parser.add_argument("--dry-run", type=Path, metavar="FOLDER",
                        help="write there what would be published, and send nothing")
    parser.set_defaults(settings=[])
    parser.epilog = "Log in before: hf auth login, or the environment variable HF_TOKEN."


def job(words: Namespace) -> Job:
    if words.settings:
        raise UserError(f"publish takes no {words.settings[0]}: settings are those of the weights")
    return Job("processors.publishing.publish:publish", options(words))
