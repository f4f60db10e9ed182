"""Real runs of a small network, for tests of what happens to processes."""
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

SCRIPT = Path(__file__).with_name("small_run.py")


class SmallRuns:
    """Starts runs in processes of their own (small_run.py), each in a folder of its own."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.settings = {f"data.{split}_{key}": folder / split / file for split in ("train", "val")
                         for key, file in (("ann_path", "people.json"), ("img_root", "images"))}
        self.settings |= {"data.synthetic_train": 8, "data.synthetic_val": 4, "data.batch_size": 4,
                          "data.num_workers": 0, "codec.input_size": [64, 64], "optim.ema": 0.9,
                          "optim.amp": False, "log.every": 1}
        self.server = subprocess.Popen(
            [sys.executable, SCRIPT, "serve"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            text=True, cwd=SCRIPT.parents[2], env=os.environ | {"OMP_NUM_THREADS": "1"})

    def __call__(self, name: str, hit: list | None = None, calls_to: Path | None = None,
                 limit: int | None = None, **settings) -> int:
        """Exit status of the run `name`; the other arguments as in small_run.py."""
        values = self.settings | {"val.weight_path": self.folder / name} | settings
        words = ["train", "configs/quickstart.yaml", *(f"{k}={v}" for k, v in values.items())]
        self.server.stdin.write(json.dumps({
            "words": words, "log": str(self.log_path(name)), "hit": hit, "limit": limit,
            "calls_to": calls_to and str(calls_to)}) + "\n")
        self.server.stdin.flush()
        return json.loads(self.server.stdout.readline())

    def log_path(self, name: str) -> Path:
        return self.folder / f"{name}.log"

    def log(self, name: str) -> str:
        """All that the runs of that name have said."""
        return self.log_path(name).read_text()

    def state(self, name: str, which: str = "last") -> dict:
        return torch.load(self.folder / name / f"quickstart_{which}.pth", weights_only=True)


    def ended(self, name: str, hit: list | None = None, **settings) -> str:
        """Run it to its end or to the hit, which kills it; returns the name."""
        status = self(name, hit, **settings)
        assert status == (-signal.SIGKILL if hit else 0), self.log(name)
        return name

    def continued(self, name: str, **settings) -> dict:
        """The state at the end of a run that was killed at its fourth update."""
        settings |= {"val.save_steps": 1}
        self.ended(name, ["step: update", 4, signal.SIGKILL, "self"], **settings)
        self.ended(name, **settings)
        assert "going on from" in self.log(name)
        return self.state(name)


def differences(one: dict, other: dict) -> list[float]:
    """Of the weights of two states at the same step, the largest of each tensor."""
    assert one["net"].keys() == other["net"].keys() and one["step"] == other["step"] > 0
    return [(value - other["net"][key]).abs().max().item() for key, value in one["net"].items()]


def assert_the_same(one: dict, other: dict) -> None:
    """Weights and the optimizer's averages, to the bit."""
    assert max(differences(one, other)) == 0
    for mine, others in zip(one["optimizer"]["state"].values(),
                            other["optimizer"]["state"].values(), strict=True):
        assert all(torch.equal(mine[key], others[key]) for key in mine)


@pytest.fixture(scope="module")
def small_runs(tmp_path_factory):
    runs = SmallRuns(tmp_path_factory.mktemp("runs"))
    yield runs
    runs.server.stdin.close()
    assert runs.server.wait(timeout=60) == 0
