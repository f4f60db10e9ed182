"""`python main.py predict`: the words, and the job they name."""
import re
from argparse import ArgumentParser, Namespace
from pathlib import Path

from configs.arguments import WEIGHTS, Job, add_settings
from utils.errors import UserError

SOURCES = ("an image, a folder of images or videos, a quoted pattern such as 'photos/*.jpg', a "
           "video, the number or device of a camera, or an address such as rtsp://...")

# The keys of FORMS in processors/labelling/forms.py, which --help need not import
LABELS = ("coco", "cvat", "labelme", "yolo")
# and those of ENGINES in processors/engines/engine.py
ENGINES = ("eager", "compiled", "onnx")
EVERY = 30      # of the frames of a video


def add_arguments(parser: ArgumentParser) -> None:
    add_settings(parser, "SOURCE section.key=value",
                 f"{SOURCES}; then settings such as detector.weights=yolov5s.pt")
    parser.add_argument("--weights", metavar=WEIGHTS,
                        help="a checkpoint of this project, an .onnx file, a name that the command "
                             "weights lists, or another project's checkpoint with --config (a "
                             "published network and detector, which are fetched)")
    parser.add_argument("--out", type=Path, metavar="DIR_or_FILE",
                        help="a folder, or for one image or video a .jpg, .png or .mp4 file "
                             "(beside the source, with _pose behind its name)")
    parser.add_argument("--config", type=Path, metavar="CONFIG.yaml",
                        help="what the weights do not say themselves, and the detector")
    parser.add_argument("--boxes", type=Path, metavar="FILE.json",
                        help="boxes of people in place of a detector: COCO results or annotations")
    parser.add_argument("--format", choices=("jsonl", "coco", "openpose", "csv"), default="jsonl",
                        help="of the results (jsonl: a line of JSON for each picture)")
    parser.add_argument("--labels", choices=LABELS, default="",
                        help="write labels to correct in a labelling tool instead, where it looks "
                             "for them; labels that are there stay as they are")
    parser.add_argument("--every", type=int, default=0, metavar="N",
                        help="with --labels: of a video every N-th frame is labelled, and written "
                             "as a picture (30)")
    parser.add_argument("--no-pictures", action="store_true", help="write the results only")
    parser.add_argument("--fps", type=float, default=0.0, metavar="N",
                        help="the images follow each other, N in a second: people have ids")
    parser.add_argument("--smooth", action="store_true",
                        help="calm the joints of a video or sequence (one-euro filter)")
    parser.add_argument("--legend", action="store_true",
                        help="write scores and ids at the people, and what the colours mean")
    parser.add_argument("--threshold", type=float, default=0.3, metavar="SCORE",
                        help="joints with a lower score are not drawn, or not labelled (0.3)")
    parser.add_argument("--line-width", type=float, default=0.0, metavar="PIXELS",
                        help="of the skeletons (by the size of each person)")
    parser.add_argument("--engine", choices=ENGINES, default="",
                        help="what runs the pose network (for long videos the one that is measured "
                             "to be the fastest, else eager)")
    parser.add_argument("--codec", choices=("mp4v", "h264", "vp9"), default="",
                        help="of a video (h264 if OpenCV can write it, else mp4v; vp9 is slow)")


def job(words: Namespace) -> Job:
    source, *overrides = words.settings or [""]
    is_setting = re.match(r"[\w.]+=", source) and not Path(source).exists()
    if not source or is_setting:
        raise UserError(f"predict needs a source before its settings: {SOURCES}")
    for option, value, high in (("--fps", words.fps, 1000), ("--line-width", words.line_width, 500),
                                ("--threshold", words.threshold, 1)):
        if not 0 <= value <= high:
            raise UserError(f"{option} is {value}; it must lie between 0 and {high}")
    _ensure_of_labels(words)
    return Job("processors.jobs.predict:predict", {
        "source": source, "weights": words.weights, "out": words.out, "config": words.config,
        "overrides": overrides, "smooth": words.smooth, "fps": words.fps, "boxes": words.boxes,
        "engine": words.engine,
        "output": {"form": words.format, "pictures": not (words.no_pictures or words.labels),
                   "codec": words.codec, "labels": words.labels, "every": words.every or EVERY,
                   "legend": words.legend, "threshold": words.threshold,
                   "line_width": words.line_width}})


def _ensure_of_labels(words: Namespace) -> None:
    """Raise UserError for options that mean nothing with --labels, and for --every without it."""
    if words.every and not words.labels:
        raise UserError("--every belongs to --labels: leave it out")
    if words.every < 0:
        raise UserError(f"--every is {words.every}; write 1 for all frames, 30 for every 30th")
    given = [option for option, value in (
        ("--format", words.format != "jsonl"), ("--fps", words.fps), ("--smooth", words.smooth),
        ("--legend", words.legend), ("--line-width", words.line_width), ("--codec", words.codec))
        if value]
    if words.labels and given:
        raise UserError(f"--labels writes labels in the place of results, drawn pictures and "
                        f"tracks: leave {', '.join(given)} out")
