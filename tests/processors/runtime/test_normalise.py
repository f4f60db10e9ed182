import numpy as np
import pytest
import torch

from processors.runtime.normalise import normalise

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@pytest.fixture
def crops():
    random = torch.Generator().manual_seed(0)
    return torch.randint(256, (2, 5, 4, 3), generator=random, dtype=torch.uint8)


@pytest.mark.parametrize("name, order, mean, std", [
    ("rgb_mean_std", [0, 1, 2], MEAN, STD), ("bgr_mean_std", [2, 1, 0], MEAN, STD),
    ("rgb_mean", [0, 1, 2], MEAN, (1, 1, 1)),
    ("alphapose", [0, 1, 2], (0.406, 0.457, 0.480), (1, 1, 1))])
def test_each_format_is_its_formula(crops, name, order, mean, std):
    wanted = (crops.numpy()[..., order] / 255.0 - mean) / std
    found = normalise(crops, name)
    assert found.shape == (2, 3, 5, 4) and found.dtype == torch.float32
    np.testing.assert_allclose(found, wanted.transpose(0, 3, 1, 2), atol=1e-6)


@pytest.mark.parametrize("name", ["rgb_mean_std", "bgr_mean_std"])
def test_the_memory_stays_pixel_major_and_the_crops_as_they_were(crops, name):
    before = crops.clone()
    assert normalise(crops, name).is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(crops, before)


def test_it_prepares_as_the_official_loader(shared):
    data = np.load(shared / "golden" / "dataset.npz")
    statistics = data["crop_norm_mean3_std3_rawmean"][data["crop_idx"]]
    found = normalise(torch.tensor(data["crop_rgb_uint8"]), "rgb_mean_std")
    np.testing.assert_allclose(found.mean((2, 3)), statistics[:, :3], atol=1e-4)
    np.testing.assert_allclose(found.std((2, 3), correction=0), statistics[:, 3:6], atol=1e-4)
