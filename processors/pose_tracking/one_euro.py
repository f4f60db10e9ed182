"""One-euro filter: still points stop trembling, and fast ones do not lag.

Casiez, Roussel and Vogel, "1 Euro Filter: A Simple Speed-based Low-pass Filter for Noisy Input in
Interactive Systems", CHI 2012.
"""
import numpy as np


class OneEuroFilter:
    """Called with points (..., 2) and their time, in rising order; gives the filtered points.

    min_cutoff: Hz, of the low-pass filter at rest; lower is calmer. beta: how much the cutoff
    rises with the speed; higher lags less. speed_cutoff: Hz, of the filter of the speed.
    """

    def __init__(self, min_cutoff: float = 1.0, beta: float = 4.0, speed_cutoff: float = 1.0):
        assert min_cutoff > 0 and beta >= 0 and speed_cutoff > 0
        self.min_cutoff, self.beta, self.speed_cutoff = min_cutoff, beta, speed_cutoff
        self.time: float | None = None

    def __call__(self, points: np.ndarray, time: float, unit: float = 1.0) -> np.ndarray:
        """time: seconds. unit: pixels in which the speed is measured, such as the height of a
        person, so that near and far people are filtered alike. Returns float64."""
        points = np.asarray(points, np.float64)
        if self.time is None:
            self.points, self.velocity = points, np.zeros_like(points)
        else:
            step = max(time - self.time, 1e-6)
            velocity = (points - self.points) / step / unit
            self.velocity = _mix(self.velocity, velocity, _share(self.speed_cutoff, step))
            # one cutoff for x and y, or a diagonal movement would bend
            speed = np.linalg.norm(self.velocity, axis=-1, keepdims=True)
            cutoff = self.min_cutoff + self.beta * speed
            self.points = _mix(self.points, points, _share(cutoff, step))
        self.time = time
        return self.points


def _share(cutoff: float | np.ndarray, step: float) -> float | np.ndarray:
    """Of the new value in an exponential mean with this cutoff, Hz; step: seconds."""
    tau = 1 / (2 * np.pi * cutoff)
    return 1 / (1 + tau / step)


def _mix(old: np.ndarray, new: np.ndarray, share: float | np.ndarray) -> np.ndarray:
    return old + share * (new - old)
