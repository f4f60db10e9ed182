"""The score of a pose by each rule; the order and the NMS are tested with the results they give."""
import numpy as np
import pytest

from configs.schema import ValConfig
from processors.models.pose_ranking import Predictions, rank_poses


@pytest.mark.parametrize("rule, detected, expected", [
    ("alphapose", False, 0.5 + 1.25 * 0.8), ("alphapose", True, 0.3 + 0.5 + 1.25 * 0.8),
    ("simplepose", False, 0.5 + 0.8), ("simplepose", True, 0.3 * 0.65),
    ("hrnet", False, 0.3 * 0.65), ("hrnet", True, 0.3 * 0.65)])
def test_score_rules(rule, detected, expected):
    person = Predictions(np.zeros((1, 3, 2), np.float32), np.array([[0.2, 0.5, 0.8]], np.float32),
                         np.array([0.3], np.float32), np.ones(1, np.float32), np.array([7]))
    val = ValConfig(score_rule=rule, joint_score=0.3)
    assert rank_poses(person, val, [0.1] * 3, detected)[1] == pytest.approx([expected])


def test_joints_count_by_how_likely_they_are_not_absent():
    """Three joints of scores .2, .5, .8, of which the first is certainly absent."""
    told = np.array([[[1, 0, 0], [0.5, 0.4, 0.1], [0, 0.5, 0.5]]], np.float32)
    person = Predictions(np.zeros((1, 3, 2), np.float32), np.array([[0.2, 0.5, 0.8]], np.float32),
                         np.array([0.3], np.float32), np.ones(1, np.float32), np.array([7]),
                         visibility=told)
    val = ValConfig(score_rule="visibility")
    _, scores = rank_poses(person, val, [0.1] * 3, True)
    assert scores == pytest.approx([0.3 * (0.5 * 0.5 + 1 * 0.8) / 1.5])
    person.visibility[..., :] = [1, 0, 0]
    assert rank_poses(person, val, [0.1] * 3, True)[1] == [0]
    person.visibility[0, 1, 2] = np.nan
    assert not person.finite().any()
