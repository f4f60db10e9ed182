"""Weights files of YOLOv5, published and own-trained."""
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from nets.detectors.yolov5 import SIZES, YOLOv5, multiple_of_8
from nets.files.state_dict_checks import COUNTERS, ensure_finite, ensure_plain_numbers
from nets.files.weights_file import ensure_file, read_weights_file
from utils.errors import UserError
from utils.shown import first_few

LONGEST_NAME = 1000     # letters; names grow with the depth, and a file may make them of any length
MOST_CLASSES = 10_000   # in a file; one that claims more is damaged or wants to fill the memory
FIRST, LAST = "model.0.conv.weight", "model.24.m.0.bias"    # channels and classes are told by these
# What the files pickle: classes of YOLOv5's code (older ones too, so that they are named as what
# they are) and of torch. The list is closed: a file with any other class is refused.
MODULES = (
    "models.yolo.Model", "models.yolo.DetectionModel", "models.yolo.Detect",
    *(f"models.common.{name}" for name in (
        "Conv", "C3", "Bottleneck", "SPPF", "Concat", "SPP", "Focus", "BottleneckCSP", "DWConv")),
    *(f"torch.nn.modules.{name}" for name in (
        "conv.Conv2d", "batchnorm.BatchNorm2d", "activation.SiLU", "activation.LeakyReLU",
        "activation.Hardswish", "pooling.MaxPool2d", "upsampling.Upsample", "linear.Identity",
        "container.Sequential", "container.ModuleList")))


def load_yolov5(path: str | Path, name: str = "") -> YOLOv5:
    """The network of a weights file, in eval mode, float32, on the CPU. Nothing in it is run.

    path: a published or own-trained yolov5*.pt (the pickle of a whole module), or a state_dict
    with the same names, also as .safetensors. name: the size that is expected; the file knows its
    own. Raises FileNotFoundError, or UserError for a file that holds no such network, one of
    another size, or weights that are not finite.
    """
    path = Path(path)
    state, class_names = _read(path)
    first, last = (state.get(key, torch.empty(0)) for key in (FIRST, LAST))
    sizes = {multiple_of_8(64 * width): size for size, (_, width) in SIZES.items()}
    channels = len(first) if first.ndim == 4 else 0
    num_classes = len(last) // 3 - 5 if last.ndim == 1 else 0
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


def _fill(net: YOLOv5, state: Mapping[str, torch.Tensor], path: Path) -> None:
    """Copy a state_dict into the net; all must be there and fit, but for counters of training."""
    def weights(tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        return {key: value for key, value in tensors.items() if not key.endswith(COUNTERS)}

    ours, given = weights(net.state_dict()), weights(state)
    odd = [key for key, value in ours.items()
           if key not in given or given[key].shape != value.shape]
    odd += [key for key in given if key not in ours]
    if odd:
        raise UserError(f"{path} does not fit {net.name} of release 6 or 7: {len(odd)} tensors "
                        f"are missing, left over or of another shape: {first_few(odd)}; give a "
                        f"published file such as {net.name}.pt")
    ensure_plain_numbers(given, ours, str(path))
    ensure_finite(given, ours, str(path))
    net.load_state_dict(given, strict=False)     # converts fp16


def _read(path: Path) -> tuple[dict[str, torch.Tensor], tuple[str, ...]]:
    """The tensors of a file without wrappers' prefixes, and the names of the classes if told."""
    ensure_file(path, "weights/yolov5s.pt")
    content = read_weights_file(path, MODULES)
    class_names: Any = ()
    if isinstance(content, Mapping):     # a training checkpoint; the averaged weights are better
        class_names = content.get("names", ())
        content = next((content[key] for key in ("ema", "model", "state_dict")
                        if content.get(key) is not None), content)
    if isinstance(content, Mapping) and "_modules" in content:
        class_names = content.get("names") or class_names
        try:
            content = module_state(content)
        except UserError as error:
            raise UserError(f"{path} cannot be read as weights: {error}") from error
    entries = content.items() if isinstance(content, Mapping) else ()
    tensors = {key: value for key, value in entries
               if isinstance(key, str) and isinstance(value, torch.Tensor)}
    if isinstance(class_names, Mapping):
        class_names = [class_names.get(number) for number in range(len(class_names))]
    known = isinstance(class_names, list | tuple) and all(type(n) is str for n in class_names)
    # whatever DataParallel and other wrappers put before "model.0."
    prefix = next((key.removesuffix(FIRST) for key in tensors if key.endswith(FIRST)), "")
    return ({key.removeprefix(prefix): value for key, value in tensors.items()},
            tuple(class_names) if known else ())


def module_state(module: Any) -> dict[str, torch.Tensor]:
    """The state_dict of a torch.nn.Module that a file holds as a whole object, of which
    `read_weights_file(path, modules)` leaves the attributes; {} if they are none. Raises UserError,
    without the file's name, for names that cannot be."""
    found: dict[str, torch.Tensor] = {}
    todo = [("", module)]
    while todo:
        prefix, module = todo.pop()
        own = _named(module, "_parameters") + _named(module, "_buffers")
        children = _named(module, "_modules")
        if any(len(prefix) + len(name) > LONGEST_NAME for name, _ in own + children):
            raise UserError("its modules have names beyond all measure; take another file")
        found |= {prefix + name: value for name, value in own if isinstance(value, torch.Tensor)}
        todo += [(f"{prefix}{name}.", child) for name, child in children]
    return found


def _named(module: Any, kind: str) -> list[tuple[str, Any]]:
    """Entries of a module with names that are text; others belong to no network."""
    entries = module.get(kind) if isinstance(module, dict) else None
    return [(name, value) for name, value in entries.items() if type(name) is str
            ] if isinstance(entries, dict) else []
