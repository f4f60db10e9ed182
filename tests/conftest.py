"""Fixtures for all tests."""
import errno
import logging
import os
from pathlib import Path

import pytest
import torch

from utils.log import log

pytest_plugins = ["tests.small_coco", "tests.file_server", "tests.fake_hub"]

ROOT = Path(__file__).resolve().parent.parent
torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", 2)))


@pytest.fixture(scope="session")
def shared() -> Path:
    """Folder with golden numbers and real data: $SIMPLEPOSE_SHARED or ../shared."""
    path = Path(os.environ.get("SIMPLEPOSE_SHARED", ROOT.parent / "shared"))
    if not path.is_dir():
        pytest.skip("the golden numbers and real data are not on this machine: "
                    "set SIMPLEPOSE_SHARED to their folder")
    return path


@pytest.fixture(autouse=True)
def fresh_log():
    """The log as a program finds it: a test before may have shown it, for the whole process."""
    log.handlers.clear()
    log.propagate = True
    log.setLevel(logging.NOTSET)
    return log


@pytest.fixture
def closed(monkeypatch):
    """Call it with a folder that may not be listed from now on, as one of others with mode 700."""
    def close(folder):
        def scandir(path="."):
            if os.fspath(path) == str(folder):
                raise PermissionError(errno.EACCES, "Permission denied", str(path))
            return real(path)
        real = os.scandir
        monkeypatch.setattr(os, "scandir", scandir)
    return close


@pytest.fixture
def odd_heatmaps() -> torch.Tensor:
    """(1, 7, 16, 12) as a network should not give them, but may."""
    heatmaps = torch.zeros(1, 7, 16, 12)
    heatmaps[0, 1] = torch.linspace(-2, -1, 192).view(16, 12)
    heatmaps[0, 2] = 0.3                                # flat and positive
    heatmaps[0, 3], heatmaps[0, 3, 8, 6] = -0.5, 1e-3   # one pixel above a negative floor
    heatmaps[0, 4, 8, 6] = float("inf")
    heatmaps[0, 5, 8, 6] = 1e-30
    heatmaps[0, 6, 6:9, 4:7] = 1.0                      # a plateau
    return heatmaps
