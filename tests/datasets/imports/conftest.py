"""What the tests of all importers take."""
import cv2
import numpy as np
import pytest

from datasets.annotations.skeleton import load_skeleton


@pytest.fixture
def stick(tmp_path):
    """A skeleton of two joints, and one image a.png of 40 x 30 pixels in images/."""
    (tmp_path / "stick.yaml").write_text("joints: [top, end]")
    (tmp_path / "images").mkdir()
    cv2.imwrite(str(tmp_path / "images" / "a.png"), np.zeros((30, 40, 3), np.uint8))
    return load_skeleton(str(tmp_path / "stick.yaml"))
