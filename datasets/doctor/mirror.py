"""Mirror: what is typical of the people of a set, and how far a flip order changes it.

In a mirrored world everybody is as common as here. So the typical distance of joint i from joint j
equals that of i's partner from j's partner, i is as high in its box as its partner, and three
joints go round one way as often as their partners go round the other. That the last is so where no
joint has a partner is nearly always untrue, and that is how forgotten pairs are seen; but it is
untrue, too, of right pairs if everybody shows the same side, as horses on a race course do.
"""
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from datasets.doctor.raw_labels import RawLabels

ENOUGH = 12             # persons that a mean is taken of
MOST_PERSONS = 2000     # and of how many at most; more tell nothing new
MOST_TURNING = 32       # joints; three of more than these are too many
MOST_CHANGING = 32      # the first joints, whose pairs are doubted; of whole bodies body and feet
SMALLEST = 0.03         # part of the box's size that labels are not exact to
# What joints lose in the mirror, in logarithms of distances and parts of the box, is at most 0.05
# for right pairs in a thousand people; a better order leaves a third of the squares at most.
ASYMMETRY, LEFT_OVER = 0.08, 0.36
# So many standard errors, as the root mean square of the MOST_TELLING largest changes: a joint is
# unlike its partner's neighbours, and of far joints nothing is told. In 900 sets of 10 to 60 images
# of COCO right pairs had 3.4 at most, but for 4.2 and 4.8 in two with the ears of 12 people; above
# POSSIBLE, which is only a note, was 1 of 400 whose change would have been worth it.
CERTAIN, POSSIBLE, NAMES_DOUBTED = 5.0, 2.9, 11.0
MOST_TELLING = 4
# Height of a triangle as a part of its longest side, below which the noise of labels decides: of
# 236 faces of COCO 1 goes round the other way, and of the 230 above this height none.
FLAT = 0.2

Feature = tuple[np.ndarray, np.ndarray]         # means and the squares of their standard errors


