"""The command line: `python main.py [train] [CONFIG.yaml] [section.key=value ...]`.

Each command is a function below that takes its parsed arguments; `--help` tells the rest.
"""
import argparse
import difflib
import os
import signal
import sys
from pathlib import Path

from configs.loader import load_config
from configs.reference import reference
from configs.schema import Config
from nets.pretrained import SOURCES
from processors.commands.check import check_data
from processors.commands.detect import detect
from processors.commands.evaluate import evaluate as evaluate_processes
from processors.commands.export import export
from processors.commands.import_labels import IMPORTERS, import_annotations
from processors.commands.info import compare, describe
from processors.commands.pack import make_pack
from processors.commands.predict import predict
from processors.ddp_pose_resnet_solver import DDPProcessor
from processors.dp_pose_resnet_solver import DPProcessor
from utils.errors import UserError

EPILOG = "All settings with their meaning: docs/configuration.md."
QUICKSTART = Path(__file__).resolve().parent / "configs" / "quickstart.yaml"


def train(arguments: argparse.Namespace) -> None:
    """train the network of a YAML file, evaluating after its epochs (the default command)"""
    path, overrides = split(arguments.settings)
    processor = load_config(path, overrides).processor
    solvers: dict[str, type[DPProcessor] | type[DDPProcessor]] = {
        "dp": DPProcessor, "ddp": DDPProcessor}
    solvers[processor](path, overrides).run()


def evaluate(arguments: argparse.Namespace) -> None:
    """judge a checkpoint on the validation set of a YAML file"""
    evaluate_processes(*split(arguments.settings), arguments.weights, arguments.source,
                       sweep=arguments.sweep, report=arguments.report)


def find_people(arguments: argparse.Namespace) -> None:
    """find the persons in images: boxes in COCO results form, which val.boxes takes"""
    path, overrides = split(arguments.settings)
    detect(load_config(path, overrides), arguments.images, arguments.out, arguments.img_root)


def predict_people(arguments: argparse.Namespace) -> None:
    """draw the people of images, of a video or of a camera, and write where their joints are"""
    source, *overrides = arguments.settings or [""]
    if not source or ("=" in source and not Path(source).exists()):
        raise UserError("predict needs a source before its settings: an image, a folder, a "
                         "pattern such as 'photos/*.jpg', a video, or the number of a camera")
    predict(source, arguments.weights, arguments.out, arguments.config, overrides,
            smooth=arguments.smooth, legend=arguments.legend)


def export_net(arguments: argparse.Namespace) -> None:
    """write the network of a checkpoint to an ONNX file, which predict takes in its place"""
    export(arguments.weights, arguments.out, arguments.config, arguments.settings,
           decode=arguments.decode, opset=arguments.opset)


def pack(arguments: argparse.Namespace) -> None:
    """cut the training persons of a YAML file into data.train_pack, for faster training"""
    make_pack(load_config(*split(arguments.settings)))


def import_labels(arguments: argparse.Namespace) -> None:
    """turn annotations of another tool into a COCO keypoints file to train on"""
    if len(arguments.settings) != 1:
        raise UserError("import needs one folder or file of annotations before its options")
    import_annotations(arguments.form, arguments.settings[0], arguments.skeleton, arguments.out,
                       arguments.images, arguments.category, arguments.val)


def check(arguments: argparse.Namespace) -> int:
    """say what is wrong with the data of a YAML file, and what it costs; status 1 if anything is"""
    config = load_config(*split(arguments.settings))
    return int(check_data(config, arguments.report, arguments.repeated).serious)


def info(arguments: argparse.Namespace) -> None:
    """show the network of a YAML file: parts, parameters, compute and memory"""
    if arguments.keys:
        print(reference(), end="")
        return
    path, overrides = split(arguments.settings)
    print(describe(load_config(path, overrides)))
    print()
    print(compare(recipes()))


COMMANDS = {"train": train, "pack": pack, "evaluate": evaluate, "detect": find_people,
            "predict": predict_people, "export": export_net, "import": import_labels,
            "check": check, "info": info}
USUAL = ("CONFIG.yaml section.key=value",
         "a YAML file (configs/quickstart.yaml if none is given), then any number of settings "
         "that replace the file's")
POSITIONAL = {"predict": (
    "SOURCE section.key=value",
    "an image, a folder, a quoted pattern such as 'photos/*.jpg', a video, or the number of a "
    "camera; then settings such as detector.weights=yolov5s.pt"),
    "export": ("section.key=value", "settings that replace the checkpoint's, such as "
                                    "codec.decoder=quarter"),
    "import": ("SOURCE", "a folder of labelme or YOLO-pose labels, an XML file of CVAT (\"CVAT for "
                         "images 1.1\"), or MPII's train.json or mpii_annotations.json")}


def recipes() -> dict[str, Config]:
    """All YAML files that lie beside the quickstart."""
    return {path.stem: load_config(path) for path in sorted(QUICKSTART.parent.glob("*.yaml"))}


