"""Workers that nothing ends: a process and its workers end all the same. What else workers do is
looked at in test_loaders.py."""
import multiprocessing
import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from datasets.workers import Loader, dead_workers_named, init_worker
from processors.ddp_pose_resnet_solver import DDPProcessor
from processors.dp_pose_resnet_solver import DPProcessor


def test_workers_that_nothing_ends_are_killed(monkeypatch):
    """A stopped one stands for one whose disk hangs."""
    monkeypatch.setattr("datasets.workers.END_WITHIN", 0.5)
    before = signal.getsignal(signal.SIGCHLD)
    batches = iter(Loader([bytes(9)] * 99, batch_size=None, num_workers=2, collate_fn=bytes,
                          worker_init_fn=init_worker))
    first, second = batches._workers
    try:
        with pytest.raises(SystemExit), dead_workers_named("again"):
            next(batches), next(batches)        # one of each
            os.kill(first.pid, signal.SIGSTOP)
            raise SystemExit(143)
        first.join(5), second.join(5)
        assert (first.exitcode, second.exitcode) == (-signal.SIGKILL, 0)
    finally:
        first.kill()
        signal.signal(signal.SIGCHLD, before)


ENDS = """
import os, signal, sys
from datasets.workers import Loader, init_worker
batches = iter(Loader([bytes(9)] * 99, batch_size=None, num_workers=2, collate_fn=bytes,
                      worker_init_fn=init_worker))
next(batches)
for worker in batches._workers:
    os.kill(worker.pid, signal.SIGSTOP)
sys.exit(5)
"""


def test_a_process_ends_whatever_its_workers_do():
    with subprocess.Popen([sys.executable, "-c", ENDS], start_new_session=True,
                          cwd=Path(__file__).resolve().parents[2]) as process:
        try:
            assert process.wait(60) == 5
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


@pytest.mark.parametrize("method, guard", [("fork", False), ("spawn", True), ("forkserver", True)])
def test_where_a_worker_imports_the_script_its_guard_is_told(monkeypatch, method, guard):
    monkeypatch.setattr("multiprocessing.get_start_method", lambda: method)
    monkeypatch.setattr("signal.signal", lambda *_: None)
    with pytest.raises(ChildProcessError, match="ended by itself") as caught:
        with dead_workers_named("again"):
            raise RuntimeError("DataLoader worker (pid 7) exited unexpectedly with exit code 1.")
    assert ("must start the run under if __name__ == '__main__':" in str(caught.value)) == guard


@pytest.mark.parametrize("Processor", [DPProcessor, DDPProcessor])
def test_a_worker_that_imports_such_a_script_starts_no_run(monkeypatch, Processor):
    monkeypatch.setattr(multiprocessing.current_process(), "_inheriting", True, raising=False)
    with pytest.raises(SystemExit) as caught:
        Processor("nowhere.yaml")
    assert caught.value.code == 1
    monkeypatch.undo()
    with pytest.raises(FileNotFoundError):
        Processor("nowhere.yaml")
