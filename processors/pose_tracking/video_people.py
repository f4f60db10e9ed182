"""VideoPeople: the people of a video's frames get ids, and calm joints if wanted."""
from dataclasses import replace

import numpy as np

from datasets.annotations.skeleton import Skeleton
from processors.pose_tracking.one_euro import OneEuroFilter
from processors.pose_tracking.person_tracker import PersonTracker
from processors.prediction.person import Person

FORGET_SECONDS = 1.0    # after which a person who comes back is a new one


class VideoPeople:
    """`update` takes the people of each frame, in order."""

    def __init__(self, skeleton: Skeleton, smooth: bool = False):
        self.tracker = PersonTracker(skeleton.sigmas, FORGET_SECONDS)
        self.joints, self.smooth = skeleton.num_joints, smooth
        self.filters: dict[int, OneEuroFilter] = {}

    def update(self, people: list[Person], seconds: float) -> list[Person]:
        """The same people with ids; the id is None for somebody new with a low score."""
        ids = self.tracker.update(
            np.reshape([person.box for person in people], (-1, 4)),
            np.reshape([person.keypoints for person in people], (-1, self.joints, 2)),
            np.reshape([person.scores for person in people], (-1, self.joints)),
            np.array([person.score for person in people]), seconds)
        known = {track.id for track in self.tracker.tracks}
        self.filters = {key: kept for key, kept in self.filters.items() if key in known}
        return [self._smoothed(replace(person, id=number), number, seconds) if number > 0
                else person for person, number in zip(people, ids.tolist(), strict=True)]

    def _smoothed(self, person: Person, number: int, seconds: float) -> Person:
        if not self.smooth:
            return person
        calm = self.filters.setdefault(number, OneEuroFilter())
        size = float(np.sqrt(person.box[2] * person.box[3]))    # speed in body sizes a second
        points = calm(person.keypoints, seconds, unit=max(size, 1.0))
        return replace(person, keypoints=points.astype(np.float32))
