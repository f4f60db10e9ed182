"""Runs that learn from people without labels, too: exact in every way that others are, and better
than without."""
import json
import os
import signal
import subprocess
import sys

import pytest
import torch

from tests.runs.conftest import SCRIPT, assert_the_same, differences

pytestmark = pytest.mark.slow
UNSURE = 0.02       # small networks of few steps are sure of nothing; so they label, and badly


@pytest.fixture(scope="module")
def settings(small_runs):
    """Of a run beside the people of the validation set, who are not judged until the end."""
    folder = small_runs.folder
    entry = f"{{boxes: {folder}/val/people.json, img_root: {folder}/val/images}}"
    return {"data.unlabelled": f"[{entry}]", "data.unlabelled_batch": 2, "val.interval": 3,
            "optim.epochs": 3, "optim.unlabelled_score": UNSURE, "data.synthetic_train": 16,
            "data.batch_size": 4, "augment.weak_epochs": 1}


@pytest.fixture(scope="module")
def whole(small_runs, settings) -> dict:
    plain = {key: value for key, value in settings.items() if "unlabelled" not in key}
    small_runs.ended("plain", **plain)      # which draws the people
    return small_runs.state(small_runs.ended("whole", **settings))


def used(small_runs, name: str) -> list[float]:
    lines = (small_runs.folder / name / "metrics.jsonl").read_text().splitlines()
    return [row["used"] for row in map(json.loads, lines) if row["kind"] == "unlabelled"]


def test_something_is_learned_and_the_log_says_how_much(small_runs, whole):
    assert max(differences(whole, small_runs.state("plain"))) > 1e-4
    shares = used(small_runs, "whole")
    assert len(shares) == 2 and max(shares) > 0.1       # from the second epoch on
    said = small_runs.log("whole")
    assert said.count("people without labels: the averaged network was sure of") == 2
    assert "batch 4 in total and 2 without labels" in said
    assert "away from those known" in said and "; without labels: " in said


@pytest.mark.parametrize("workers", [0, 2])
def test_a_killed_run_goes_on_bit_by_bit(small_runs, settings, whole, workers):
    killed = small_runs.continued(f"killed_{workers}", **settings, **{"data.num_workers": workers})
    assert_the_same(whole, killed)
    for key, value in whole["ema"].items():
        assert torch.equal(value, killed["ema"][key])


def test_known_joints_of_people_without_labels_change_nothing(small_runs, settings, whole):
    folder = small_runs.folder
    content = json.loads((folder / "val" / "people.json").read_text())
    for row in content["annotations"]:
        del row["keypoints"]
    (folder / "boxes.json").write_text(json.dumps(content))
    entry = f"[{{boxes: {folder}/boxes.json, img_root: {folder}/val/images}}]"
    alike = small_runs.ended("boxes", **settings | {"data.unlabelled": entry})
    assert_the_same(whole, small_runs.state(alike))


def test_two_processes_are_one(small_runs, settings, whole):
    """With one batch norm for all; their last bits may make a joint sure in one of them only."""
    settings |= {"optim.optimizer": "sgd", "optim.epochs": 2, "val.interval": 2}
    one = small_runs.state(small_runs.ended("sgd", **settings))
    two = small_runs.ended("two", **settings | {"processor": "ddp", "processes": 2,
                                                "optim.sync_bn": True})
    assert max(differences(one, small_runs.state(two))) < 1e-5


def run(small_runs, name: str, settings: dict, status: int = 0, **environment) -> str:
    """Of the command line, with environment variables of small_run.py; returns what it said."""
    values = small_runs.settings | settings | {"val.weight_path": small_runs.folder / name}
    done = subprocess.run(
        [sys.executable, SCRIPT, "train", "configs/quickstart.yaml",
         *(f"{key}={value}" for key, value in values.items())], cwd=SCRIPT.parents[2], text=True,
        capture_output=True, env=os.environ | {"OMP_NUM_THREADS": "1"} | environment)
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_with_frozen_batch_norm_pieces_of_a_step_are_one(small_runs, settings, whole):
    settings |= {"optim.optimizer": "sgd", "optim.epochs": 2, "val.interval": 2}
    states = []
    for pieces in (1, 2):
        run(small_runs, f"in {pieces}", settings | {"optim.accumulate": pieces}, FROZEN_BN="1")
        states.append(small_runs.state(f"in {pieces}"))
    assert max(differences(*states)) < 1e-5


def test_two_processes_go_on_bit_by_bit_with_batch_norms_of_their_own(small_runs, settings, whole):
    """The teacher of both is that of the checkpoint, though their batch norms differ."""
    settings |= {"processor": "ddp", "processes": 2, "val.save_steps": 1}
    undisturbed = small_runs.state(small_runs.ended("apart", **settings))
    run(small_runs, "hit", settings, status=2, HIT_RANK="1",
        HIT=json.dumps(["step: update", 5, signal.SIGKILL, "self"]))
    assert "going on from" in run(small_runs, "hit", settings)
    assert_the_same(undisturbed, small_runs.state("hit"))
