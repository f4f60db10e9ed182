"""Half precision for many frames: where it is measured faster, and nowhere else."""
from dataclasses import replace

import pytest
import torch
from torch import nn

from configs.schema import CodecConfig
from datasets.annotations.skeleton import load_skeleton
from processors.engines import faster_precision, measure
from processors.engines.faster_precision import in_faster_precision
from processors.models.onnx_model import OnnxNetwork
from processors.models.pose_model import PoseModel, build_codec
from tests.processors.pose_checkpoints import small_config

HALF = torch.bfloat16


class Network(nn.Module):
    """Tells which dtypes it computes in."""

    def __init__(self):
        super().__init__()
        self.layer, self.dtypes = nn.Conv2d(3, 17, 4, 4), []

    def forward(self, images):
        found = self.layer(images)
        self.dtypes.append(found.dtype)
        return found


@pytest.fixture
def model(monkeypatch):
    monkeypatch.setattr(faster_precision, "amp_dtype", lambda amp, device: HALF)
    config, skeleton = small_config(), load_skeleton("coco")
    return PoseModel(Network(), build_codec(config, skeleton), skeleton, "rgb_mean", config,
                     torch.device("cpu"))


@pytest.fixture
def said(monkeypatch):
    lines = []
    monkeypatch.setattr(faster_precision.log, "info",
                        lambda text, *words: lines.append(text % words))
    return lines


@pytest.mark.parametrize("seconds, dtype, words", [
    (0.4, HALF, "in bfloat16, measured 2.5 times as fast as full precision"),
    (0.9, None, "in full precision; bfloat16 is measured 1.11 times as fast"),
    (4.0, None, "in full precision; bfloat16 is measured 0.25 times as fast")])
def test_it_is_taken_where_it_is_clearly_faster_and_said(model, said, monkeypatch, seconds, dtype,
                                                         words):
    monkeypatch.setattr(faster_precision, "seconds_of", lambda *_: [1.0, seconds])
    assert in_faster_precision(model) == replace(model, dtype=dtype)
    line, = said
    assert words in line and "optim.amp=" in line


def test_both_are_measured_in_turns(model):
    full, half = measure.seconds_of([model, replace(model, dtype=HALF)], 2)
    assert min(full, half) > 0
    assert model.network.dtypes == [torch.float32, HALF] * (measure.ROUNDS + 1)
    assert model.network.layer.weight.dtype == torch.float32


@pytest.mark.parametrize("case", ["says its own", "no such arithmetic", "onnx", "simcc"])
def test_the_others_are_not_even_measured(model, said, monkeypatch, case):
    monkeypatch.setattr(faster_precision, "seconds_of", None)
    if case == "says its own":
        model = replace(model, dtype=torch.float16)
    elif case == "no such arithmetic":
        monkeypatch.setattr(faster_precision, "amp_dtype", lambda amp, device: None)
    elif case == "onnx":
        model = replace(model, network=OnnxNetwork.__new__(OnnxNetwork))
    else:
        model = replace(model, config=replace(model.config, codec=CodecConfig(kind="simcc")))
    assert in_faster_precision(model) is model and not said
