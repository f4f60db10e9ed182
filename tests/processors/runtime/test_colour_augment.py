"""Colours change as the settings say, by a sample's own numbers, alike in every batch."""
import colorsys
import random
from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch

from configs.schema import AugmentConfig
from datasets.crops.colour_params import (
    AMOUNTS,
    BLUR_SIGMA,
    CHANCES,
    DROPOUT_COUNT,
    draw_colour_params,
)
from processors.runtime.colour_augment import augment_colour

OFF = AugmentConfig()
ALL = AugmentConfig(brightness=0.4, contrast=0.4, saturation=0.5, hue=30, grey=0.3, blur=0.5,
                    dropout=0.6)


@pytest.fixture
def crops():
    """(6, 40, 32, 3): smooth pictures with some noise."""
    rng = np.random.default_rng(0)
    return torch.from_numpy(np.stack([cv2.resize(rng.integers(
        0, 256, (5, 4, 3), np.uint8), (32, 40)) for _ in range(6)]))


@pytest.fixture
def draws():
    return torch.from_numpy(np.stack([draw_colour_params(random.Random(i)) for i in range(6)]))


def fixed(count: int = 6, **values: float) -> torch.Tensor:
    """Draws in which nothing changes but the named ones."""
    names = AMOUNTS | CHANCES | {"sigma": BLUR_SIGMA, "count": DROPOUT_COUNT}
    draws = torch.full((count, 41), 0.5)
    draws[:, list(AMOUNTS.values())] = 0
    draws[:, list(CHANCES.values())] = 1
    for name, value in values.items():
        draws[:, names[name]] = value
    return draws


def test_without_settings_the_crops_pass_untouched(crops, draws):
    assert augment_colour(crops, draws, OFF) is crops


def test_neutral_draws_change_nothing(crops):
    found = augment_colour(crops, fixed(), ALL)
    assert found.dtype == torch.float32 and found.shape == crops.shape
    torch.testing.assert_close(found, crops.float(), atol=0.01, rtol=0)


@pytest.mark.parametrize("setting", [
    {"brightness": 0.4}, {"contrast": 0.4}, {"saturation": 0.5}, {"hue": 30}, {"grey": 0.5},
    {"blur": 0.5}, {"dropout": 0.5}, {name: getattr(ALL, name) for name in (*AMOUNTS, *CHANCES)}])
def test_a_sample_is_the_same_in_every_batch(crops, draws, setting):
    """Bit for bit, and the given crops stay as they are."""
    config, before = replace(OFF, **setting), crops.clone()
    whole = augment_colour(crops, draws, config)
    assert not torch.equal(whole, crops.float())
    for some in ([0], [5], [2, 3, 4], [5, 4, 3, 2, 1, 0]):
        assert torch.equal(augment_colour(crops[some], draws[some], config), whole[some])
    assert torch.equal(crops, before)


def test_brightness_is_a_factor(crops):
    found = augment_colour(crops, fixed(brightness=-0.5), replace(OFF, brightness=0.4))
    torch.testing.assert_close(found, crops * 0.8, atol=0.01, rtol=0)
    found = augment_colour(crops, fixed(brightness=1.0), replace(OFF, brightness=0.4))
    torch.testing.assert_close(found, (crops * 1.4).clamp(max=255), atol=0.01, rtol=0)


def test_contrast_keeps_mid_grey(crops):
    found = augment_colour(crops, fixed(contrast=-0.5), replace(OFF, contrast=0.6))
    torch.testing.assert_close(found, 127.5 + (crops - 127.5) * 0.7, atol=0.01, rtol=0)


def luma(pixels):
    return pixels.float() @ torch.tensor([0.299, 0.587, 0.114])


def test_saturation_keeps_the_luma(crops):
    found = augment_colour(crops, fixed(saturation=-1.0), replace(OFF, saturation=0.5))
    grey = luma(crops)[..., None]
    torch.testing.assert_close(found, grey + (crops - grey) * 0.5, atol=0.01, rtol=0)


def test_grey_has_three_equal_channels_of_the_luma(crops):
    found = augment_colour(crops, fixed(grey=0.49), replace(OFF, grey=0.5))
    torch.testing.assert_close(found, luma(crops)[..., None].expand_as(found), atol=0.01, rtol=0)
    kept = augment_colour(crops, fixed(grey=0.51), replace(OFF, grey=0.5))
    torch.testing.assert_close(kept, crops.float(), atol=0.01, rtol=0)


