"""Weights files of YOLOv5, published and own-trained, read by their own names."""
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from nets.detectors.yolov5 import (
    SIZES,
    ConvUnit,
    CrossStage,
    PyramidPool,
    Residual,
    YOLOv5,
    multiple_of_8,
)
from nets.files.unpickle import Stub, module_state, read_pickled
from nets.files.weights_file import ensure_file, read_weights_file
from utils.errors import UserError

MOST_CLASSES = 10_000   # in a file; one that claims more is damaged or wants to fill the memory
# Our names of parts -> those of the published weights, by the part they belong to
OFFICIAL_NAMES = {
    YOLOv5: {
        "stem": "model.0", "down2": "model.1", "stage2": "model.2", "down3": "model.3",
        "stage3": "model.4", "down4": "model.5", "stage4": "model.6", "down5": "model.7",
        "stage5": "model.8", "pool": "model.9", "side5": "model.10", "up4": "model.13",
        "side4": "model.14", "up3": "model.17", "back4": "model.18", "merge4": "model.20",
        "back5": "model.21", "merge5": "model.23", "outputs": "model.24.m",
        "anchors": "model.24.anchors"},
    ConvUnit: {"norm": "bn"},
    Residual: {"mix": "cv1", "look": "cv2"},
    CrossStage: {"through": "cv1", "around": "cv2", "join": "cv3", "blocks": "m"},
    PyramidPool: {"narrow": "cv1", "join": "cv2"},
}


def official_name(net: YOLOv5, key: str) -> str:
    """What the published weights call a tensor of our state_dict."""
    part, words = net, []
    for word in key.split("."):
        words.append(OFFICIAL_NAMES.get(type(part), {}).get(word, word))
        part = getattr(part, word)
    return ".".join(words)


def load_yolov5(path: str | Path, name: str = "") -> YOLOv5:
    """The network of a weights file, in eval mode, float32, on the CPU. Nothing in it is run.

    path: a published or own-trained yolov5*.pt (the pickle of a whole module), a state_dict
    with those names or with ours, or one as .safetensors. name: the size that is expected; the
    file knows its own. Raises FileNotFoundError, or ValueError for a file that holds no such
    network or one of another size.
    """
    path = Path(path)
    state, class_names = _read(path)
    stem = _first(state, "model.0.conv.weight", "stem.conv.weight")
    bias = _first(state, "model.24.m.0.bias", "outputs.0.bias")
    sizes = {multiple_of_8(64 * width): size for size, (_, width) in SIZES.items()}
    channels = len(stem) if stem.ndim == 4 else 0
    num_classes = len(bias) // 3 - 5 if bias.ndim == 1 else 0
    if channels not in sizes or not 1 <= num_classes <= MOST_CLASSES:
        raise UserError(f"{path} holds no YOLOv5 network of release 6 or 7 with three levels: "
                         f"give a file such as yolov5s.pt")
    size = sizes[channels]
    if name and name != size:
        raise UserError(f"{path} holds {size}, but detector.name is {name}: write {size} there "
                         f"or give the file of {name}")
    net = YOLOv5(size, num_classes).eval()
    _fill(net, state, path)
    net.class_names = class_names if len(class_names) == num_classes else ()
    return net


def _first(state: Mapping[str, torch.Tensor], *keys: str) -> torch.Tensor:
    return next((state[key] for key in keys if key in state), torch.empty(0))


def _fill(net: YOLOv5, state: Mapping[str, torch.Tensor], path: Path) -> None:
    """Copy a state_dict by official names or ours into the net; all must be there and fit."""
    def weights(tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        return {key: value for key, value in tensors.items()
                if not key.endswith("num_batches_tracked")}      # only counted in training

    ours = weights(net.state_dict())
    renamed = {official_name(net, key): key for key in ours}
    given = {renamed.get(key, key): value for key, value in weights(state).items()}
    odd = [key for key, value in ours.items()
           if key not in given or given[key].shape != value.shape]
    odd += [key for key in given if key not in ours]
    if odd:
        raise UserError(f"{path} does not fit {net.name} of release 6 or 7: {len(odd)} tensors "
                         f"are missing, left over or of another shape, first {odd[0]}; give a "
                         f"published file such as {net.name}.pt")
    net.load_state_dict(given, strict=False)     # converts fp16


def _read(path: Path) -> tuple[dict[str, torch.Tensor], tuple[str, ...]]:
    """The tensors of a file without wrappers' prefixes, and the names of the classes if told."""
    ensure_file(path, "weights/yolov5s.pt")
    readable = path.suffix != ".safetensors" and zipfile.is_zipfile(path)
    content = read_pickled(path) if readable else read_weights_file(path)
    if isinstance(content, Mapping):     # a training checkpoint; the averaged weights are better
        content = next((content[key] for key in ("ema", "model", "state_dict")
                        if content.get(key) is not None), content)
    class_names: Any = ()
    if isinstance(content, Stub):
        module, content = content, module_state(content)
        class_names = module.state.get("names") if content else ()
    entries = content.items() if isinstance(content, Mapping) else ()
    tensors = {key: value for key, value in entries
               if isinstance(key, str) and isinstance(value, torch.Tensor)}
    if isinstance(class_names, Mapping):
        class_names = list(class_names.values())
    known = isinstance(class_names, list | tuple) and all(type(n) is str for n in class_names)
    return _without_prefix(tensors), tuple(class_names) if known else ()


def _without_prefix(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Names from "model.0." on, whatever DataParallel and other wrappers put before them."""
    prefix = next((key.removesuffix("model.0.conv.weight") for key in tensors
                   if key.endswith("model.0.conv.weight")), "")
    return {key.removeprefix(prefix): value for key, value in tensors.items()}
