"""Ids stay with people who walk, cross, hide for a moment and come in another order."""
import numpy as np
import pytest

from processors.pose_tracking.person_tracker import PersonTracker, iou_matrix

SIGMAS = (0.05, 0.05, 0.08)
POSE = np.array([[0.5, 0.1], [0.3, 0.5], [0.5, 0.9]])     # parts of the box


def people(*boxes, scores=None):
    """Arguments of `update` for people who fill their boxes (xywh) with one pose."""
    boxes = np.reshape(boxes, (-1, 4)).astype(float)
    points = boxes[:, None, :2] + POSE * boxes[:, None, 2:]
    return boxes, points, np.ones(points.shape[:2]), np.ones(len(boxes)) if scores is None else \
        np.asarray(scores)


def test_ids_follow_people_whatever_their_order():
    tracker = PersonTracker(SIGMAS)
    for i in range(20):
        left, right = (10 + 4 * i, 20, 40, 90), (300 - 4 * i, 25, 45, 90)
        if i % 2:
            assert tracker.update(*people(right, left)).tolist() == [2, 1]
        else:
            assert tracker.update(*people(left, right)).tolist() == [1, 2]


def test_people_who_cross_keep_their_ids():
    """In the middle both boxes are nearly the same; where they were going tells them apart."""
    tracker = PersonTracker(SIGMAS)
    for i in range(40):
        ids = tracker.update(*people((10 + 8 * i, 20, 40, 90), (330 - 8 * i, 30, 40, 90)))
        assert ids.tolist() == [1, 2], i


def test_the_pose_tells_apart_who_share_a_box():
    tracker = PersonTracker(SIGMAS)
    boxes = np.array([[10.0, 10, 100, 100]] * 2)
    poses = np.array([[[20, 20], [30, 60], [20, 100]], [[90, 20], [80, 60], [90, 100.0]]])
    rest = np.ones((2, 3)), np.ones(2)
    assert tracker.update(boxes, poses, *rest).tolist() == [1, 2]
    assert tracker.update(boxes, poses[::-1] + 1, *rest).tolist() == [2, 1]


@pytest.mark.parametrize("away, number", [(1, 1), (6, 1), (7, 2)])
def test_who_hides_for_a_moment_comes_back_where_the_way_led(away, number):
    tracker = PersonTracker(SIGMAS, patience=6)
    for i in range(8):
        tracker.update(*people((10 + 4 * i, 20, 40, 90)))
    for _ in range(away):
        assert tracker.update(*people()).tolist() == []
    assert tracker.update(*people((38 + 4 * (away + 1), 20, 40, 90))).tolist() == [number]


def test_who_stands_still_while_away_is_not_expected_far_off():
    tracker = PersonTracker(SIGMAS)
    for i in range(8):
        tracker.update(*people((10 + 2 * i, 20, 40, 90)))
    for _ in range(25):
        tracker.update(*people())
    assert tracker.update(*people((26, 20, 40, 90))).tolist() == [1]


def test_a_jump_is_another_person():
    tracker = PersonTracker(SIGMAS)
    assert tracker.update(*people((10, 10, 50, 100))).tolist() == [1]
    assert tracker.update(*people((200, 10, 50, 100))).tolist() == [2]


def test_unsure_people_get_no_new_id_but_keep_an_old_one():
    tracker = PersonTracker(SIGMAS, new_score=0.5)
    box = (10, 10, 50, 100)
    assert tracker.update(*people(box, scores=[0.4])).tolist() == [-1]
    assert tracker.update(*people(box, scores=[0.6])).tolist() == [1]
    assert tracker.update(*people(box, scores=[0.1])).tolist() == [1]


def test_nobody():
    tracker = PersonTracker(SIGMAS)
    ids = tracker.update(*people())
    assert ids.shape == (0,) and ids.dtype == np.int64


def test_iou():
    a = [(0, 0, 10, 10), (5, 5, 0, 0)]
    b = [(0, 0, 10, 10), (5, 0, 10, 10), (50, 50, 1, 1), (0, 0, 20, 10)]
    assert iou_matrix(a, b) == pytest.approx(np.array([[1, 1 / 3, 0, 0.5], [0, 0, 0, 0]]))
