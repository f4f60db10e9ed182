"""COCO's matching of poses to people, in all images at once; pycocotools decides pair by pair.

In each image the poses take people in the order of their scores: each the one with the highest OKS
among those that are left, above a threshold, of equal ones the later; people who do not count,
only where no other is left, and crowds again and again. That is done for each threshold of OKS
and each range of areas, which decides who counts.
"""
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from processors.judging.arrays import Results, TruthArrays

MOST_POSES = 20         # of an image, the best are judged
ELEMENTS_AT_ONCE = 2 ** 16      # joint distances computed together: small enough for the cache


@dataclass(frozen=True, eq=False)
class Matches:
    """D judged poses, ordered by image and falling score, at T thresholds in A ranges of areas."""
    poses: np.ndarray           # (D,) int64, their positions in the results
    matched: np.ndarray         # (D, T, A) bool: a person was taken
    ignored: np.ndarray         # (D, T, A) bool: counts neither as right nor as false
    people_ignored: np.ndarray  # (N, A) bool


def match(truth: TruthArrays, results: Results, sigmas: Sequence[float], thresholds: np.ndarray,
          area_ranges: np.ndarray, areas: np.ndarray | None = None) -> Matches:
    """results: of images of `truth`. thresholds: (T,) OKS, below 1. area_ranges: (A, 2) pixels
    squared, both ends belong to them. areas: (N,) of the poses, pixels squared; None: that of the
    box around their joints."""
    poses, image, rank = judged_poses(truth, results)
    pose, person = pairs_of_images(truth, image)
    keypoints = results.keypoints[poses]
    oks = oks_of_pairs(keypoints, truth, pose, person, sigmas)
    near = np.flatnonzero(oks >= thresholds.min())
    pose, person, oks = pose[near], person[near], oks[near]
    beyond = _beyond(truth.areas, area_ranges)
    ignored = truth.ignored[:, None] | beyond
    matched, to_ignored = _taken(pose, person, oks, rank, len(poses), truth.crowd, ignored,
                                 thresholds)
    outside = _beyond(box_areas(keypoints) if areas is None else areas[poses], area_ranges)
    return Matches(poses, matched, to_ignored | (~matched & outside[:, None]), ignored)


def box_areas(keypoints: np.ndarray) -> np.ndarray:
    """(N,) area of the box around all joints (N, K, 2+) of each pose."""
    if not len(keypoints):
        return np.empty(0)
    width, height = np.ptp(keypoints[..., :2], axis=1).T
    return width * height


