"""Runs of networks that tell visibility: they go on as if they had not been stopped, and two
processes compute what one does."""
import pytest

from tests.runs.conftest import assert_the_same, differences

pytestmark = pytest.mark.slow


def test_a_killed_run_goes_on_bit_by_bit_and_two_processes_are_one(small_runs):
    # a hundred times the default; with more, rounding grows beyond 1e-5 in as many steps
    settings = {"model.name": "resnet18", "model.width": 0.125, "model.visibility": True,
                "optim.visibility_weight": 0.01, "optim.optimizer": "sgd", "optim.epochs": 2,
                "data.synthetic_train": 16, "val.interval": 2}
    whole = small_runs.state(small_runs.ended("whole", **settings))
    assert "visibility.weight" in whole["net"]
    assert_the_same(whole, small_runs.continued("killed", **settings))
    two = small_runs.ended("two", **settings | {"processor": "ddp", "processes": 2,
                                                "optim.sync_bn": True})
    assert max(differences(whole, small_runs.state(two))) < 1e-5
    assert whole["best"]["visibility"] == pytest.approx(
        small_runs.state(two)["best"]["visibility"], abs=1e-2)