def test_hue_turns_colours_and_keeps_the_luma():
    pale = torch.tensor([[[[140, 120, 120]]]], dtype=torch.uint8).expand(1, 4, 4, 3)
    third = augment_colour(pale, fixed(1, hue=1.0), replace(OFF, hue=120))[0, 0, 0]
    back = augment_colour(pale, fixed(1, hue=-1.0), replace(OFF, hue=120))[0, 0, 0]
    assert luma(third) == pytest.approx(luma(pale)[0, 0, 0].item(), abs=0.01)
    hues = [colorsys.rgb_to_hsv(*(pixel / 255).tolist())[0] * 360 for pixel in (third, back)]
    assert 80 < min(hues) < 160 and 200 < max(hues) < 290      # a reddish one to green and blue


def test_blur_is_that_of_opencv(crops):
    config = replace(OFF, blur=0.5, blur_sigma=2.0)
    found = augment_colour(crops, fixed(blur=0.0, sigma=0.75), config)
    for crop, blurred in zip(crops, found, strict=True):
        wanted = cv2.GaussianBlur(crop.numpy().astype(np.float32), (9, 9), 1.5,
                                  borderType=cv2.BORDER_REPLICATE)
        np.testing.assert_allclose(blurred, wanted, atol=0.01)
    kept = augment_colour(crops, fixed(blur=0.6), config)
    assert torch.equal(kept, crops.float())


@pytest.mark.parametrize("config", [
    replace(OFF, brightness=0.4, hue=30, grey=0.3), replace(OFF, blur=0.5),
    replace(OFF, dropout=0.6, dropout_count=3), ALL])
def test_the_path_of_gpus_does_the_same(crops, draws, config, monkeypatch):
    wanted = augment_colour(crops, draws, config)
    monkeypatch.setattr("processors.runtime.colour_augment.on_cpu", lambda tensor: False)
    torch.testing.assert_close(augment_colour(crops, draws, config), wanted, atol=1e-4, rtol=0)
    torch.testing.assert_close(augment_colour(crops[2:3], draws[2:3], config), wanted[2:3],
                               atol=1e-4, rtol=0)


def test_dropout_covers_rectangles(draws):
    white = torch.full((400, 40, 32, 3), 255, dtype=torch.uint8)
    numbers = torch.from_numpy(np.stack([draw_colour_params(random.Random(i)) for i in range(400)]))
    config = replace(OFF, dropout=0.5, dropout_count=2, dropout_size=0.4)
    found = augment_colour(white, numbers, config)
    assert set(found.unique().tolist()) == {0.0, 255.0}
    assert (found[..., 0] == found[..., 2]).all()
    covered = (found[..., 0] == 0).flatten(1).sum(1) / (40 * 32)
    assert abs((covered > 0).float().mean() - 0.5) < 0.08
    assert covered.max() <= 2 * 0.42 ** 2 and covered[covered > 0].min() >= 0.05 ** 2
    one = augment_colour(white, numbers, replace(config, dropout=1.0, dropout_count=1))[..., 0] == 0
    rows, columns = one.any(2).sum(1), one.any(1).sum(1)
    assert torch.equal(one.flatten(1).sum(1), rows * columns)       # one full rectangle
    assert rows.max() <= 17 and columns.max() <= 14 and rows.min() >= 3


def test_rectangles_lie_anywhere(draws):
    white = torch.full((3000, 20, 16, 3), 255, dtype=torch.uint8)
    numbers = torch.from_numpy(np.stack([draw_colour_params(random.Random(i))
                                         for i in range(3000)]))
    config = replace(OFF, dropout=1.0, dropout_count=1)
    covered = (augment_colour(white, numbers, config)[..., 0] == 0).float().mean(0)
    assert covered.min() > 0 and covered.max() < 0.2
    assert torch.allclose(covered, covered.flip(0), atol=0.04)


def test_values_stay_colours(crops, draws):
    wild = replace(ALL, brightness=1.0, contrast=1.0, saturation=1.0, hue=180)
    found = augment_colour(crops, draws, wild)
    assert found.min() >= 0 and found.max() <= 255 and found.isfinite().all()


def test_the_result_lies_in_the_memory_given(crops):
    memory = torch.empty(crops.shape)
    wanted = augment_colour(crops, draws := fixed(), ALL)
    assert augment_colour(crops, draws, ALL, memory) is memory and torch.equal(memory, wanted)
