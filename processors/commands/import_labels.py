"""`python main.py import`: the words, and the job they name."""
from argparse import ArgumentParser, Namespace
from pathlib import Path

from configs.arguments import Job, add_settings, options
from utils.errors import UserError
from utils.user_path import user_path

# The keys of IMPORTERS in processors/jobs/import_labels.py, which --help need not import
FORMS = ("coco", "cvat", "deeplabcut", "labelme", "labelstudio", "mpii", "sleap", "yolo")


def add_arguments(parser: ArgumentParser) -> None:
    add_settings(parser, "SOURCE",
                 "a folder of labelme, X-AnyLabeling or YOLO-pose labels, data.yaml, an XML file "
                 "of CVAT (\"CVAT for images 1.1\"), a COCO file that needs mending or has more "
                 "joints, MPII's train.json or mpii_annotations.json, the JSON of Label Studio, a "
                 "project of DeepLabCut or one of its tables, or an .slp of SLEAP")
    parser.add_argument("--from", dest="form", required=True, choices=FORMS,
                        help="the tool or data set that the annotations come from")
    skeleton = parser.add_mutually_exclusive_group(required=True)
    skeleton.add_argument("--skeleton", default="", metavar="NAME_or_YAML",
                          help="a name in configs/skeletons, or the path of your own")
    skeleton.add_argument("--skeleton-out", type=Path, metavar="FILE",
                          help="instead: write the skeleton that the labels bring along to this "
                               "YAML (data.yaml's kpt_shape and flip_idx, a COCO category's "
                               "keypoints, CVAT's and SLEAP's skeletons, DeepLabCut's bodyparts, "
                               "the names of labelme's and Label Studio's points), and use it")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE",
                        help="the COCO keypoints file to write")
    parser.add_argument("--val", type=Path, metavar="FILE",
                        help="a second file, for validation: the labels' own val split goes there "
                             "or, where they have none, the last fifth of the images in the order "
                             "of their names")
    parser.add_argument("--split", default="", metavar="NAME",
                        help="take only this part: train, val or test of a YOLO tree, a subset of "
                             "a CVAT project (all of them)")
    parser.add_argument("--images", type=Path, metavar="DIR",
                        help="the folder of the images, if they do not lie beside the annotations")
    parser.add_argument("--class", dest="kind", default="", metavar="NAME",
                        help="take only persons, animals or things of this class: the label of "
                             "CVAT's skeletons and boxes or of labelme's rectangles, YOLO's class "
                             "by its name or number (all classes)")
    parser.add_argument("--category", default="person", metavar="NAME",
                        help="what all who are taken are called in the file that is written; "
                             "chooses nobody, see --class (person)")


def job(words: Namespace) -> Job:
    if len(words.settings) != 1:
        raise UserError("import needs one folder or file of annotations before its options")
    return Job("processors.jobs.import_labels:import_annotations", {
        **options(words), "source": words.settings[0], "skeleton": user_path(words.skeleton)})
