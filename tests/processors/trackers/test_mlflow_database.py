"""Starts that meet a new database at once, one of them killed while it is made."""
import multiprocessing
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path

import pytest

from processors.trackers import mlflow_database
from processors.trackers.mlflow_database import alone_with

FIRST_WORDS = """
import sys
from pathlib import Path
from processors.trackers.to_mlflow import Mlflow
from tests.processors.trackers.small_training import tracked_run
print(Mlflow(tracked_run("mlflow", Path(sys.argv[1]))).id)
"""


def meet(folder: Path) -> subprocess.Popen:
    settings = {"MLFLOW_TRACKING_URI": f"sqlite:///{folder}/a.db", "TMPDIR": str(folder)}
    return subprocess.Popen([sys.executable, "-c", FIRST_WORDS, str(folder)], text=True,
                            stdout=subprocess.PIPE, start_new_session=True,
                            env=os.environ | settings)


@pytest.mark.slow
@pytest.mark.skipif(not find_spec("mlflow"), reason="mlflow is not installed")
def test_a_kill_and_two_starts_leave_one_whole_database_and_one_run(tmp_path):
    killed = meet(tmp_path)
    while not (tmp_path / "a.db").exists():
        time.sleep(0.01)
        assert killed.poll() is None
    os.killpg(killed.pid, signal.SIGKILL)
    said = [process.communicate(timeout=300)[0] for process in [meet(tmp_path), meet(tmp_path)]]
    assert said[0] == said[1] and len(said[0].strip()) == 32
    with sqlite3.connect(tmp_path / "a.db") as database:
        assert database.execute("select count(*) from runs").fetchone() == (1,)


def stay(address: str, ready, go) -> None:
    with alone_with(address):
        ready.set()
        go.wait(60)


def test_another_one_is_waited_for_but_not_for_ever(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    address = "http://127.0.0.1"
    context = multiprocessing.get_context("fork")
    ready, go = context.Event(), context.Event()
    process = context.Process(target=stay, args=(address, ready, go))
    process.start()
    assert ready.wait(60)
    monkeypatch.setattr(mlflow_database, "WAIT", 0.2)
    with alone_with(address + "/other"):
        pass
    with pytest.raises(TimeoutError, match="another process has been at MLflow's first words"):
        with alone_with(address):
            pass
    go.set()
    process.join()
    with alone_with(address):
        pass
