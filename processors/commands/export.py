"""`python main.py export`: the words, and the job they name."""
from argparse import ArgumentParser, Namespace
from pathlib import Path

from configs.arguments import WEIGHTS, Job, add_settings, options
from utils.errors import UserError

OTHERS = ("hrnet", "simplebaselines", "mmpose", "vitpose_hf")   # of nets/official_forms.py
OURS = "simplepose"


def add_arguments(parser: ArgumentParser) -> None:
    add_settings(parser, "section.key=value",
                 "settings that replace the checkpoint's, such as codec.decoder=quarter")
    parser.add_argument("--weights", required=True, metavar=WEIGHTS,
                        help="a checkpoint of this project, a name that the command weights lists, "
                             "or another project's checkpoint with --config")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE.onnx",
                        help="the file to write, after a check with onnxruntime; with --form a "
                             ".pth file or a folder")
    parser.add_argument("--form", choices=(*OTHERS, OURS),
                        help="write the weights for another project's code instead: HRNet's, "
                             "SimpleBaselines', mmpose 1.x, or a folder for transformers' "
                             "ViTPose; simplepose: for this one, at half the size, without the run")
    parser.add_argument("--config", type=Path, metavar="CONFIG.yaml",
                        help="the network's YAML, where the weights do not say what they are")
    parser.add_argument("--decode", action="store_true",
                        help="put the decoder in the file: it then gives keypoints in input "
                             "pixels and scores, without flip test")
    parser.add_argument("--opset", type=int, metavar="N",
                        help="version of ONNX's operators, 16 or newer (PyTorch's choice); 16 and "
                             "17 by onnx's converter, which does not know every network")


def job(words: Namespace) -> Job:
    said = {"overrides": words.settings, **options(words)}
    form = said.pop("form")
    if form is None:
        return Job("processors.jobs.export:export", said)
    if said.pop("decode") or said.pop("opset") is not None:
        raise UserError("--decode and --opset are of ONNX files, and --form writes another: leave "
                        "them out")
    if form == OURS:
        return Job("processors.publishing.half_precision:export_half", said)
    return Job("processors.publishing.official_form:export_form", said | {"form": form})
