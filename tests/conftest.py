"""Fixtures for all tests."""
import os
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).resolve().parent.parent
torch.set_num_threads(2)


@pytest.fixture(scope="session")
def shared() -> Path:
    """Folder with golden numbers and real data: $SIMPLEPOSE_SHARED or ../shared."""
    path = Path(os.environ.get("SIMPLEPOSE_SHARED", ROOT.parent / "shared"))
    if not path.is_dir():
        pytest.skip("the golden numbers and real data are not on this machine: "
                    "set SIMPLEPOSE_SHARED to their folder")
    return path
