"""Runs whose backbone stands still at first: killed before, at and after the thaw they end bit by
bit as if they had not been, and two processes compute what one does."""
import json
import os
import signal
import subprocess
import sys

import pytest
import torch

from tests.runs.conftest import SCRIPT
from tests.runs.test_torture import flat

pytestmark = pytest.mark.slow
FREEZE = {"optim.freeze_epochs": 1, "optim.backbone_lr": 0.5, "optim.optimizer": "adamw",
          "optim.weight_decay": 0.1, "optim.clip_norm": 1, "optim.epochs": 2,
          "optim.warmup_epochs": 0, "optim.lr": 1e-3, "val.interval": 2, "val.save_steps": 1,
          "model.width": 1}
VIT = {"model.type": "pose_vit", "model.name": "s", "model.head": "simple", "model.drop_path": 0.5,
       "codec.alignment": "udp", "codec.decoder": "vitpose", "optim.backbone_lr": 1,
       "optim.layer_decay": 0.5}
DDP = {"processor": "ddp", "processes": 2}
WAYS = {
    "plain": {}, "vit": VIT, "sgd": {"optim.optimizer": "sgd"},
    "pieces": {"optim.accumulate": 2}, "fp16": {"optim.amp": "fp16"}, "bf16": {"optim.amp": "bf16"},
    "patience": {"optim.patience": 1, "val.interval": 1, "optim.epochs": 9},
    "compiled": {"optim.compile": True}, "by regions": VIT | {"optim.compile": "regions"},
    "stages": VIT | {"optim.freeze_stages": 1},
}
KINDS = ("net", "ema", "optimizer")


def fingerprint(state: dict) -> list:
    return [(key, value.numpy().tobytes()) for kind in KINDS for key, value in flat(
        state[kind]["state"] if kind == "optimizer" else state[kind])]


def parts(state: dict, of: str, kind: str) -> dict:
    return {key: value for key, value in state[kind].items() if key.startswith(of)}


def run(small_runs, name, hit=None, **settings) -> dict:
    """To its end or its hit; returns the state."""
    status = small_runs(name, hit, **FREEZE | settings)
    assert status == (-signal.SIGKILL if hit else 0), small_runs.log(name)
    assert "Traceback" not in small_runs.log(name)
    assert "has no averages" not in small_runs.log(name)
    return small_runs.state(name)


@pytest.mark.parametrize("way", WAYS)
def test_killed_before_at_and_after_the_thaw_it_ends_the_same(small_runs, way):
    settings = WAYS[way]
    whole = run(small_runs, f"{way} whole", **settings)
    steps = whole["steps_per_epoch"]
    assert whole["step"] >= 2 * steps >= 6
    for number, update in enumerate([2, steps + 1, 2, 2]):
        # in the frozen epoch; before the first update after it; with that one lost; and later
        run(small_runs, f"{way} killed", ["step: update", update - (number == 1), signal.SIGKILL,
                                          "self"], **settings)
    ended = run(small_runs, f"{way} killed", **settings)
    assert fingerprint(ended) == fingerprint(whole)
    assert ended["without_better"] == whole["without_better"]
    assert "learns from now on" in small_runs.log(f"{way} whole")


@pytest.mark.parametrize("way", ["plain", "vit", "sgd", "fp16"])
def test_what_stands_still_stands_still_to_the_bit_in_averages_too(small_runs, way):
    # after a step by a rate that moves nothing; statistics would move with each
    first = run(small_runs, f"{way} first", ["step: next batch", 2, signal.SIGKILL, "self"],
                **WAYS[way] | {"optim.lr": 1e-30, "optim.weight_decay": 0})
    steps, name = first["steps_per_epoch"], f"{way} at the thaw"
    thaw = run(small_runs, name, ["step: update", steps + 1, signal.SIGKILL, "self"], **WAYS[way])
    assert thaw["step"] == steps
    for kind in ("net", "ema"):
        before, after = parts(first, "backbone.", kind), parts(thaw, "backbone.", kind)
        assert before and all(torch.equal(value, after[key]) for key, value in before.items())
    head = "head.output.weight" if way == "vit" else "head.weight"
    assert not torch.equal(first["net"][head], thaw["net"][head])
    learning = len([key for key in thaw["net"] if key.startswith("head.")])
    assert len(thaw["optimizer"]["state"]) == learning      # no momentum of what has stood still
    ended = run(small_runs, name, **WAYS[way])
    moved = [key for key, value in parts(thaw, "backbone.", "net").items()
             if not torch.equal(value, ended["net"][key])]
    assert len(moved) == len(parts(thaw, "backbone.", "net"))
    assert any(key.endswith("running_mean") for key in moved) is (way != "vit")


