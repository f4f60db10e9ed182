"""Crops cut on the device are those that OpenCV cuts."""
from dataclasses import replace

import numpy as np
import pytest
import torch

import processors.pose_predictor as pose_predictor_module
from datasets.crops.augment import View
from datasets.crops.warp import view_matrix, warp_averaged
from processors.detection.person_detector import Detections
from processors.models.load_pose_model import load_pose_model
from processors.pose_predictor import batches_of
from processors.prediction.device_crops import device_crops
from tests.processors.pose_checkpoints import small_config, write_checkpoint
from utils.geometry import CropGeometry

SIZE = (48, 64)


@pytest.mark.parametrize("boxes", [
    [(10, 20, 30, 50)], [(-20, -30, 60, 90), (100, 100, 50, 40)], [(300, 300, 20, 20)],
    [(0, 0, 160, 120), (-500, -400, 1500, 1100), (40.5, 30.25, 9, 14)]],
    ids=["within", "over the edge", "beside it", "larger and smaller"])
@pytest.mark.parametrize("scale", [1, 12])
def test_they_are_those_of_opencv(boxes, scale):
    """scale: of the picture; the larger one has pixels enough to be shrunk before."""
    generator = np.random.default_rng(0)
    small = generator.integers(0, 256, (120, 160, 3), np.uint8)
    image = small.repeat(scale, axis=0).repeat(scale, axis=1)
    geometry = CropGeometry(SIZE)
    matrices = [view_matrix(View(*geometry.center_scale(np.float32(box) * scale)), geometry)
                for box in boxes]
    found = device_crops(image, matrices, SIZE, torch.device("cpu"))
    wanted = np.stack([warp_averaged(image, matrix, SIZE) for matrix in matrices])
    assert found.dtype == torch.uint8 and found.shape == wanted.shape
    off = np.abs(found.numpy().astype(int) - wanted)
    assert off.max() <= 1 and (off > 0).mean() < 1e-2
    assert wanted.any() or boxes == [(300, 300, 20, 20)]


@pytest.mark.filterwarnings("error")
def test_pictures_may_be_read_only_as_those_of_pillow_are():
    image = np.full((20, 30, 3), 7, np.uint8)
    image.flags.writeable = False
    matrix = np.float64([[2, 0, 0], [0, 2, 0]])
    assert device_crops(image, [matrix], SIZE, torch.device("cpu"))[0, 10, 10].tolist() == [7] * 3


def test_nobody_has_no_crops():
    image = np.zeros((20, 30, 3), np.uint8)
    assert device_crops(image, [], SIZE, torch.device("cpu")).shape == (0, 64, 48, 3)


def test_with_a_gpu_people_of_several_images_share_a_batch_as_without(tmp_path, monkeypatch):
    """What would be cut on a GPU is cut beside it."""
    asked = []

    def on_gpu(image, matrices, size, device):
        asked.append((len(matrices), device.type))
        return device_crops(image, matrices, size, torch.device("cpu"))

    monkeypatch.setattr(pose_predictor_module, "device_crops", on_gpu)
    monkeypatch.setattr(pose_predictor_module, "PEOPLE_AT_ONCE", 4)
    model = load_pose_model(write_checkpoint(tmp_path / "x_best.pth", small_config()), "cpu")
    generator = np.random.default_rng(0)
    images = [generator.integers(0, 256, (60, 80, 3), np.uint8) for _ in range(4)]
    people = [Detections(generator.uniform(5, 40, (count, 4)).astype(np.float32),
                         np.full(count, 0.5, np.float32)) for count in (2, 0, 3, 1)]
    wanted = [*batches_of(images, people, model)]
    found = [*batches_of(images, people, replace(model, device=torch.device("cuda")))]
    assert asked == [(2, "cuda"), (2, "cuda"), (1, "cuda"), (1, "cuda")]
    for one, other in zip(found, wanted, strict=True):
        assert (one.crop.int() - other.crop).abs().max() <= 1
        for name in ("image_id", "to_image", "area", "box_score"):
            assert torch.equal(getattr(one, name), getattr(other, name))
