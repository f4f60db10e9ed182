"""The one-euro filter: against the paper's formulas, step by step, and what it is for."""
import numpy as np
import pytest

from processors.pose_tracking.one_euro import OneEuroFilter


def reference(values, times, min_cutoff, beta, speed_cutoff):
    """Algorithm 1 of the paper for one number at a time."""
    def alpha(cutoff, step):
        return 1 / (1 + (1 / (2 * np.pi * cutoff)) / step)

    filtered, slope, out = values[0], 0.0, [values[0]]
    for value, before, now in zip(values[1:], times, times[1:], strict=False):
        step = now - before
        a = alpha(speed_cutoff, step)
        slope = a * (value - filtered) / step + (1 - a) * slope
        a = alpha(min_cutoff + beta * abs(slope), step)
        filtered = a * value + (1 - a) * filtered
        out.append(filtered)
    return out


def test_one_axis_is_the_papers_algorithm():
    rng = np.random.default_rng(0)
    times = np.cumsum(rng.uniform(0.01, 0.1, 40))
    values = np.cumsum(rng.normal(size=40))
    calm = OneEuroFilter(1.3, 0.7, 0.9)
    found = [calm(np.array([[value, 5.0]]), time)[0] for value, time in
             zip(values, times, strict=True)]
    assert [x for x, _ in found] == pytest.approx(reference(values, times, 1.3, 0.7, 0.9))
    assert [y for _, y in found] == [5.0] * 40


def test_a_still_point_stops_trembling_and_a_fast_one_does_not_lag():
    rng = np.random.default_rng(1)
    calm, noise = OneEuroFilter(), rng.normal(0, 2, (200, 1, 2))
    still = np.array([calm(100 + shake, i / 25, unit=200) for i, shake in enumerate(noise)])
    assert still[25:].std() < 0.5 * noise[25:].std()
    calm = OneEuroFilter()
    fast = [calm(np.array([[40.0 * i, 0.0]]), i / 25, unit=200)[0, 0] for i in range(50)]
    assert 40 * 49 - fast[-1] < 40      # 1000 pixels a second, less than a frame behind


def test_the_size_of_the_person_changes_nothing_but_the_size():
    path = np.cumsum(np.random.default_rng(2).normal(size=(30, 17, 2)), axis=0)
    small, large = OneEuroFilter(), OneEuroFilter()
    for i, points in enumerate(path):
        one, other = small(points, i / 30, unit=50), large(points * 10, i / 30, unit=500)
    assert one * 10 == pytest.approx(other)


def test_two_pictures_at_the_same_time():
    calm = OneEuroFilter()
    calm(np.zeros((3, 2)), 1.0)
    assert np.isfinite(calm(np.ones((3, 2)), 1.0)).all()
