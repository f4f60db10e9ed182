"""PersonTracker: who is who from one frame of a video to the next, by boxes and poses."""
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from utils.oks import AREA_OF_BOX, oks_matrix

LEAST_ALIKE = 0.2       # similarity below which two people are not the same
BOX_SHARE = 0.5         # of the IoU in the similarity; the rest is the OKS
VELOCITY_SHARE = 0.3    # of the newest step in a person's velocity
KEPT_VELOCITY = 0.8     # from frame to frame while a person is away: nobody flies on for ever


@dataclass
class Track:
    """A person who was seen."""
    id: int
    box: np.ndarray         # (4,) float64, xywh, image pixels, where it was last seen
    keypoints: np.ndarray   # (K, 2) float64, image pixels
    velocity: np.ndarray    # (2,) float64, image pixels in a frame
    time: float             # then
    unseen: int = 0         # frames since


class PersonTracker:
    """`update` takes the people of each frame, in order, and gives them ids.

    A person keeps its id if it is away for at most `patience`, in frames or in the unit of the
    times given, and comes back near where its velocity would have brought it. The most similar
    pairs are matched first (greedily). Only people with a score of at least `new_score` get a new
    id; the others have none, -1, until they are sure.
    """

    def __init__(self, sigmas: Sequence[float], patience: float = 30, new_score: float = 0.3,
                 joint_score: float = 0.2):
        """sigmas: of the skeleton's K joints. joint_score: joints below do not count."""
        self.sigmas, self.patience = sigmas, patience
        self.new_score, self.joint_score = new_score, joint_score
        self.tracks: list[Track] = []
        self.next_id, self.time = 1, 0.0

    def update(self, boxes: np.ndarray, keypoints: np.ndarray, joint_scores: np.ndarray,
               scores: np.ndarray, time: float | None = None) -> np.ndarray:
        """boxes (N, 4) xywh, keypoints (N, K, 2), joint_scores (N, K), scores (N,), in image
        pixels -> ids (N,) int64, from 1, or -1. time: of the frame; its number if not given."""
        self.time = self.time + 1 if time is None else time
        ids = np.full(len(boxes), -1, np.int64)
        for track in self.tracks:
            track.unseen += 1
        for row, track in self._matches(boxes, keypoints, joint_scores):
            _move(track, boxes[row], keypoints[row], self.time)
            ids[row] = track.id
        for new in np.flatnonzero((ids < 0) & (np.asarray(scores) >= self.new_score)):
            self.tracks.append(Track(self.next_id, np.array(boxes[new], np.float64),
                                     np.array(keypoints[new], np.float64), np.zeros(2), self.time))
            ids[new] = self.next_id
            self.next_id += 1
        self.tracks = [track for track in self.tracks       # rounded, or 1.1 - 0.1 is above 1
                       if round(self.time - track.time, 3) <= self.patience]
        return ids

    def _matches(self, boxes: np.ndarray, keypoints: np.ndarray,
                 joint_scores: np.ndarray) -> list[tuple[int, Track]]:
        """Pairs of a person of this frame and a track, the most similar first."""
        if not self.tracks or not len(boxes):
            return []
        moves = np.array([track.velocity * (1 - KEPT_VELOCITY ** track.unseen)
                          / (1 - KEPT_VELOCITY) for track in self.tracks])
        expected = np.array([track.box for track in self.tracks])
        expected[:, :2] += moves
        poses = np.array([track.keypoints for track in self.tracks]) + moves[:, None]
        seen = np.concatenate([keypoints, joint_scores[..., None]], axis=2)
        oks = oks_matrix(poses, seen, _areas(expected), _areas(boxes), self.sigmas,
                         self.joint_score).T
        alike = BOX_SHARE * iou_matrix(boxes, expected) + (1 - BOX_SHARE) * oks
        matches = []
        for _ in range(min(alike.shape)):
            row, column = np.unravel_index(alike.argmax(), alike.shape)
            if alike[row, column] < LEAST_ALIKE:
                break
            matches.append((int(row), self.tracks[column]))
            alike[row], alike[:, column] = -1, -1
        return matches


def _move(track: Track, box: np.ndarray, keypoints: np.ndarray, time: float) -> None:
    box = np.array(box, np.float64)
    step = (box[:2] + box[2:] / 2 - track.box[:2] - track.box[2:] / 2) / track.unseen
    track.velocity = (1 - VELOCITY_SHARE) * track.velocity + VELOCITY_SHARE * step
    track.box, track.keypoints = box, np.array(keypoints, np.float64)
    track.time, track.unseen = time, 0


def _areas(boxes: np.ndarray) -> np.ndarray:
    return boxes[:, 2] * boxes[:, 3] * AREA_OF_BOX


def iou_matrix(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Boxes (N, 4) and (M, 4), xywh -> their intersections over unions (N, M) float64."""
    a, b = np.asarray(a, np.float64)[:, None], np.asarray(b, np.float64)[None]
    low = np.maximum(a[..., :2], b[..., :2])
    high = np.minimum(a[..., :2] + a[..., 2:], b[..., :2] + b[..., 2:])
    both = np.clip(high - low, 0, None).prod(axis=-1)
    union = a[..., 2:].prod(axis=-1) + b[..., 2:].prod(axis=-1) - both
    return both / np.maximum(union, np.finfo(float).tiny)