def judged_poses(truth: TruthArrays, results: Results,
                 ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The poses that are judged, by image and falling score: position in the results, position of
    the image in `truth.images`, and place in the image; each (D,) int64."""
    image = np.searchsorted(truth.images, results.image_ids)
    order = np.lexsort((-results.scores, image))        # of equal scores the first one first
    rank = _place_in_run(image[order])
    judged = rank < MOST_POSES
    return order[judged], image[order][judged], rank[judged]


def pairs_of_images(truth: TruthArrays, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Each pose with each person of its image: positions of both, (P,) int64. image: (D,)."""
    people = np.bincount(truth.image, minlength=len(truth.images))
    first, count = (np.cumsum(people) - people)[image], people[image]
    pose = np.repeat(np.arange(len(image)), count)
    return pose, np.repeat(first, count) + _place_in_run(pose)


def oks_of_pairs(keypoints: np.ndarray, truth: TruthArrays, pose: np.ndarray, person: np.ndarray,
                 sigmas: Sequence[float]) -> np.ndarray:
    """(P,) OKS over the labelled joints of the person, by the operations of pycocotools in their
    order, so that it is the same to the last bit.

    keypoints: (D, K, 2+). People without labelled joints are as near as their box, doubled to each
    side. Only pairs with equally many joints are summed together: a sum with zeros in between
    would be rounded otherwise.
    """
    falloff = (np.asarray(sigmas, np.float64) * 2) ** 2
    x, y = keypoints[..., 0], keypoints[..., 1]
    true_x, true_y = truth.keypoints[..., 0], truth.keypoints[..., 1]
    labelled_first = np.argsort(~truth.labelled, axis=1, kind="stable")
    oks = np.empty(len(pose))
    for pairs, count in _equally_labelled(truth.labelled.sum(axis=1)[person], len(falloff)):
        p, t = pose[pairs], person[pairs]
        if count:
            joints = labelled_first[t, :count]
            p, t = p[:, None], t[:, None]
            dx, dy = x[p, joints] - true_x[t, joints], y[p, joints] - true_y[t, joints]
            square = (dx ** 2 + dy ** 2) / falloff[joints]
        else:
            left, top, width, height = truth.boxes[t].T[..., None]
            dx = np.maximum(0, left - width - x[p]) + np.maximum(0, x[p] - (left + width * 2))
            dy = np.maximum(0, top - height - y[p]) + np.maximum(0, y[p] - (top + height * 2))
            square, t = (dx ** 2 + dy ** 2) / falloff, t[:, None]
        e = square / (truth.areas[t] + np.spacing(1)) / 2
        oks[pairs] = np.exp(-e).sum(axis=1) / e.shape[1]
    return oks


def _equally_labelled(counts: np.ndarray, num_joints: int) -> Iterator[tuple[np.ndarray, int]]:
    """Pairs with equally many labelled joints, in portions that fit the cache, with that number."""
    for count in np.unique(counts).tolist():
        pairs = np.flatnonzero(counts == count)
        portion = max(1, ELEMENTS_AT_ONCE // (count or num_joints))
        for start in range(0, len(pairs), portion):
            yield pairs[start:start + portion], count


def _taken(pose: np.ndarray, person: np.ndarray, oks: np.ndarray, rank: np.ndarray, poses: int,
           crowd: np.ndarray, ignored: np.ndarray, thresholds: np.ndarray,
           ) -> tuple[np.ndarray, np.ndarray]:
    """Whether each of the poses takes a person, and one who is ignored: (D, T, A) bool each.

    pose, person, oks: of the pairs. rank: (D,). crowd: (N,). ignored: (N, A). Poses of the same
    rank are in different images, so they choose at the same time: first all their best pairs,
    then the second best of those who took none, ...
    """
    best_first = np.lexsort((-person, -oks, pose))      # the later of equal ones first
    pose, person, oks = pose[best_first], person[best_first], oks[best_first]
    choice = _place_in_run(pose)
    shape = (len(thresholds), ignored.shape[1])
    free, crowd = np.ones((len(crowd), *shape), bool), crowd[:, None, None]
    matched, to_ignored = np.zeros((2, poses, *shape), bool)
    for turn in range(int(rank[pose].max(initial=-1)) + 1):
        mine = np.flatnonzero(rank[pose] == turn)
        for ignoring in (False, True):
            for number in range(int(choice[mine].max(initial=-1)) + 1):
                pairs = mine[choice[mine] == number]
                p, t = pose[pairs], person[pairs]
                takes = ((oks[pairs, None] >= thresholds)[..., None] & free[t] & ~matched[p]
                         & (ignored[t] == ignoring)[:, None])
                matched[p] |= takes
                free[t] &= ~takes | crowd[t]
                if ignoring:
                    to_ignored[p] |= takes
    return matched, to_ignored


def _beyond(areas: np.ndarray, ranges: np.ndarray) -> np.ndarray:
    """(N, A) bool: whether each area is outside of each range (A, 2)."""
    return (areas[:, None] < ranges[:, 0]) | (areas[:, None] > ranges[:, 1])


def _place_in_run(values: np.ndarray) -> np.ndarray:
    """How many equal ones stand before each of the rising `values`, (N,) int64."""
    return np.arange(len(values)) - np.searchsorted(values, values)
