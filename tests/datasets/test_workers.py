"""Workers that nothing ends: a process and its workers end all the same. What else workers do is
looked at in test_loaders.py."""
import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from datasets.workers import Loader, dead_workers_named, init_worker


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
