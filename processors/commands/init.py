"""`python main.py init`: the words, and the job they name."""
from argparse import ArgumentParser, Namespace
from pathlib import Path

from configs.arguments import Job, add_settings, options
from processors.commands.import_labels import FORMS
from utils.errors import UserError
from utils.user_path import user_path


def add_arguments(parser: ArgumentParser) -> None:
    add_settings(parser, "LABELS", "a COCO file, or what import takes: a folder of labelme or "
                                   "YOLO-pose labels, data.yaml, an XML file of CVAT")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE.yaml",
                        help="the YAML to write; beside it go FILE_train.json, FILE_val.json and, "
                             "where the joints are of no known skeleton, FILE_skeleton.yaml")
    parser.add_argument("--images", type=Path, metavar="DIR",
                        help="the folder of the images, if they do not lie beside the labels")
    parser.add_argument("--category", "--class", dest="kind", default="", metavar="NAME",
                        help="what to train on, where the labels have several classes")
    parser.add_argument("--from", dest="form", default="", choices=FORMS,
                        help="the tool that the labels come from, if their files do not tell")
    parser.add_argument("--skeleton", default="", metavar="NAME_or_YAML",
                        help="the joints, where the labels do not bring them along or you have a "
                             "skeleton")
    parser.epilog = ("Then: python main.py train FILE.yaml. Every setting in it has its reason "
                     "beside it. The labels stay as they are.")


def job(words: Namespace) -> Job:
    if len(words.settings) != 1:
        raise UserError("init needs one folder or file of labels before its options")
    return Job("processors.jobs.init:propose", {
        **options(words), "source": Path(words.settings[0]), "skeleton": user_path(words.skeleton)})
