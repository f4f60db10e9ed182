"""Which of the predicted poses count: the score of each, and the NMS in each image.

Evaluation and PosePredictor rank alike; what the ranking is worth, processors/evaluation judges.
"""
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from configs.schema import ValConfig
from utils.errors import UserError
from utils.log import log
from utils.oks import nms_per_image, rescore


@dataclass
class Predictions:
    """N persons of a whole data set, each with K joints; the order means nothing."""
    keypoints: np.ndarray     # (N, K, 2) float32, image pixels
    joint_scores: np.ndarray  # (N, K) float32
    box_scores: np.ndarray    # (N,) float32, detector score, 1 for ground-truth boxes
    areas: np.ndarray         # (N,) float32, of the padded box, image pixels squared
    image_ids: np.ndarray     # (N,) int64
    index: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    #                           (N,) int64, positions in a data set; (0,) if they are not of one
    visibility: np.ndarray = field(default_factory=lambda: np.zeros((0, 0, 3), np.float32))
    #                           (N, K, 3) float32, probabilities of COCO's v: absent, hidden,
    #                           visible; (0, 0, 3) of networks without model.visibility

    def __len__(self) -> int:
        return len(self.keypoints)

    @classmethod
    def empty(cls, num_joints: int) -> "Predictions":
        """Predictions of no person."""
        numbers = np.zeros(0, np.float32)
        return cls(np.zeros((0, num_joints, 2), np.float32),
                   np.zeros((0, num_joints), np.float32), numbers, numbers, np.zeros(0, np.int64))

    def finite(self) -> np.ndarray:
        """(N,) bool: no number of a person is NaN or infinite."""
        return (np.isfinite(self.keypoints).all(axis=(1, 2)) & np.isfinite(self.box_scores)
                & np.isfinite(self.joint_scores).all(axis=1) & np.isfinite(self.areas)
                & (not len(self.visibility) or np.isfinite(self.visibility).all(axis=(1, 2))))

    def take(self, rows: np.ndarray) -> "Predictions":
        """The persons at these indices (or of this mask)."""
        return Predictions(**{name: values[rows] if len(values) else values
                              for name, values in vars(self).items()})


def _hrnet_score(people: Predictions, val: ValConfig, detected: bool) -> np.ndarray:
    """SimpleBaselines, HRNet, DarkPose: box score * mean of the joint scores above a threshold."""
    return rescore(people.box_scores, people.joint_scores, val.joint_score)


def _alphapose_score(people: Predictions, val: ValConfig, detected: bool) -> np.ndarray:
    """AlphaPose: mean + 1.25 * max of the joint scores, and the box score if it was detected."""
    joints = people.joint_scores.astype(np.float64)
    pose = joints.mean(axis=1) + 1.25 * joints.max(axis=1)
    return people.box_scores + pose if detected else pose


def _simplepose_score(people: Predictions, val: ValConfig, detected: bool) -> np.ndarray:
    """The original SimplePose: mean + max of the joint scores; with detections as HRNet."""
    if detected:
        return _hrnet_score(people, val, detected)
    joints = people.joint_scores.astype(np.float64)
    return joints.mean(axis=1) + joints.max(axis=1)


def _visibility_score(people: Predictions, val: ValConfig, detected: bool) -> np.ndarray:
    """Box score * mean of the joint scores, each joint weighed by how likely it is not absent: what
    is to be expected of OKS, which is a mean over the joints that are labelled."""
    likely = 1 - people.visibility[..., 0].astype(np.float64)
    total = likely.sum(axis=1)
    joints = (likely * people.joint_scores).sum(axis=1) / np.where(total > 0, total, 1)
    return people.box_scores * joints


SCORE_RULES: dict[str, Callable[[Predictions, ValConfig, bool], np.ndarray]] = {
    "hrnet": _hrnet_score, "alphapose": _alphapose_score, "simplepose": _simplepose_score,
    "visibility": _visibility_score}


class OddAnswers(UserError):
    """A network's answers without a usable number; `found` says it without the cure."""

    def __init__(self, odd: int, people: int):
        self.found = (f"the network's answers for {odd} of {people} boxes hold NaN or infinite "
                      f"numbers")
        super().__init__(f"{self.found}: its weights are damaged, or too large for its precision; "
                         f"take other weights, or set optim.amp to false")


def finite_rows(people: Predictions) -> np.ndarray:
    """Rows of those whose numbers are finite, (M,) int64; the others are counted. Raises OddAnswers
    where there are people and none is left."""
    finite = people.finite()
    odd = int(np.count_nonzero(~finite))
    if odd and odd == len(people):
        raise OddAnswers(odd, len(people))
    if odd:
        log.warning("%d of %d predictions hold NaN or infinite numbers and are left out", odd,
                    len(people))
    return np.flatnonzero(finite)


def rank_poses(people: Predictions, val: ValConfig, sigmas: Sequence[float], detected: bool,
               ) -> tuple[np.ndarray, np.ndarray]:
    """Score and suppress predictions: the rows of `people` that are kept, (M,) int64, and their
    scores, (M,) float64.

    `val` gives score_rule, joint_score, nms and nms_threshold. detected: whether the boxes and
    their scores are a detector's, or those of labels, which have no score. Rows are
    ordered by image id, then as the NMS ranks them; equal scores are ordered by coordinates, so
    the order of `people`, and with it the number of processes it was gathered from, changes
    nothing. Raises OddAnswers as `finite_rows`.
    """
    rows = finite_rows(people)
    if not len(rows):
        return rows, np.empty(0)
    people = people.take(rows)
    scores = SCORE_RULES[val.score_rule](people, val, detected).astype(np.float64)
    order = _order(people, scores)
    people, scores, rows = people.take(order), scores[order], rows[order]
    keep = nms_per_image(people.image_ids, people.keypoints, scores, people.areas, sigmas,
                         val.nms_threshold, val.nms)
    return rows[keep], scores[keep]


def _order(people: Predictions, scores: np.ndarray) -> np.ndarray:
    """Image id, then falling score; ties by everything else there is, so they are no chance."""
    order = np.lexsort((-scores, people.image_ids))
    ids, sorted_scores = people.image_ids[order], scores[order]
    if not np.any((ids[1:] == ids[:-1]) & (sorted_scores[1:] == sorted_scores[:-1])):
        return order
    rest = (*people.keypoints.reshape(len(people), -1).T, *people.joint_scores.T,
            people.areas, people.box_scores)
    return np.lexsort((*rest, -scores, people.image_ids))