def ddp(small_runs, name, hit=None, rank=0, **settings) -> subprocess.CompletedProcess:
    """A run of two processes, one of which may be hit."""
    values = small_runs.settings | {"val.weight_path": small_runs.folder / name} | FREEZE | DDP
    values |= {"optim.sync_bn": True} | settings
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    environment |= {"HIT": json.dumps(hit), "HIT_RANK": str(rank)} if hit else {}
    return subprocess.run([sys.executable, SCRIPT, "train", "configs/quickstart.yaml",
                           *(f"{key}={value}" for key, value in values.items())],
                          cwd=SCRIPT.parents[2], env=environment, text=True, timeout=180,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


@pytest.mark.parametrize("way, hits", [("plain", [(2, 1), (4, 0)]), ("vit", [(5, 1)])])
def test_two_processes_are_one_and_go_on_bit_by_bit(small_runs, way, hits):
    """Hit in the frozen epoch of four steps and at the first update after it."""
    settings = WAYS[way] | ({"model.drop_path": 0} if way == "vit" else {})
    one = run(small_runs, f"{way} one", **settings)
    assert one["steps_per_epoch"] == 4
    done = ddp(small_runs, f"{way} two", **settings)
    assert done.returncode == 0 and "Traceback" not in done.stdout, done.stdout
    two = small_runs.state(f"{way} two")
    for kind in ("net", "ema"):
        torch.testing.assert_close(one[kind], two[kind], rtol=1e-5, atol=1e-5)
    for update, rank in hits:
        done = ddp(small_runs, f"{way} hit", ["step: update", update, signal.SIGKILL, "self"], rank,
                   **settings)
        assert done.returncode == 2 and "hit at" in done.stdout, done.stdout
    assert ddp(small_runs, f"{way} hit", **settings).returncode == 0
    assert fingerprint(small_runs.state(f"{way} hit")) == fingerprint(two)


def test_pieces_in_two_processes_are_the_whole(small_runs):
    """Without statistics of batches, which pieces have of their own."""
    settings = VIT | {"model.drop_path": 0}
    one = run(small_runs, "whole batches", **settings)
    done = ddp(small_runs, "two in pieces", **settings | {"optim.accumulate": 2})
    assert done.returncode == 0, done.stdout
    torch.testing.assert_close(one["net"], small_runs.state("two in pieces")["net"], rtol=1e-5,
                               atol=1e-5)


def test_patience_ends_all_processes_and_workers(small_runs):
    settings = {"optim.patience": 1, "optim.epochs": 50, "optim.lr": 1e-12, "val.interval": 1,
                "optim.freeze_epochs": 0, "data.num_workers": 2, "optim.backbone_lr": 1}
    done = ddp(small_runs, "impatient", **settings)
    assert done.returncode == 0 and "Traceback" not in done.stdout, done.stdout
    assert "brought no better AP; with an optim.patience of more" in done.stdout
    assert small_runs.state("impatient")["step"] < 50 * small_runs.state("impatient")[
        "steps_per_epoch"]
    ended = run(small_runs, "impatient alone", **settings)
    assert fingerprint(run(small_runs, "impatient alone", **settings)) == fingerprint(ended)
    said = small_runs.log("impatient alone")
    assert said.count("brought no better AP") == 2 and "Error" not in said
