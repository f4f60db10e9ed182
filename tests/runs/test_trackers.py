"""Trackers of a run of two processes, which is killed and goes on."""
import json
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch

from tests.processors.trackers.readers import READERS, assert_equal, environment

pytestmark = pytest.mark.slow
SCRIPT = Path(__file__).with_name("small_run.py")


@pytest.fixture
def command(tmp_path):
    def command(**settings) -> list[str]:
        values = {f"data.{split}_{key}": tmp_path / split / file for split in ("train", "val")
                  for key, file in (("ann_path", "people.json"), ("img_root", "images"))} | {
            "data.synthetic_train": 16, "data.synthetic_val": 8, "data.batch_size": 8,
            "data.num_workers": 1, "codec.input_size": [64, 64], "optim.amp": False,
            "val.interval": 9, "val.save_steps": 20, "log.every": 1, "processor": "ddp",
            "processes": 2, "val.weight_path": tmp_path / "run"} | settings
        return [sys.executable, str(SCRIPT), "train", "configs/quickstart.yaml",
                *(f"{key}={value}" for key, value in values.items())]
    return command


def test_two_processes_that_are_killed_and_go_on(command, tmp_path, monkeypatch):
    chosen = [name for name in READERS if find_spec(name)]
    run, log = tmp_path / "run", tmp_path / "log"
    words = {"log.trackers": json.dumps(chosen), "log.tracker_weights": True}
    for name, value in (environment(run) | {"OMP_NUM_THREADS": "1"}).items():
        monkeypatch.setenv(name, value)
    about = {"cwd": SCRIPT.parents[2], "stderr": subprocess.STDOUT, "text": True}
    with open(log, "w") as file:
        launcher = subprocess.Popen(command(**words, **{"optim.epochs": 99999}), stdout=file,
                                    **about)
    while not all(f"log.trackers: {name}: see " in log.read_text() for name in chosen):
        assert launcher.poll() is None, log.read_text()
        time.sleep(0.2)
    time.sleep(1)
    launcher.kill()         # and the system kills the processes with it
    launcher.wait()
    time.sleep(3)
    state = torch.load(run / "quickstart_last.pth", weights_only=True)
    epochs = state["step"] // state["steps_per_epoch"] + 2
    for _ in range(9):      # on a slow machine a minute may not be enough
        said = subprocess.run(command(**words, **{"optim.epochs": epochs}),
                              stdout=subprocess.PIPE, **about).stdout
        assert "Traceback" not in said and "is off" not in said, said
        if "left behind" not in said:
            break
    for tracker in chosen:
        assert_equal(run, tracker, "quickstart")
