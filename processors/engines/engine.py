"""Engines: what runs a pose network. PyTorch operation by operation, compiled, or ONNX Runtime."""
import copy
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from processors.engines.compiled_network import CompiledNetwork
from processors.engines.measure import example_images, outputs_of
from processors.engines.onnx_program import missing_packages, to_onnx
from processors.models.onnx_model import OnnxNetwork, try_out
from processors.models.pose_model import PoseModel, build_codec
from utils.errors import UserError, first_line
from utils.log import log


def compiled(model: PoseModel) -> PoseModel:
    """By torch.compile, in the model's precision."""
    return replace(model, network=CompiledNetwork(model.network))


def in_onnxruntime(model: PoseModel) -> PoseModel:
    """By onnxruntime, in full precision, without a file. Raises UserError where packages are
    missing or the network cannot be exported."""
    if missing := missing_packages():
        raise UserError(f"it needs the packages {' and '.join(missing)}, see pip install "
                        f"{' '.join(missing)}")
    codec = build_codec(model.config, model.skeleton)
    on_cpu = replace(model, network=copy.deepcopy(model.network).cpu())
    program = to_onnx(on_cpu, codec, decode=False, opset=None).SerializeToString()
    network = OnnxNetwork(Path("the exported network"), model.device, program)
    try_out(network, codec, model.skeleton, decoded=False)
    return replace(model, network=network.eval(), dtype=None)


ENGINES: dict[str, Callable[[PoseModel], PoseModel]] = {
    "eager": lambda model: model, "compiled": compiled, "onnx": in_onnxruntime}


def in_engine(model: PoseModel, engine: str) -> PoseModel:
    """The model run by a named engine, which has run once. Raises UserError for what cannot be."""
    if isinstance(model.network, OnnxNetwork):
        if engine == "onnx":
            return model
        raise UserError(f"--engine is {engine}, and {model.network.path} is run by onnxruntime: "
                        f"leave it out, or give the checkpoint that the file was made of")
    try:
        other = ENGINES[engine](model)
        if engine == "compiled":
            log.info("the pose network is compiled, which takes up to minutes")
            outputs_of(other, example_images(other, 2))
    except Exception as error:      # a compiler's and an exporter's many parts have their own
        raise UserError(f"--engine {engine} cannot run this network here ({first_line(error)}): "
                        f"take another one") from error
    return other
