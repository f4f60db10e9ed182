"""Colour draws: the random numbers that processors/runtime/colour_augment.py spends on the device.

They are drawn with the rest of a sample and travel with it, so a sample looks the same in every
batch. Weaker augmentation is in the numbers already: the device needs no epoch.
"""
import random

import numpy as np

from configs.schema import DROPOUT_MOST

AMOUNTS = {"brightness": 0, "contrast": 1, "saturation": 2, "hue": 3}   # from -1 to 1
CHANCES = {"grey": 4, "blur": 5, "dropout": 6}      # happens if below the setting
BLUR_SIGMA, DROPOUT_COUNT = 7, 8                    # from 0 to 1
RECTANGLES = slice(9, 9 + 4 * DROPOUT_MOST)         # width, height, x, y of each, from 0 to 1


def draw_colour_params(rng: random.Random, weak: float = 1.0) -> np.ndarray:
    """The numbers of one sample, (RECTANGLES.stop,) float32. weak: 1, or `augment.weak` in its
    epochs."""
    whole = np.frombuffer(rng.randbytes(4 * RECTANGLES.stop), "<u4") >> 8
    draws = whole.astype(np.float32) * np.float32(2 ** -24)
    draws[:len(AMOUNTS)] = (2 * draws[:len(AMOUNTS)] - 1) * weak
    if weak != 1:       # below the weakened setting as often as that asks for
        draws[list(CHANCES.values())] /= max(weak, 1e-6)
    return draws
