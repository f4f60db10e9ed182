"""Right answers and chance, counted by hand."""
import numpy as np
import pytest

from processors.judging.visibility_scores import visibility_scores

TRUTH = np.array([[2, 0], [2, 1], [1, 0], [2, 2]])
ANSWERS = np.array([[2, 0], [1, 1], [1, 2], [2, 0]])


def test_the_shares_are_those_of_a_count():
    scores = visibility_scores(np.eye(3)[ANSWERS] * 0.7 + 0.1, TRUTH)
    assert scores.counts[0].tolist() == [[0, 0, 0], [0, 1, 0], [0, 1, 2]]
    assert scores.counts[1].tolist() == [[1, 0, 1], [0, 1, 0], [1, 0, 0]]
    assert scores.right == 5 / 8 and scores.chance == 5 / 8
    assert [row[:2] for row in scores.rows()] == [(3 / 4, 3 / 4), (2 / 4, 2 / 4)]
    assert "right for 0.6250 of 8 joints (always the most frequent answer: 0.6250)" in str(scores)
    assert scores.error == pytest.approx(0.8 - 5 / 8)


def test_odd_labels_count_as_the_nearest():
    scores = visibility_scores(np.eye(3)[[[2, 0]]], np.array([[3, -1]]))
    assert scores.right == 1


def test_of_nobody_nothing_is_said():
    scores = visibility_scores(np.zeros((0, 5, 3)), np.zeros((0, 5)))
    assert scores.right == scores.chance == scores.error == scores.calibrated_error == -1
    assert scores.temperature == 1 and "nobody was found" in str(scores)
    assert len(scores.rows()) == 5


def test_the_calibrated_error_is_that_of_people_the_temperature_has_not_seen():
    """Overconfident answers of one kind: each half mends the other."""
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 3, (4000, 1))
    said = np.where(rng.random((4000, 1)) < 0.7, truth, (truth + 1) % 3)
    scores = visibility_scores(np.eye(3)[said] * 0.97 + 0.01, truth)
    assert scores.error == pytest.approx(0.28, abs=0.03)
    assert scores.calibrated_error < 0.03 and scores.temperature > 2
