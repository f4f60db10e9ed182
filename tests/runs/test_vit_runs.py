"""Runs of a vision transformer: they go on as if they had not been stopped, drop path and all, and
two processes compute what one does."""
import signal

import pytest
import torch

pytestmark = pytest.mark.slow
VIT = {"model.type": "pose_vit", "model.name": "s", "model.head": "simple", "model.width": 1,
       "optim.optimizer": "adamw", "optim.weight_decay": 0.1, "optim.layer_decay": 0.5,
       "optim.clip_norm": 1, "optim.epochs": 2, "data.synthetic_train": 16, "val.interval": 2,
       "codec.alignment": "udp", "codec.decoder": "vitpose"}
DROP = {"model.drop_path": 0.5}


def differences(one: dict, other: dict) -> list[float]:
    assert one["net"].keys() == other["net"].keys() and one["step"] == other["step"] > 0
    return [(value - other["net"][key]).abs().max().item() for key, value in one["net"].items()]


def test_a_killed_run_goes_on_bit_by_bit(small_runs):
    assert small_runs("whole", **VIT, **DROP) == 0, small_runs.log("whole")
    saved = DROP | {"val.save_steps": 1}
    hit = ["step: update", 4, signal.SIGKILL, "self"]
    assert small_runs("killed", hit, **VIT, **saved) == -signal.SIGKILL
    assert small_runs("killed", **VIT, **saved) == 0, small_runs.log("killed")
    assert "going on from" in small_runs.log("killed")
    whole, continued = small_runs.state("whole"), small_runs.state("killed")
    assert max(differences(whole, continued)) == 0
    for one, other in zip(whole["optimizer"]["state"].values(),
                          continued["optimizer"]["state"].values(), strict=True):
        assert all(torch.equal(one[key], other[key]) for key in one)
    assert small_runs("without", **VIT) == 0
    assert max(differences(whole, small_runs.state("without"))) > 1e-4     # paths were dropped


def test_two_processes_compute_what_one_does(small_runs):
    pieces = {"optim.accumulate": 2}
    two = {"processor": "ddp", "processes": 2}
    assert small_runs("one", **VIT) == 0
    assert small_runs("two", **VIT, **two) == 0, small_runs.log("two")
    assert small_runs("pieces", **VIT, **pieces) == 0
    for name in ("two", "pieces"):
        assert max(differences(small_runs.state("one"), small_runs.state(name))) < 1e-5
