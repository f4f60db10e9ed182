"""Each tracker, as it keeps a run on this machine, read back by its own reader."""
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import pytest

from processors.trackers import start
from processors.trackers.follower import TRACKERS
from processors.trackers.start import followed
from tests.processors.trackers.readers import READERS, assert_equal, environment
from tests.processors.trackers.small_training import tracked_run

SCRIPT = Path(__file__).with_name("small_training.py")
pytestmark = pytest.mark.slow


@pytest.fixture(params=READERS)
def tracker(request, tmp_path, monkeypatch):
    if not find_spec(request.param):
        pytest.skip(f"{request.param} is not installed")
    for name, value in environment(tmp_path).items():
        monkeypatch.setenv(name, value)
    return request.param


def train(tracker: str, folder: Path, step: int, last: int, wait: int = 0) -> subprocess.Popen:
    words = tracker, folder, *map(str, (step, last, wait))
    return subprocess.Popen([sys.executable, SCRIPT, *words], stdout=subprocess.PIPE, text=True)


def test_a_killed_run_goes_on_in_the_same_line(tracker, tmp_path, monkeypatch):
    """Killed when the tracker has heard of step 10, and gone on from 6."""
    first = train(tracker, tmp_path, 0, 10, wait=9999)
    said = first.stdout.readline()
    assert f"log.trackers: {tracker}: see " in said
    time.sleep(5)
    first.kill()
    first.wait()
    time.sleep(5)
    second = train(tracker, tmp_path, 6, 14)
    said, _ = second.communicate(timeout=900)
    assert second.returncode == 0 and "is off" not in said and "left behind" not in said
    assert ("takes nothing back" in said) == (not TRACKERS[tracker].replaces)
    assert_equal(tmp_path, tracker)
    monkeypatch.setattr(start, "AT_THE_END", 600)
    with followed([tracked_run(tracker, tmp_path, 14)]):     # a finished run: nothing comes twice
        pass
    assert_equal(tmp_path, tracker)
