"""Engines: the same outputs by whatever runs the network, and the fastest where it pays."""
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
from processors.engines.engine import ENGINES, in_engine, in_fastest_engine
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


@pytest.fixture
def said(monkeypatch):
    lines = []
    for level in ("info", "warning"):
        monkeypatch.setattr(engine_module.log, level,
                            lambda text, *words: lines.append(text % words))
    return lines


def outputs(model, count):
    width, height = model.codec.input_size
    with torch.inference_mode():
        return model.network(torch.randn(count, 3, height, width,
                                         generator=torch.Generator().manual_seed(count)))


def assert_same(model, other):
    for count in (3, 1, 5):
        wanted = outputs(model, count)
        assert (outputs(other, count) - wanted).abs().max() < 1e-4 * wanted.abs().max()


def test_the_command_knows_them():
    assert tuple(ENGINES) == predict_command.ENGINES


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("g++"), reason="torch.compile needs a compiler")
def test_compiled_it_gives_the_same_for_batches_of_any_size(model):
    with torch._dynamo.config.patch(error_on_recompile=True):
        assert_same(model, in_engine(model, "compiled"))


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
    monkeypatch.setattr(engine_module, "find_spec", lambda name: name != "onnxscript" or None)
    with pytest.raises(UserError, match="needs the packages onnxscript: pip install onnxscript"):
        in_engine(model, "onnx")


def test_a_network_in_an_onnx_file_has_its_engine(model):
    network = OnnxNetwork.__new__(OnnxNetwork)
    nn.Module.__init__(network)
    network.path = Path("net.onnx")
    model = replace(model, network=network)
    assert in_engine(model, "onnx") is model and in_fastest_engine(model, 10 ** 9) is model
    with pytest.raises(UserError, match="--engine is eager, and net.onnx is run by onnxruntime"):
        in_engine(model, "eager")


class Scaled(nn.Module):
    def __init__(self, network, factor):
        super().__init__()
        self.network, self.factor = network, factor

    def forward(self, images):
        return self.network(images) * self.factor


def engines(monkeypatch, seconds, factor=1.0):
    """Other engines of so many seconds a batch (eager: 1) whose outputs are off by a factor."""
    made = {}

    def make(name):
        def run(model):
            if seconds[name] is None:
                raise RuntimeError("no compiler\nlong story")
            made[name] = replace(model, network=Scaled(model.network, factor))
            return made[name]
        return run

    def timed(models):
        names = {id(model): name for name, model in made.items()}
        return [seconds[names[id(model)]] if id(model) in names else 1.0 for model in models]

    monkeypatch.setattr(engine_module, "_seconds", timed)
    monkeypatch.setattr(engine_module, "ENGINES", {name: make(name) for name in seconds})
    return made


@pytest.mark.parametrize("compiled, onnx, taken", [
    (0.5, 0.6, "compiled"), (0.5, 0.4, "onnx"), (0.95, 0.7, "onnx"), (0.95, 0.9, None),
    (None, 0.5, "onnx"), (0.5, None, "compiled"), (None, None, None)])
def test_the_fastest_is_taken_and_said(model, said, monkeypatch, compiled, onnx, taken):
    made = engines(monkeypatch, {"compiled": compiled, "onnx": onnx})
    found = in_fastest_engine(model, 100_000)
    assert found is made.get(taken, model)
    assert "take 208 minutes" in said[0] and len(said) == 3
    assert sum("cannot run this network here (no compiler)" in line for line in said) == (
        [compiled, onnx].count(None))
    assert bool(taken) == any(line.endswith(", and taken") for line in said)


def test_where_it_is_short_nothing_is_tried(model, said, monkeypatch):
    made = engines(monkeypatch, {"compiled": 0.5, "onnx": 0.5})
    assert in_fastest_engine(model, 4000) is model and not made and not said     # 500 s


def test_half_precision_leaves_onnx_out(model, said, monkeypatch):
    made = engines(monkeypatch, {"compiled": 0.9, "onnx": 0.1})
    model = replace(model, dtype=torch.bfloat16)
    assert in_fastest_engine(model, 100_000) is model and set(made) == {"compiled"}


@pytest.mark.parametrize("factor", [1.01, float("nan")])
def test_other_outputs_are_not_taken(model, said, monkeypatch, factor):
    engines(monkeypatch, {"compiled": 0.5, "onnx": 0.5}, factor)
    assert in_fastest_engine(model, 100_000) is model
    assert ["is not taken, since its outputs are off by" in line for line in said] == (
        [False, True, True])


def test_predict_takes_the_engine_that_is_asked_for(tmp_path, monkeypatch):
    asked, weights = [], write_checkpoint(tmp_path / "x_best.pth", small_config())
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((40, 30, 3), np.uint8))
    monkeypatch.setitem(engine_module.ENGINES, "compiled",
                        lambda model: asked.append(model) or model)
    words = ["predict", str(tmp_path / "a.png"), "--weights", str(weights), "--out",
             str(tmp_path / "out"), "gpus="]
    assert main.main([*words, "--engine", "compiled"]) == 0 and len(asked) == 1
    assert main.main(words) == 0 and len(asked) == 1
