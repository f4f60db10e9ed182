"""A small network to predict with, and a video."""
import pytest

from processors.pose_predictor import PosePredictor
from tests.processors.pose_checkpoints import small_config, write_checkpoint
from tests.processors.prediction.videos import write_video


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    return write_checkpoint(tmp_path_factory.mktemp("weights") / "x.pth", small_config())


@pytest.fixture(scope="module")
def model(weights):
    return PosePredictor(weights, device="cpu", flip_test=False).model


@pytest.fixture
def video(tmp_path):
    return write_video(tmp_path / "walk.mp4")
