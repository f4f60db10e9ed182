"""`python main.py predict`: the words, and the job they name."""
from argparse import ArgumentParser, Namespace
from pathlib import Path

from processors.commands.arguments import Job, add_settings
from utils.errors import UserError


def add_arguments(parser: ArgumentParser) -> None:
    add_settings(parser, "SOURCE section.key=value",
                 "an image, a folder, a quoted pattern such as 'photos/*.jpg', a video, or the "
                 "number of a camera; then settings such as detector.weights=yolov5s.pt")
    parser.add_argument("--weights", type=Path, required=True, metavar="FILE",
                        help="a checkpoint of this project, an .onnx file, or another project's "
                             "checkpoint with --config")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR_or_FILE",
                        help="a folder, or for one image or video a .jpg, .png or .mp4 file")
    parser.add_argument("--config", type=Path, metavar="CONFIG.yaml",
                        help="what the weights do not say themselves, and the detector")
    parser.add_argument("--smooth", action="store_true",
                        help="calm the joints of a video (one-euro filter)")
    parser.add_argument("--legend", action="store_true",
                        help="write scores and ids at the people, and what the colours mean")


def job(words: Namespace) -> Job:
    source, *overrides = words.settings or [""]
    if not source or ("=" in source and not Path(source).exists()):
        raise UserError("predict needs a source before its settings: an image, a folder, a "
                        "pattern such as 'photos/*.jpg', a video, or the number of a camera")
    return Job("processors.jobs.predict:predict",
               {"source": source, "weights": words.weights, "out": words.out,
                "config": words.config, "overrides": overrides, "smooth": words.smooth,
                "legend": words.legend})
