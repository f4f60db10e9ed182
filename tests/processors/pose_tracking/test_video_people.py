"""VideoPeople: ids for the people of a video's frames, and calm joints."""
import numpy as np
import pytest

from datasets.annotations.skeleton import load_skeleton
from processors.pose_tracking.one_euro import OneEuroFilter
from processors.pose_tracking.video_people import VideoPeople
from processors.prediction.person import Person

FPS = 10.0


def person(x: float, score: float = 0.9, shake: float = 0.0) -> Person:
    joints = np.float32([(x + 3 * (i % 4), 20 + 5 * (i // 4)) for i in range(17)]) + shake
    return Person(joints, np.ones(17, np.float32), np.float32([x - 5, 10, 30, 60]), score)


def test_ids_stay_with_their_people():
    people = VideoPeople(load_skeleton("coco"))
    for frame in range(10):
        row = [person(10 + frame), person(200 - frame), person(400, score=0.1)]
        found = people.update(row if frame % 2 else row[::-1], frame / FPS)
        assert {p.id: p.box[0] for p in found} == {
            found[0 if frame % 2 else 2].id: 5 + frame, found[1].id: 195 - frame, None: 395}
        assert {p.id for p in found} == {1, 2, None}


@pytest.mark.parametrize("away, same", [(5, True), (12, False)])
def test_after_a_second_it_is_somebody_new(away, same):
    people = VideoPeople(load_skeleton("coco"), smooth=True)
    first, = people.update([person(10)], 0.0)
    for frame in range(1, away):
        assert people.update([], frame / FPS) == []
    again, = people.update([person(10)], away / FPS)
    assert (again.id == first.id) == same
    assert list(people.filters) == [again.id]       # nothing is kept of those who are forgotten


def test_smoothing_calms_the_joints_and_nothing_else():
    plain, calm = (VideoPeople(load_skeleton("coco"), smooth) for smooth in (False, True))
    rng, found = np.random.default_rng(0), ([], [])
    for frame in range(50):
        row = [person(100, shake=rng.normal(0, 1))]
        for people, kept in zip((plain, calm), found, strict=True):
            kept += people.update(row, frame / 30)
        assert found[0][-1].keypoints is row[0].keypoints and found[1][-1].box is row[0].box
    x = [np.std([p.keypoints[0, 0] for p in kept[10:]]) for kept in found]
    assert x[1] < 0.7 * x[0]
    assert found[1][-1].keypoints.dtype == np.float32


@pytest.mark.parametrize("seconds", [(0, 0.04, 0.08, 0.12), (0, 0.033, 0.5, 0.9)])
def test_joints_are_calmed_by_the_time_between_frames(seconds):
    """Not by their number: after a pause more of a move is true."""
    people, calm = VideoPeople(load_skeleton("coco"), smooth=True), OneEuroFilter()
    for number, time in enumerate(seconds):
        moved = person(100 + 3 * number)
        found, = people.update([moved], time)
        expected = calm(moved.keypoints, time, unit=float(np.sqrt(30 * 60)))
        assert found.keypoints == pytest.approx(expected, abs=1e-4)
