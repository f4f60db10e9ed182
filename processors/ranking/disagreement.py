"""Disagreement: labelled people that lie where the network is sure they do not, and what is odd.

A joint's oddness is -log of the share of the calibrated network's joints with labels as far away
(`Calibration.tail`): 0.7 for one on the 50 % ellipse, 2.3 on that of 90 %. What tells a bad label
from a network that is wrong is whether it sees anything at the label, so the oddness of a person's
own label is the mean of two: by the distance, and by the emptiness of the heatmap there.
"""
from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from datasets.annotations.skeleton import Skeleton
from processors.ranking.calibrated import Calibrated, emptiness, spread_of
from processors.ranking.calibration import mahalanobis
from processors.ranking.people import People

Rows = np.ndarray | list[int] | slice

ODD = -np.log(0.02)         # oddness from which a joint is named
UNLIKE = 0.5                # and its similarity in OKS must be below this
LIKELIER, NEARER = 5.0, 0.2 # by how much a reason must lower the oddness and raise OKS
FEWEST = 5                  # labelled joints of which a common shift tells anything
SURE = 0.5                  # height from which a network is called sure
NAMED = 3                   # joints named one by one


@dataclass(frozen=True)
class Finding:
    """A labelled person, and what is odd about the label."""
    row: int                    # among the people
    score: float                # how odd, see `Opinion.scores`
    oks: float                  # of label and prediction
    words: str
    joints: tuple[int, ...]     # the odd ones


