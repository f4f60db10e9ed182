"""Runs of a vision transformer and of networks of timm: they go on as if they had not been stopped,
drop path and all, and two processes compute what one does."""
import pytest

from tests.runs.conftest import assert_the_same, differences

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


def run(small_runs, net, name, **settings) -> str:
    return small_runs.ended(f"{net} {name}", **SHORT | NETS[net] | settings)


def test_a_killed_run_goes_on_bit_by_bit(small_runs, net):
    whole = small_runs.state(run(small_runs, net, "whole", **DROP))
    assert_the_same(whole, small_runs.continued(f"{net} killed", **SHORT | NETS[net] | DROP))
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
