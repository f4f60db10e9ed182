"""Engines: what runs a pose network. PyTorch operation by operation, compiled, or ONNX Runtime."""
import copy
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import torch
from torch import Tensor

from processors.engines.compiled_network import CompiledNetwork
from processors.engines.onnx_program import PACKAGES, to_onnx
from processors.models.onnx_model import OnnxNetwork, try_out
from processors.models.pose_model import PoseModel, build_codec
from processors.runtime.precision import autocast
from utils.errors import UserError, first_line
from utils.log import log

GAIN = 1.15         # times as fast must another engine be
WORTH = 600.0       # seconds that all people take, below which trying costs more than it brings
BATCH = 8           # people to measure with
ROUNDS = 3          # of which the fastest counts
CLOSE, CLOSE_IN_HALF = 1e-3, 0.05   # of the largest value, how far its outputs may be


def compiled(model: PoseModel) -> PoseModel:
    """By torch.compile, in the model's precision. The first batch takes seconds to minutes."""
    return replace(model, network=CompiledNetwork(model.network))


def in_onnxruntime(model: PoseModel) -> PoseModel:
    """By onnxruntime, in full precision, without a file. Raises UserError where packages are
    missing or the network cannot be exported."""
    missing = [name for name in PACKAGES if find_spec(name) is None]
    if missing:
        raise UserError(f"the engine onnx needs the packages {' and '.join(missing)}: pip install "
                        f"{' '.join(missing)}, or take another --engine")
    codec = build_codec(model.config, model.skeleton)
    on_cpu = replace(model, network=copy.deepcopy(model.network).cpu())
    program = to_onnx(on_cpu, codec, decode=False, opset=None).SerializeToString()
    network = OnnxNetwork(Path("the network"), model.device, program)
    try_out(network, codec, model.skeleton, decoded=False)
    return replace(model, network=network.eval(), dtype=None)


ENGINES: dict[str, Callable[[PoseModel], PoseModel]] = {
    "eager": lambda model: model, "compiled": compiled, "onnx": in_onnxruntime}


def in_engine(model: PoseModel, engine: str) -> PoseModel:
    """The model run by a named engine. Raises UserError for what cannot be."""
    if isinstance(model.network, OnnxNetwork) and engine != "onnx":
        raise UserError(f"--engine is {engine}, and {model.network.path} is run by onnxruntime: "
                        f"leave it out, or give the checkpoint that the file was made of")
    if engine == "compiled":
        log.info("the pose network is compiled at the first people, which takes up to minutes")
    return model if isinstance(model.network, OnnxNetwork) else ENGINES[engine](model)


def in_fastest_engine(model: PoseModel, people: int) -> PoseModel:
    """The model in the engine that is measured to be the fastest here, if so many people, the
    mirrored ones counted, take long enough; said. A network in an .onnx file stays in it."""
    if isinstance(model.network, OnnxNetwork):
        return model
    expected = _seconds([model])[0] / BATCH * people
    if expected < WORTH:
        return model
    log.info("the network alone is expected to take %.0f minutes, so other engines are tried "
             "(--engine eager leaves them out)", expected / 60)
    best, name = model, "eager"
    in_full = model.dtype is None and model.device.type == "cpu"
    for engine in ["compiled"] + ["onnx"] * in_full:
        other = _tried(model, engine)
        if other is None:
            continue
        had, has = _seconds([best, other])
        log.info("the engine %s is measured %.2f times as fast as %s, and %s", engine, had / has,
                 name, "taken" if had / has >= GAIN else "not taken")
        if had / has >= GAIN:
            best, name = other, engine
    return best


def _tried(model: PoseModel, engine: str) -> PoseModel | None:
    """The model in another engine, if that works and gives the same outputs; else it is said."""
    try:
        other, images = ENGINES[engine](model), _images(model)
        wanted, found = _outputs(model, images), _outputs(other, images)
    except Exception as error:      # a compiler's and an exporter's many parts have their own
        log.warning("the engine %s cannot run this network here (%s)", engine, first_line(error))
        return None
    off = float((found - wanted).abs().max() / wanted.abs().max().clamp(min=1e-30))
    if not off <= (CLOSE if model.dtype is None else CLOSE_IN_HALF):
        log.warning("the engine %s is not taken, since its outputs are off by %.1e of the largest "
                    "value", engine, off)
        return None
    return other


def _seconds(models: Sequence[PoseModel]) -> list[float]:
    """Of a batch of each, in turns, after a first round that does not count."""
    images = _images(models[0])
    found: list[list[float]] = [[] for _ in models]
    for _ in range(ROUNDS + 1):
        for model, seconds in zip(models, found, strict=True):
            start = time.perf_counter()
            _outputs(model, images)
            seconds.append(time.perf_counter() - start)
    return [min(seconds[1:]) for seconds in found]


def _images(model: PoseModel) -> Tensor:
    width, height = model.codec.input_size
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(BATCH, 3, height, width, generator=generator).to(model.device)
    return images.contiguous(memory_format=torch.channels_last)


@torch.inference_mode()
def _outputs(model: PoseModel, images: Tensor) -> Tensor:
    """On the CPU, which waits for a GPU."""
    with autocast(model.dtype, model.device):
        return model.network(images).float().cpu()
