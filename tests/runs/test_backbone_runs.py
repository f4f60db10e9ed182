"""Runs of a vision transformer and of networks of timm: they go on as if they had not been stopped,
drop path and all, and two processes compute what one does."""
import signal

import pytest
import torch

pytestmark = pytest.mark.slow
SHORT = {"model.width": 1, "optim.optimizer": "adamw", "optim.weight_decay": 0.1,
         "optim.clip_norm": 1, "optim.epochs": 2, "data.synthetic_train": 16, "val.interval": 2}
NETS = {
    "vit": {"model.type": "pose_vit", "model.name": "s", "model.head": "simple",
            "optim.layer_decay": 0.5, "codec.alignment": "udp", "codec.decoder": "vitpose"},
    "convnext": {"model.type": "pose_timm", "model.name": "test_convnext", "model.head": "simple"},
    # with batch norms of timm, which hold an activation; adam would enlarge the rounding of
    # gradients that are nearly 0
    "efficientnet": {"model.type": "pose_timm", "model.name": "test_efficientnet",
                     "optim.optimizer": "sgd"},
}
DROP = {"model.drop_path": 0.5}


@pytest.fixture(params=NETS)
def net(request):
    if request.param != "vit":
        pytest.importorskip("timm")
    return request.param


def run(small_runs, net, name, hit=None, **settings) -> str:
    """Run it to the end or to the hit; returns its name."""
    name = f"{net} {name}"
    status = small_runs(name, hit, **SHORT | NETS[net] | settings)
    assert status == (-signal.SIGKILL if hit else 0), small_runs.log(name)
    return name


def differences(one: dict, other: dict) -> list[float]:
    assert one["net"].keys() == other["net"].keys() and one["step"] == other["step"] > 0
    return [(value - other["net"][key]).abs().max().item() for key, value in one["net"].items()]


def test_a_killed_run_goes_on_bit_by_bit(small_runs, net):
    whole = small_runs.state(run(small_runs, net, "whole", **DROP))
    saved = DROP | {"val.save_steps": 1}
    run(small_runs, net, "killed", ["step: update", 4, signal.SIGKILL, "self"], **saved)
    killed = run(small_runs, net, "killed", **saved)
    assert "going on from" in small_runs.log(killed)
    continued = small_runs.state(killed)
    assert max(differences(whole, continued)) == 0
    for one, other in zip(whole["optimizer"]["state"].values(),
                          continued["optimizer"]["state"].values(), strict=True):
        assert all(torch.equal(one[key], other[key]) for key in one)
    if net != "efficientnet":       # whose few blocks cannot be gone past
        without = small_runs.state(run(small_runs, net, "without"))
        assert max(differences(whole, without)) > 1e-4      # paths were dropped


def test_two_processes_compute_what_one_does(small_runs, net):
    one = small_runs.state(run(small_runs, net, "one"))
    two = run(small_runs, net, "two", **{"processor": "ddp", "processes": 2,
                                         "optim.sync_bn": True})
    assert "Warning" not in small_runs.log(two)
    assert max(differences(one, small_runs.state(two))) < 1e-5
    if net != "efficientnet":       # batch norms see one piece at a time
        pieces = run(small_runs, net, "pieces", **{"optim.accumulate": 2})
        assert max(differences(one, small_runs.state(pieces))) < 1e-5
