"""The score of a pose by each rule; the order and the NMS are tested with the results they give."""
import numpy as np
import pytest

from configs.schema import ValConfig
from processors.models.pose_ranking import Predictions, rank_poses


@pytest.mark.parametrize("rule, boxes, expected", [
    ("alphapose", "gt", 0.5 + 1.25 * 0.8), ("alphapose", "d.json", 0.3 + 0.5 + 1.25 * 0.8),
    ("simplepose", "gt", 0.5 + 0.8), ("simplepose", "d.json", 0.3 * 0.65),
    ("hrnet", "gt", 0.3 * 0.65), ("hrnet", "d.json", 0.3 * 0.65)])
def test_score_rules(rule, boxes, expected):
    person = Predictions(np.zeros((1, 3, 2), np.float32), np.array([[0.2, 0.5, 0.8]], np.float32),
                         np.array([0.3], np.float32), np.ones(1, np.float32), np.array([7]))
    val = ValConfig(score_rule=rule, boxes=boxes, joint_score=0.3)
    assert rank_poses(person, val, [0.1] * 3)[1] == pytest.approx([expected])
