"""Ellipses hold what they say, on joints that were not calibrated by."""
import numpy as np
import pytest

from processors.ranking.calibrated import SHARES, calibrated, emptiness, shares_on_others
from processors.ranking.calibration import LEVELS, base_covariance, calibrate, mahalanobis
from tests.processors.ranking.made_people import SKELETON, made_people


def distances(count, seed):
    """Heights and distances with tails that are the heavier the lower the peak: of Student's t."""
    rng = np.random.default_rng(seed)
    heights = rng.uniform(0, 1, (count, 17))
    tails = np.where(heights < 0.5, rng.standard_t(1.5, heights.shape),
                     rng.standard_t(6, heights.shape))
    return heights, np.abs(tails) * (2 - heights)


def test_shares_hold_on_others_in_every_range_of_heights():
    heights, found = distances(300, 0)
    calibration = calibrate(heights, found, np.ones(heights.shape, bool))
    heights, found = distances(300, 1)
    for share in (0.1, 0.5, 0.9, 0.98):
        within = found <= calibration.radius(heights, share)
        for low in (0, 0.25, 0.5, 0.75):
            mine = (heights >= low) & (heights < low + 0.25)
            assert within[mine].mean() == pytest.approx(share, abs=0.04)
        assert (calibration.tail(heights, found) < 1 - share).mean() == pytest.approx(
            1 - share, abs=0.02)


def test_the_share_further_away_falls_for_ever():
    heights, found = distances(100, 0)
    calibration = calibrate(heights, found, np.ones(heights.shape, bool))
    far = np.concatenate([np.linspace(0, 20, 300), [1e3, 1e6]])
    for height in (0.1, 0.9):
        tail = calibration.tail(np.full(far.shape, height), far)
        assert (np.diff(tail) <= 0).all() and tail[0] > 0.99 and 0 < tail[-1] < tail[-2]
    height = np.full(len(LEVELS), 0.9)
    radii = np.array([calibration.radius(height[:1], share)[0] for share in LEVELS])
    near = LEVELS < 0.95
    np.testing.assert_allclose(calibration.tail(height, radii)[near], 1 - LEVELS[near])


def test_few_joints_make_one_bin_and_too_few_a_sentence():
    heights, found = distances(5, 0)
    one = calibrate(heights, found, np.ones(heights.shape, bool))
    assert len(one.edges) == 0 and one.radius(heights, 0.5).shape == heights.shape
    labelled = np.zeros(heights.shape, bool)
    labelled[0] = True
    with pytest.raises(ValueError, match="17 labelled joints, and 40 are needed"):
        calibrate(heights, found, labelled)


@pytest.mark.parametrize("values", [(0.0,), (0.0, 0.5, 1.0), (0.2,) * 9 + (0.7,)])
def test_equal_heights_leave_no_bin_empty(values):
    rng = np.random.default_rng(0)
    heights = rng.choice(values, (200, 17))
    found = calibrate(heights, rng.rayleigh(size=(200, 17)), np.ones((200, 17), bool))
    assert len(found.radii) == len(found.edges) + 1 <= len(set(values))
    assert np.isfinite(found.radii).all()


def test_the_base_is_the_sum_and_its_lengths_are_mahalanobis():
    peak = np.array([[[[4.0, 1], [1, 3]], [[np.nan] * 2] * 2]])
    flips, sigmas, areas = np.array([[[4.0, 0], [0, 2]]]), np.array([0.1, 0.2]), np.array([100.0])
    found = base_covariance(peak, flips, sigmas, areas)
    np.testing.assert_allclose(found[0, 0], [[4 + 4 + 1, 1], [1, 3 + 1]])
    np.testing.assert_allclose(found[0, 1], [[100 + 4, 0], [0, 100 + 1 + 4]])
    way = np.array([3.0, -2.0])
    expected = np.sqrt(way @ np.linalg.inv(found[0, 0]) @ way)
    assert mahalanobis(found[0, 0], way) == pytest.approx(expected)


def test_how_well_it_holds_is_measured_on_other_images_and_said(caplog):
    people = made_people(400)
    caplog.set_level("INFO")
    found = calibrated(people, SKELETON)
    assert found.within == pytest.approx(SHARES, abs=0.03)
    assert "50% ellipses hold" in caplog.text and "of 6800 labelled joints" in caplog.text


def test_a_set_too_small_for_halves_is_calibrated_and_not_judged(caplog):
    people = made_people(4)         # 68 joints, 34 in each half
    caplog.set_level("INFO")
    assert calibrated(people, SKELETON).within == ()
    assert "68 labelled joints are too few to judge the calibration on others" in caplog.text


def test_emptiness_is_about_the_part_of_the_peak_at_the_label():
    people = made_people(2)
    people.looks.heights[0, :3], people.looks.at_labels[0, :3] = 0.5, (0.5, 0.1, -0.2)
    assert emptiness(people)[0, :3] == pytest.approx([1 / 1.02, 1 / 0.22, 50])


def test_the_halves_are_of_whole_images(monkeypatch):
    """Two people of one image are never on both sides."""
    people, seen = made_people(40), []
    monkeypatch.setattr("processors.ranking.calibrated.calibrate",
                        lambda heights, far, labelled: seen.append(heights) or calibrate(
                            heights, far, labelled))
    shares_on_others(people, SKELETON, np.random.default_rng(1))
    rows = [set(np.flatnonzero(np.isin(people.looks.heights[:, 0], heights[:, 0]))) for heights in
            seen]
    assert {len(half) for half in rows} == {20} and rows[0].isdisjoint(rows[1])
    assert all({row ^ 1 for row in half} == half for half in rows)
