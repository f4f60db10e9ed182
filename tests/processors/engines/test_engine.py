"""Engines: the same outputs by whatever runs the network."""
import shutil
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from torch import nn

import main
from configs.schema import CodecConfig
from datasets.annotations.skeleton import load_skeleton
from nets import build_net
from processors.commands import predict as predict_command
from processors.engines import engine as engine_module
from processors.engines import onnx_program
from processors.engines.engine import ENGINES, in_engine
from processors.engines.fastest import in_fastest_engine
from processors.engines.measure import example_images
from processors.engines.onnx_program import PACKAGES
from processors.models.onnx_model import OnnxNetwork
from processors.models.pose_model import PoseModel, build_codec
from tests.processors.pose_checkpoints import small_config, write_checkpoint
from utils.errors import UserError

CPU = torch.device("cpu")


def model_of(config) -> PoseModel:
    skeleton = load_skeleton("coco")
    torch.manual_seed(0)
    net = build_net(config.model, input_size=config.codec.input_size, split=config.codec.split)
    return PoseModel(net.eval(), build_codec(config, skeleton), skeleton, "rgb_mean", config, CPU)


@pytest.fixture
def model():
    return model_of(small_config())


def outputs(model, count):
    with torch.inference_mode():
        return model.network(example_images(model, count))


def assert_same(model, other):
    for count in (3, 1, 5):
        wanted = outputs(model, count)
        assert (outputs(other, count) - wanted).abs().max() < 1e-4 * wanted.abs().max()


def test_the_command_knows_them():
    assert tuple(ENGINES) == predict_command.ENGINES


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("g++"), reason="torch.compile needs a compiler")
@pytest.mark.parametrize("sizes", [(1, 3, 16, 20, 2, 1), (20, 1, 16, 3)])
def test_compiled_it_gives_the_same_for_batches_of_any_size(model, sizes):
    """Two programs serve them all."""
    torch._dynamo.reset()
    other, counts = in_engine(model, "compiled"), torch._dynamo.utils.counters["stats"]
    before = counts["unique_graphs"]
    for count in sizes:
        wanted = outputs(model, count)
        assert (outputs(other, count) - wanted).abs().max() < 1e-4 * wanted.abs().max()
    assert counts["unique_graphs"] - before == 1       # one was there


def test_what_cannot_be_compiled_is_one_sentence(model, monkeypatch):
    def compiler(_):
        raise RuntimeError("no compiler: g++\nset this and that")
    monkeypatch.setattr(engine_module, "CompiledNetwork", lambda _: compiler)
    with pytest.raises(UserError) as error:
        in_engine(model, "compiled")
    assert str(error.value) == ("--engine compiled cannot run this network here (no compiler: g++):"
                                " take another one")


@pytest.mark.parametrize("kind", ["heatmaps", "visibility", "simcc"])
def test_onnxruntime_gives_the_same(model, kind):
    for name in PACKAGES:
        pytest.importorskip(name)
    config = model.config
    if kind == "visibility":
        config = replace(config, model=replace(config.model, visibility=True))
    if kind == "simcc":
        config = replace(config, model=replace(config.model, head="simcc"),
                         codec=CodecConfig(kind="simcc", input_size=config.codec.input_size))
    model = replace(model_of(config), dtype=torch.bfloat16)
    other = in_engine(model, "onnx")
    assert isinstance(other.network, OnnxNetwork) and other.dtype is None
    if kind == "visibility":    # it tells probabilities, whose logarithms are as good as logits
        decoded = [one.codec.decode(outputs(one, 3)) for one in (other, model)]
        for found, wanted in [*zip(*decoded, strict=True)][1:]:     # of noise, places say nothing
            assert (found - wanted).abs().max() < 1e-4
    else:
        assert_same(model, other)


def test_what_is_missing_for_onnx_is_named(model, monkeypatch):
    monkeypatch.setattr(onnx_program, "find_spec", lambda name: name != "onnxscript" or None)
    with pytest.raises(UserError, match="needs the packages onnxscript, see pip install"):
        in_engine(model, "onnx")


def test_a_network_in_an_onnx_file_has_its_engine(model):
    network = OnnxNetwork.__new__(OnnxNetwork)
    nn.Module.__init__(network)
    network.path = Path("net.onnx")
    model = replace(model, network=network)
    assert in_engine(model, "onnx") is model and in_fastest_engine(model, 10 ** 9) is model
    with pytest.raises(UserError, match="--engine is eager, and net.onnx is run by onnxruntime"):
        in_engine(model, "eager")


def test_predict_takes_the_engine_that_is_asked_for(tmp_path, monkeypatch):
    asked, weights = [], write_checkpoint(tmp_path / "x_best.pth", small_config())
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((40, 30, 3), np.uint8))
    monkeypatch.setitem(engine_module.ENGINES, "compiled",
                        lambda model: asked.append(model) or model)
    words = ["predict", str(tmp_path / "a.png"), "--weights", str(weights), "--out",
             str(tmp_path / "out"), "gpus="]
    assert main.main([*words, "--engine", "compiled"]) == 0 and len(asked) == 1
    assert main.main(words) == 0 and len(asked) == 1
