"""Runs of SimCC and of RTMPose: they go on as if they had not been stopped, and two processes
compute what one does."""
import signal

import pytest
import torch

pytestmark = pytest.mark.slow
# adam would enlarge the rounding of gradients that are nearly 0
SHORT = {"model.width": 1, "optim.optimizer": "sgd", "optim.epochs": 2, "data.synthetic_train": 16,
         "val.interval": 2, "codec.kind": "simcc", "codec.bin_sigma": "[2,2]"}
NETS = {
    "simcc": {"model.type": "pose_resnet_dconv", "model.name": "resnet18", "model.width": 0.125,
              "model.head": "simcc", "optim.loss": "simcc_kl"},
    "rtmpose": {"model.type": "pose_cspnext", "model.name": "t", "model.head": "rtmcc",
                "optim.loss": "rtmpose_kl", "codec.normalize": False},
}


def run(small_runs, net, name, hit=None, **settings) -> str:
    """Run it to the end or to the hit; returns its name."""
    name = f"{net} {name}"
    status = small_runs(name, hit, **SHORT | NETS[net] | settings)
    assert status == (-signal.SIGKILL if hit else 0), small_runs.log(name)
    return name


def differences(one: dict, other: dict) -> list[float]:
    assert one["net"].keys() == other["net"].keys() and one["step"] == other["step"] > 0
    return [(value - other["net"][key]).abs().max().item() for key, value in one["net"].items()]


@pytest.mark.parametrize("net", NETS)
def test_a_killed_run_goes_on_bit_by_bit_and_two_processes_are_one(small_runs, net):
    whole = small_runs.state(run(small_runs, net, "whole"))
    saved = {"val.save_steps": 1}
    run(small_runs, net, "killed", ["step: update", 4, signal.SIGKILL, "self"], **saved)
    killed = run(small_runs, net, "killed", **saved)
    assert "going on from" in small_runs.log(killed)
    continued = small_runs.state(killed)
    assert max(differences(whole, continued)) == 0
    for one, other in zip(whole["optimizer"]["state"].values(),
                          continued["optimizer"]["state"].values(), strict=True):
        assert all(torch.equal(one[key], other[key]) for key in one)
    two = run(small_runs, net, "two", **{"processor": "ddp", "processes": 2,
                                         "optim.sync_bn": True})
    assert "Warning" not in small_runs.log(two)
    assert max(differences(whole, small_runs.state(two))) < 1e-5
