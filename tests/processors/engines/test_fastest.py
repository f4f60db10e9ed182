"""The fastest precision and engine: where it pays to look for them, and what is taken."""
from dataclasses import replace

import pytest
import torch
from torch import nn

from datasets.annotations.skeleton import load_skeleton
from processors.engines import fastest
from processors.engines.fastest import in_fastest_engine, made_fast
from processors.models.pose_model import PoseModel, build_codec
from tests.processors.pose_checkpoints import small_config
from utils.errors import UserError

PEOPLE = 100_000        # 1 s for 8 of them


class Network(nn.Module):
    """17 heatmaps, or with visibility vectors of the same places, and logits."""

    def __init__(self, factor=1.0, shift=None):
        super().__init__()
        self.factor, self.shift, self.batches = factor, shift, []

    def forward(self, images):
        self.batches.append(len(images))
        maps = nn.functional.avg_pool2d(images[:, :1], 4).repeat(1, 17, 1, 1) * self.factor
        if self.shift is None:
            return maps
        logits = torch.arange(3.0).repeat(len(images), 17, 1) * self.factor + self.shift
        return torch.cat([maps.flatten(2), logits], dim=-1)


def model_of(network=None, visibility=False) -> PoseModel:
    config, skeleton = small_config(), load_skeleton("coco")
    config = replace(config, model=replace(config.model, visibility=visibility))
    return PoseModel(network or Network(), build_codec(config, skeleton), skeleton, "rgb_mean",
                     config, torch.device("cpu"))


@pytest.fixture
def said(monkeypatch):
    lines = []
    for level in ("info", "warning"):
        monkeypatch.setattr(fastest.log, level,
                            lambda text, *words: lines.append(text % words))
    return lines



def engines(monkeypatch, seconds, factor=1.0, shift=None):
    """Other engines of so many seconds a batch (eager: 1) with other outputs."""
    made = {}

    def make(name):
        def run(model):
            if seconds[name] is None:
                raise RuntimeError("no compiler\nlong story")
            made[name] = replace(model, network=Network(factor, shift))
            return made[name]
        return run

    def timed(models, *_, **__):
        names = {id(model): name for name, model in made.items()}
        return [seconds[names[id(model)]] if id(model) in names else 1.0 for model in models]

    monkeypatch.setattr(fastest, "seconds_of", timed)
    monkeypatch.setattr(fastest, "ENGINES", {name: make(name) for name in seconds})
    return made


@pytest.mark.parametrize("compiled, onnx, taken", [
    (0.5, 0.6, "compiled"), (0.5, 0.4, "onnx"), (0.95, 0.7, "onnx"), (0.95, 0.9, None),
    (None, 0.5, "onnx"), (0.5, None, "compiled"), (None, None, None)])
def test_the_fastest_is_taken_and_said(said, monkeypatch, compiled, onnx, taken):
    made, model = engines(monkeypatch, {"compiled": compiled, "onnx": onnx}), model_of()
    found = in_fastest_engine(model, PEOPLE)
    assert found is made.get(taken, model)
    assert "take 208 minutes" in said[0] and len(said) == 3
    assert sum("cannot run this network here (no compiler)" in line for line in said) == (
        [compiled, onnx].count(None))
    assert bool(taken) == any(line.endswith(", and taken") for line in said)
    for other in made.values():
        assert other.network.batches == [8, 16]     # before work begins, both are compiled


def test_where_it_is_short_nothing_is_tried(said, monkeypatch):
    made, model = engines(monkeypatch, {"compiled": 0.5, "onnx": 0.5}), model_of()
    assert in_fastest_engine(model, 9000) is model and not made and not said     # 1125 s


@pytest.mark.parametrize("dtype, device", [(torch.bfloat16, "cpu"), (None, "cuda")])
def test_onnx_is_for_full_precision_on_a_cpu(said, monkeypatch, dtype, device):
    monkeypatch.setattr(fastest, "example_images", lambda _, count: torch.ones(count, 3, 8, 8))
    made = engines(monkeypatch, {"compiled": 0.9, "onnx": 0.1})
    monkeypatch.setattr(fastest, "outputs_of", lambda model, images: model.network(images))
    model = replace(model_of(), dtype=dtype, device=torch.device(device))
    assert in_fastest_engine(model, PEOPLE) is model and set(made) == {"compiled"}


@pytest.mark.parametrize("factor", [1.01, float("nan")])
def test_other_outputs_are_not_taken(said, monkeypatch, factor):
    engines(monkeypatch, {"compiled": 0.5, "onnx": 0.5}, factor)
    model = model_of()
    assert in_fastest_engine(model, PEOPLE) is model
    assert ["is not taken, since its outputs are off by" in line for line in said] == (
        [False, True, True])


def test_of_visibility_the_probabilities_count(said, monkeypatch):
    """A file of ONNX tells their logarithms."""
    made = engines(monkeypatch, {"compiled": 0.5, "onnx": 0.5}, shift=7.0)
    found = in_fastest_engine(model_of(Network(shift=0.0), visibility=True), PEOPLE)
    assert found is made["compiled"]


@pytest.mark.parametrize("engine, amp, frames, asked", [
    ("", "", 99, []), ("", "", 100, ["precision"]), ("", "", 0, ["precision"]),
    ("", "", 1000, ["precision", 4000]), ("", "false", 1000, [4000]), ("", "true", 99, []),
    ("onnx", "", 100, ["onnx"]), ("onnx", "false", 100, ["onnx"]),
    ("compiled", "", 100, ["precision", "compiled"]), ("compiled", "", 99, ["compiled"]),
    ("eager", "", 10_000, ["precision", "eager"]), ("eager", "true", 100, ["eager"])])
def test_what_is_measured_for_how_many(monkeypatch, engine, amp, frames, asked):
    """Of 1,000 frames, 2,000 people and their mirror images."""
    found = []
    monkeypatch.setattr(fastest, "in_faster_precision",
                        lambda model: found.append("precision") or model)
    monkeypatch.setattr(fastest, "in_fastest_engine",
                        lambda model, people: found.append(people) or model)
    monkeypatch.setattr(fastest, "in_engine", lambda model, name: found.append(name) or model)
    model = model_of()
    overrides = [f"optim.amp={amp}", "val.nms=0.9"] if amp else ["val.nms=0.9"]
    assert made_fast(model, engine, overrides, frames) is model and found == asked
    assert not model.network.batches        # nothing else is computed


def test_half_precision_by_onnx_is_refused():
    model = replace(model_of(), dtype=torch.bfloat16)
    with pytest.raises(UserError, match="--engine onnx computes in full precision, and "
                                        "optim.amp=true asks for half"):
        made_fast(model, "onnx", ["optim.amp=true"], 5)
