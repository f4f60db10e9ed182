"""Numbers for the device: uniform, of their sample only, weaker when asked for."""
import random

import numpy as np
import pytest

from configs.schema import AugmentConfig
from datasets.annotations.skeleton import load_skeleton
from datasets.coco import MSCOCO
from datasets.crops.colour_params import AMOUNTS, CHANCES, RECTANGLES, draw_colour_params


def many(weak: float = 1.0) -> np.ndarray:
    return np.array([draw_colour_params(random.Random(seed), weak) for seed in range(4000)])


def test_amounts_go_both_ways_and_chances_from_0_to_1():
    draws = many()
    assert draws.dtype == np.float32 and draws.shape[1] == RECTANGLES.stop == 41
    signed = list(AMOUNTS.values())
    rest = [i for i in range(41) if i not in signed]
    assert draws[:, signed].min() >= -1 and draws[:, signed].max() < 1
    assert draws[:, rest].min() >= 0 and draws[:, rest].max() < 1
    np.testing.assert_allclose(draws[:, signed].mean(0), 0, atol=0.05)
    np.testing.assert_allclose(draws[:, rest].mean(0), 0.5, atol=0.03)
    assert np.abs(np.corrcoef(draws.T) - np.eye(41)).max() < 0.08


@pytest.mark.parametrize("weak", [0.5, 0.0])
def test_weaker_draws_are_the_same_ones_weakened(weak):
    strong, draws = many(), many(weak)
    np.testing.assert_allclose(draws[:, list(AMOUNTS.values())],
                               strong[:, list(AMOUNTS.values())] * weak, atol=1e-7)
    chances = draws[:, list(CHANCES.values())]
    assert abs((chances < 0.3).mean() - 0.3 * weak) < 0.02


def test_the_last_epochs_are_weaker(coco_content, write_coco):
    strong = AugmentConfig(rotation_prob=1, weak_epochs=2, weak=0.5)
    files = write_coco(coco_content)
    dataset = MSCOCO(*files, load_skeleton("coco"), augment=strong, epochs=5)
    endless = MSCOCO(*files, load_skeleton("coco"), augment=strong)
    for epoch in range(5):
        view, whole = dataset._plan((epoch, 3))[1], endless._plan((epoch, 3))[1]
        factor = 0.5 if epoch >= 3 else 1.0
        assert view.rotation == pytest.approx(whole.rotation * factor)
        assert view.flip == whole.flip
        one, other = dataset[epoch, 3].draws, endless[epoch, 3].draws
        assert one[0] == pytest.approx(other[0] * factor) and one[7] == other[7]


def test_samples_without_augmentation_carry_none(coco_content, write_coco):
    assert MSCOCO(*write_coco(coco_content), load_skeleton("coco"))[0].draws.shape == (0,)
