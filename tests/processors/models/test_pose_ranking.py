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
