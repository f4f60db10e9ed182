"""How often a network is right about the visibility of joints, and how well calibrated it is."""
from dataclasses import dataclass

import numpy as np

from processors.judging.calibration import at_temperature, calibration_error, fit_temperature
from utils.codecs.visibility_codec import CLASSES

UNDEFINED = -1.0


@dataclass(frozen=True, eq=False)
class VisibilityScores:
    """Of the people that were found, all joints of each. Of nobody, numbers are -1."""
    counts: np.ndarray          # (K, 3, 3) int64, joints by COCO's v as labelled and as answered
    temperature: float          # that makes the probabilities most likely, fitted on all of them
    error: float                # expected calibration error, 0 to 1, as the network says them
    calibrated_error: float     # with the temperature that the other half of the people asks for

    @property
    def right(self) -> float:
        """Share of right answers, 0 to 1."""
        return _share(np.trace(self.counts.sum(axis=0)), self.counts.sum())

    @property
    def chance(self) -> float:
        """The same of whoever gives each joint the answer that is right most often for it."""
        return _share(self.counts.sum(axis=2).max(axis=1).sum(), self.counts.sum())

    def rows(self) -> list[tuple[float, float, np.ndarray]]:
        """Of each joint: right, chance, and its counts (3, 3)."""
        return [(_share(np.trace(table), table.sum()),
                 _share(table.sum(axis=1).max(), table.sum()), table) for table in self.counts]

    def __str__(self) -> str:
        """In words, one line."""
        if not self.counts.sum():
            return "visibility: nobody was found to judge it by"
        return (f"visibility: right for {self.right:.4f} of {self.counts.sum()} joints (always the "
                f"most frequent answer: {self.chance:.4f}); calibration error {self.error:.4f}, "
                f"with a temperature fitted on the other half of the people "
                f"{self.calibrated_error:.4f} (on all: {self.temperature:.3f})")


def visibility_scores(probabilities: np.ndarray, truth: np.ndarray) -> VisibilityScores:
    """probabilities: (N, K, 3) of COCO's v, as predicted. truth: (N, K) labelled v; above 2 is as
    2, below 0 as 0."""
    v = np.clip(truth, 0, 2).astype(np.int64)
    answers, joints = probabilities.argmax(axis=2), v.shape[1]
    numbers = (np.arange(joints) * len(CLASSES) + v) * len(CLASSES) + answers
    counts = np.bincount(numbers.ravel(), minlength=joints * len(CLASSES) ** 2)
    counts = counts.reshape(joints, len(CLASSES), len(CLASSES))
    if not len(v):
        return VisibilityScores(counts, 1.0, UNDEFINED, UNDEFINED)
    halves = [(probabilities[first::2].reshape(-1, len(CLASSES)), v[first::2].ravel())
              for first in (0, 1)]
    whole = [np.concatenate(parts) for parts in zip(*halves, strict=True)]
    calibrated = UNDEFINED
    if len(v) > 1:
        calibrated = calibration_error(np.concatenate([
            at_temperature(half[0], fit_temperature(*other))
            for half, other in (halves, halves[::-1])]), whole[1])
    return VisibilityScores(counts, fit_temperature(*whole), calibration_error(*whole), calibrated)


def _share(part: int, whole: int) -> float:
    return float(part / whole) if whole else UNDEFINED