class Opinion:
    """What a calibrated network thinks of people's labels."""

    def __init__(self, people: People, calibrated: Calibrated, skeleton: Skeleton):
        self.people, self.skeleton = people, skeleton
        self.calibration, self.emptiness = calibrated.spread, calibrated.emptiness
        self.sigmas = np.asarray(skeleton.sigmas, np.float64)
        self.covariance = spread_of(people, skeleton)

    def oddness(self, labels: np.ndarray, rows: Rows = slice(None)) -> np.ndarray:
        """(M, K) by distance, of labels (M, K, 2) for the people at `rows`."""
        looks = self.people.looks
        distance = mahalanobis(self.covariance[rows], labels - looks.keypoints[rows])
        return -np.log(self.calibration.tail(looks.heights[rows], distance))

    def similarity(self, labels: np.ndarray, rows: Rows = slice(None)) -> np.ndarray:
        """(M, K) of OKS, by the area of the box."""
        squared = ((labels - self.people.looks.keypoints[rows]) ** 2).sum(axis=-1)
        return np.exp(-squared / (8 * self.sigmas ** 2 * self.people.areas[rows][:, None]))

    @cached_property
    def by_distance(self) -> np.ndarray:
        """(N, K) oddness of their labels, 0 where nothing is labelled."""
        return np.where(self.people.labelled, self.oddness(self.people.labels), 0.0)

    @cached_property
    def of_labels(self) -> np.ndarray:
        """(N, K) oddness by distance and by emptiness, 0 where nothing is labelled."""
        tail = self.emptiness.tail(self.people.looks.heights, emptiness(self.people))
        return np.where(self.people.labelled, (self.by_distance - np.log(tail)) / 2, 0.0)

    @cached_property
    def scores(self) -> np.ndarray:
        """(N,) how odd the label of each person is: the oddest joint and the mean of all, so that
        one wrong joint is found and many small differences count, too."""
        count = np.maximum(self.people.labelled.sum(axis=1), 1)
        return self.of_labels.max(axis=1) + self.of_labels.sum(axis=1) / count

    def findings(self) -> list[Finding]:
        """The labelled people, the oddest first."""
        people, of_image = self.people, defaultdict(list)
        for row, image in enumerate(people.images.tolist()):
            of_image[image].append(row)
        similar = self.similarity(people.labels)
        oks = (similar * people.labelled).sum(axis=1) / np.maximum(people.labelled.sum(axis=1), 1)
        found = []
        for row in np.argsort(-self.scores, kind="stable").tolist():
            if not people.labelled[row].any():
                continue
            odd = np.flatnonzero((self.of_labels[row] > ODD) & (similar[row] < UNLIKE))
            others = [other for other in of_image[int(people.images[row])] if other != row]
            words = self._reason(row, odd, others, float(oks[row]))
            found.append(Finding(row, float(self.scores[row]), float(oks[row]), words,
                                 tuple(odd.tolist())))
        return found

    def _reason(self, row: int, odd: np.ndarray, others: list[int], oks: float) -> str:
        """What is odd, in words: the first of these that explains it."""
        return (self._swapped(row, oks) or self._of_another(row, others, oks)
                or self._shifted(row, oks) or self._joint_by_joint(row, odd))

    def _fits(self, row: int, labels: np.ndarray, labelled: np.ndarray, oks: float) -> bool:
        """Whether other labels (K, 2) of the person are so much likelier, and by OKS nearer."""
        after = self.oddness(labels[None], [row])[0][labelled].sum()
        near = self.similarity(labels[None], [row])[0][labelled].mean()
        return bool(self.by_distance[row].sum() - after > LIKELIER and near > oks + NEARER)

    def _swapped(self, row: int, oks: float) -> str:
        order = list(self.skeleton.flip_order)
        fits = self._fits(row, self.people.labels[row, order], self.people.labelled[row, order],
                          oks)
        return "left and right are changed" if fits else ""

    def _of_another(self, row: int, others: list[int], oks: float) -> str:
        """By OKS: how sure the network is of the others does not matter."""
        if not others:
            return ""
        labelled = self.people.labelled[row]
        labels = np.repeat(self.people.labels[row][None], len(others), axis=0)
        best = self.similarity(labels, np.array(others))[:, labelled].mean(axis=1).max()
        return "the label fits another person" if best > max(UNLIKE, oks + NEARER) else ""

    def _shifted(self, row: int, oks: float) -> str:
        """All joints are off by the same; of some joints only that would always be so."""
        labelled = self.people.labelled[row]
        if labelled.sum() < FEWEST:
            return ""
        moved = self.people.labels[row] - self.people.looks.keypoints[row]
        shift = np.median(moved[labelled], axis=0)
        if not self._fits(row, self.people.labels[row] - shift, labelled, oks):
            return ""
        return f"all joints lie {_pixels(shift)} off, {_direction(shift)}"

    def _joint_by_joint(self, row: int, odd: np.ndarray) -> str:
        people, names = self.people, [name.replace("_", " ") for name in self.skeleton.joint_names]
        looks = people.looks
        places = {joint: self._other_joint(row, joint) for joint in odd.tolist()}
        mixed = [(joint, place) for joint, place in places.items() if place is not None]
        if len(mixed) > NAMED:
            return f"{len(mixed)} joints lie where others should, such as " + " and ".join(
                f"{names[joint]} on {names[place]}" for joint, place in mixed[:2])
        if len(odd) > 2 * NAMED:
            return f"{len(odd)} of {people.labelled[row].sum()} joints lie elsewhere"
        words = []
        for joint in sorted(odd.tolist(), key=lambda joint: -self.of_labels[row, joint])[:NAMED]:
            far = people.labels[row, joint] - looks.keypoints[row, joint]
            where = ("the network is sure it is" if looks.heights[row, joint] > SURE
                     else "the network sees it")
            place = places[joint]
            on = f", on the {names[place]}" if place is not None else ""
            words.append(f"{names[joint]} {_pixels(far)} from where {where}{on}")
        more = len(odd) - len(words)
        return "; ".join(words) + f"; {more} more" * bool(more)

    def _other_joint(self, row: int, joint: int) -> int | None:
        """The joint of the same person on which the label of this one lies, if the network is sure
        of one."""
        joints = self.skeleton.num_joints
        label = np.repeat(self.people.labels[row, joint][None], joints, axis=0)
        similar = self.similarity(label[None], [row])[0]
        similar[[joint, *np.flatnonzero(self.people.looks.heights[row] < SURE)]] = 0
        best = int(similar.argmax())
        return best if similar[best] > UNLIKE else None


def _pixels(shift: np.ndarray) -> str:
    return f"{np.hypot(*shift):.0f} px"


def _direction(shift: np.ndarray) -> str:
    """Of a shift (x, y) in an image, in words."""
    x, y = shift / max(np.hypot(*shift), 1e-9)
    words = ["up" if y < 0 else "down"] * bool(abs(y) > 0.38)
    return " and ".join(words + ["left" if x < 0 else "right"] * bool(abs(x) > 0.38))