def split(settings: list[str]) -> tuple[Path, list[str]]:
    """The YAML file (the first word, if it is no override) and the overrides."""
    if not settings or "=" in settings[0]:
        return QUICKSTART, settings
    path = Path(settings[0])
    near = difflib.get_close_matches(path.name, COMMANDS)
    if near and not path.suffix and not path.exists():
        raise UserError(f"there is no command or YAML file {path}: did you mean {near[0]}?")
    return path, settings[1:]


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="main.py", description="Top-down 2D human pose estimation, driven by YAML files.",
        epilog="Without a command it trains: python main.py [CONFIG.yaml] [section.key=value ...]; "
               "without a CONFIG it is configs/quickstart.yaml, which needs no download.")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    parsers = {}
    for name, function in COMMANDS.items():
        parsers[name] = command = commands.add_parser(
            name, help=function.__doc__, description=function.__doc__,
            epilog=EPILOG)
        command.set_defaults(function=function)
        command.add_argument(
            "settings", nargs="*", metavar=POSITIONAL.get(name, USUAL)[0],
            help=POSITIONAL.get(name, USUAL)[1])
    judge = parsers["evaluate"]
    judge.add_argument("--weights", type=Path, metavar="FILE",
                       help="a checkpoint of this project or of another one; the best one of the "
                            "YAML's run if not given")
    judge.add_argument("--source", choices=sorted(SOURCES),
                       help="the project the checkpoint comes from, where its keys do not tell "
                            "(see nets/files/sources.py)")
    judge.add_argument("--sweep", action="store_true",
                       help="compare all decoders, with and without flip test, from one pass")
    judge.add_argument("--report", type=Path, metavar="DIR",
                       help="write an HTML report with curves, errors and pictures")
    search = parsers["detect"]
    search.add_argument("--images", type=Path, required=True, metavar="DIR_or_JSON",
                        help="a folder of images, or a COCO annotation file")
    search.add_argument("--img-root", type=Path, metavar="DIR",
                        help="the folder of the images that an annotation file names")
    search.add_argument("--out", type=Path, required=True, metavar="FILE",
                        help="the detections file to write; an interrupted search goes on")
    parsers["check"].add_argument("--report", type=Path, metavar="DIR",
                                  help="write an HTML page: the training crops as the network "
                                       "will see them, histograms, the upper bound of AP")
    parsers["check"].add_argument("--repeated", type=Path, metavar="FILE",
                                  help="COCO keypoints of some of the images, labelled by "
                                       "somebody else: estimates the sigmas of the skeleton")
    parsers["check"].epilog = ("Status 0: nothing is wrong; 1: something is; 2: a setting is "
                               "wrong. " + EPILOG)
    parsers["info"].add_argument("--keys", action="store_true",
                                 help="show every key of the YAML instead, as Markdown")
    people = parsers["predict"]
    people.add_argument("--weights", type=Path, required=True, metavar="FILE",
                        help="a checkpoint of this project, an .onnx file, or another project's "
                             "checkpoint with --config")
    people.add_argument("--out", type=Path, required=True, metavar="DIR_or_FILE",
                        help="a folder, or for one image or video a .jpg, .png or .mp4 file")
    people.add_argument("--config", type=Path, metavar="CONFIG.yaml",
                        help="what the weights do not say themselves, and the detector")
    people.add_argument("--smooth", action="store_true",
                        help="calm the joints of a video (one-euro filter)")
    people.add_argument("--legend", action="store_true",
                        help="write scores and ids at the people, and what the colours mean")
    writer = parsers["export"]
    writer.add_argument("--weights", type=Path, required=True, metavar="FILE",
                        help="a checkpoint of this project, or another project's with --config")
    writer.add_argument("--out", type=Path, required=True, metavar="FILE.onnx",
                        help="the file to write, after a check with onnxruntime")
    writer.add_argument("--config", type=Path, metavar="CONFIG.yaml",
                        help="the network's YAML, where the weights do not say what they are")
    writer.add_argument("--decode", action="store_true",
                        help="put the decoder in the file: it then gives keypoints in input "
                             "pixels and scores, without flip test")
    writer.add_argument("--opset", type=int, metavar="N",
                        help="version of ONNX's operators, 18 or newer (PyTorch's choice)")
    reader = parsers["import"]
    reader.add_argument("--from", dest="form", required=True, choices=sorted(IMPORTERS),
                        help="the tool or data set that the annotations come from")
    reader.add_argument("--skeleton", required=True, metavar="NAME_or_YAML",
                        help="a name in configs/skeletons, or the path of your own")
    reader.add_argument("--out", type=Path, required=True, metavar="FILE",
                        help="the COCO keypoints file to write")
    reader.add_argument("--val", type=Path, metavar="FILE",
                        help="a second file, for validation: the last fifth of the images in the "
                             "order of their names goes there instead")
    reader.add_argument("--images", type=Path, metavar="DIR",
                        help="the folder of the images, if they do not lie beside the annotations")
    reader.add_argument("--category", default="person", metavar="NAME",
                        help="what the annotated are called in the file (person)")
    return parser


def main(words: list[str]) -> int:
    """Run one command; returns the exit status. Errors of the user are one sentence, status 2."""
    if not words or (words[0] not in COMMANDS and words[0] not in ("-h", "--help")):
        words = ["train", *words]
    parser = build_parser()
    arguments, rest = parser.parse_known_args(words)
    if any(word.startswith("-") for word in rest):
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    arguments.settings += rest      # argparse leaves settings that stand behind an option
    try:
        status = arguments.function(arguments)
    except (UserError, OSError) as error:
        if os.environ.get("SIMPLEPOSE_TRACEBACK"):
            raise
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:       # before the training began, or the second one in it
        print("stopped", file=sys.stderr)
        return 128 + signal.SIGINT
    return status or 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
