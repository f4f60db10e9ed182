"""Runs of SimCC and of RTMPose: they go on as if they had not been stopped, and two processes
compute what one does."""
import pytest

from tests.runs.conftest import assert_the_same, differences

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


@pytest.mark.parametrize("net", NETS)
def test_a_killed_run_goes_on_bit_by_bit_and_two_processes_are_one(small_runs, net):
    settings = SHORT | NETS[net]
    whole = small_runs.state(small_runs.ended(f"{net} whole", **settings))
    assert_the_same(whole, small_runs.continued(f"{net} killed", **settings))
    two = small_runs.ended(f"{net} two", **settings | {"processor": "ddp", "processes": 2,
                                                       "optim.sync_bn": True})
    assert "Warning" not in small_runs.log(two)
    assert max(differences(whole, small_runs.state(two))) < 1e-5