@dataclass(frozen=True)
class Mirror:
    """What K joints of many persons are like, NaN where few persons show it."""
    distances: Feature      # (K, K), logarithms of parts of the box's size
    heights: Feature        # (K,), from the middle of the box, in parts of its size
    turns: Feature | None   # (K, K, K) -1 to 1: which way round three joints lie

    @property
    def known(self) -> list[int]:
        """Joints that something can be said of."""
        return np.flatnonzero((~np.isnan(self.distances[0])).sum(axis=1) > 1).tolist()

    def changes(self, order: list[int]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """What each joint loses by a flip order, (K, ...), and the squares of its errors."""
        for sign, feature in ((-1, self.distances), (-1, self.heights), (1, self.turns)):
            if feature:
                mean, error = feature
                there = np.ix_(*[order] * mean.ndim)
                yield ((mean + sign * mean[there]).reshape(len(order), -1),
                       (error + error[there]).reshape(len(order), -1))

    def asymmetry(self, order: list[int]) -> np.ndarray:
        """(K,) mean square of what each joint loses by a flip order, beyond what chance does."""
        return np.sum([_mean(change ** 2 - error) for change, error in self.changes(order)], axis=0)

    def certainty(self, order: list[int], joints: list[int]) -> float:
        """How many standard errors these joints lose: by the kind of change that shows most."""
        squares = [np.nan_to_num(change[joints] ** 2 / np.maximum(error[joints], 1e-9)).ravel()
                   for change, error in self.changes(order)]
        return max(np.sqrt(np.sort(table)[-MOST_TELLING:].mean()) for table in squares)

    def better(self, order: list[int], levels: Sequence[float]) -> tuple[list[int], float]:
        """The flip order, with partners changed where that makes the people clearly more
        symmetric, and the first certainty of `levels` by which some can be changed, 0 without."""
        best = self._descend(order)
        parts = [(part, self.certainty(order, part)) for part in _parts(order, best)]
        for level in levels:
            joints = [joint for part, certainty in parts if certainty > level for joint in part]
            mended = [best[joint] if joint in joints else other
                      for joint, other in enumerate(order)]
            if joints and self._is_worth(order, mended, joints):
                return mended, level
        return order, 0.0

    def _is_worth(self, order: list[int], mended: list[int], joints: list[int]) -> bool:
        before, after = (self.asymmetry(one)[joints].mean() for one in (order, mended))
        if not (before > ASYMMETRY ** 2 and after < LEFT_OVER * before):
            return False
        # all right hands turn one way, too, but thumbs are no pinkies
        shape = replace(self, turns=None).asymmetry(mended)[joints] if self.turns else np.zeros(1)
        return bool(shape.mean() < ASYMMETRY ** 2)

    def _descend(self, order: list[int]) -> list[int]:
        """From a flip order by the best single changes to one that no single change betters."""
        least = self.asymmetry(order).sum()
        while True:
            found = min(_single_changes(order, self.known[:MOST_CHANGING]), default=order,
                        key=lambda other: self.asymmetry(other).sum())
            if self.asymmetry(found).sum() >= least:
                return order
            order, least = found, self.asymmetry(found).sum()


def mirror_of(labels: RawLabels, turning: bool) -> Mirror:
    """What the persons of a set are like. turning: whether which way round joints lie counts."""
    rows = np.flatnonzero(labels.persons & labels.boxed
                          & (labels.boxes_relative == labels.relative))
    rows = rows[::-(-len(rows) // MOST_PERSONS) or 1]
    boxes, seen = labels.boxes[rows], labels.seen[rows]
    size = np.sqrt(boxes[:, 2] * boxes[:, 3])
    points = (labels.points[rows] - boxes[:, None, :2] - boxes[:, None, 2:] / 2
              ) / size[:, None, None]
    joints = points.shape[1]
    distances, heights = _unknown(joints, joints), _unknown(joints)
    for i, j in combinations(range(joints), 2):
        length = np.log(np.hypot(*(points[:, i] - points[:, j]).T) + SMALLEST)
        _put(distances, length, seen[:, i] & seen[:, j], ((i, j), (j, i)))
    for i in range(joints):
        _put(heights, points[:, i, 1], seen[:, i], (i,))
    return Mirror(distances, heights, _turns(points, seen)
                  if turning and joints <= MOST_TURNING else None)


def _turns(points: np.ndarray, seen: np.ndarray) -> Feature:
    joints = points.shape[1]
    turns = _unknown(joints, joints, joints)
    for i, j, k in combinations(range(joints), 3):
        all_three = np.all(seen[:, [i, j, k]], axis=1)
        turn = turn_of(points[:, i], points[:, j], points[:, k])
        _put(turns, turn, all_three, ((i, j, k), (j, k, i), (k, i, j)))
        _put(turns, -turn, all_three, ((j, i, k), (i, k, j), (k, j, i)))
    return turns


def turn_of(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> np.ndarray:
    """(N,) which way round points (N, 2) lie: 1 clockwise as the picture is seen, -1; between them
    where they are nearly on a line."""
    u, v, w = b - a, c - a, c - b
    cross = u[:, 0] * v[:, 1] - u[:, 1] * v[:, 0]      # y goes down
    longest = np.maximum.reduce([(side ** 2).sum(axis=1) for side in (u, v, w)])
    return np.clip(cross / np.maximum(FLAT * longest, 1e-12), -1, 1)


def _unknown(*shape: int) -> Feature:
    return np.full(shape, np.nan), np.full(shape, np.nan)


def _put(feature: Feature, values: np.ndarray, known: np.ndarray, places: tuple) -> None:
    """Write the mean of the known ones and its squared error to places of a feature."""
    count = int(known.sum())
    if count >= ENOUGH:
        values = values[known]
        for place in places:
            feature[0][place] = values.mean()
            # one more that is unlike the others: what all have in common is not without error
            feature[1][place] = (values.var() + 1 / count ** 2) / (count - 1)


def _mean(table: np.ndarray) -> np.ndarray:
    """(K,) means of rows, without what is not known; 0 where nothing is."""
    known = ~np.isnan(table)
    return np.where(known, table, 0).sum(axis=1) / np.maximum(known.sum(axis=1), 1)


def _parts(order: list[int], other: list[int]) -> Iterator[list[int]]:
    """The joints whose partners differ, those together that depend on each other."""
    left = {joint for joint in range(len(order)) if order[joint] != other[joint]}
    while left:
        part, more = set(), {left.pop()}
        while more:
            part |= more
            more = {one[joint] for joint in more for one in (order, other)} - part
        left -= part
        yield sorted(part)


def _single_changes(order: list[int], joints: list[int]) -> Iterator[list[int]]:
    """Every way to make two joints partners, or to part them.

    Partners that become free pair up with each other, or one with any that has none.
    """
    alone = [joint for joint in joints if order[joint] == joint]
    for i, j in combinations(joints, 2):
        other = list(order)
        if order[i] == j:
            other[i], other[j] = i, j
            yield other
            continue
        free = [order[joint] for joint in (i, j) if order[joint] != joint]
        other[i], other[j] = j, i
        ends = free[1:] if len(free) == 2 else {*free, *alone} - {i, j} if free else [i]
        for end in ends:
            changed = list(other)
            if free:
                changed[free[0]], changed[end] = end, free[0]
            yield changed
