"""Facts: what labels show of people and pictures, as far as settings depend on it."""
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from datasets.annotations.skeleton import Skeleton
from datasets.crops.image_files import spread
from datasets.doctor.mirror import mirror_of
from datasets.doctor.raw_labels import RawLabels

ENOUGH = 5                  # persons that say something about how all lie
MOST_JOINTS = 24            # of which the directions are looked at
CHIRAL = 0.5                # three joints that go round one way in three of four persons


@dataclass(frozen=True)
class Facts:
    """What is known of the training set, and how many people validate."""
    skeleton: Skeleton
    persons: int            # with joints, in the training set
    val_persons: int
    images: int             # of the training set
    aspect: float           # median of width / height of their boxes
    side: float             # pixels: median of sqrt(width * height) of their boxes
    spread: float           # degrees: how differently people are turned; NaN: nothing tells
    symmetric: bool         # whether the mirror image of a person could be one, too
    doubt: str = ""         # in words, why they are not to be mirrored though this were so

    @property
    def mirrored(self) -> bool:
        """Whether to learn from mirror images, and to ask them."""
        return self.symmetric and not self.doubt


def facts_of(labels: RawLabels, skeleton: Skeleton, val_persons: int,
             doubt: str = "") -> Facts:
    """labels: the training set, of which the persons have boxes with sizes."""
    boxes = labels.boxes[labels.persons, 2:]
    return Facts(skeleton, int(labels.persons.sum()), val_persons, len(labels.file_names),
                 float(np.median(boxes[:, 0] / boxes[:, 1])),
                 float(np.median(np.sqrt(boxes.prod(axis=1)))),
                 turned(labels.points[labels.persons], labels.seen[labels.persons]),
                 bool(skeleton.flip_pairs) or is_symmetric(labels), doubt)


def turned(points: np.ndarray, seen: np.ndarray) -> float:
    """Circular standard deviation, degrees, of the directions from joint to joint, of those that
    differ least: an arm may point anywhere in upright people, but their back does not.

    points (N, K, 2), seen (N, K). NaN if no two joints are seen in some persons.
    """
    steady = []
    for a, b in combinations(spread(range(points.shape[1]), MOST_JOINTS), 2):
        way = (points[:, b] - points[:, a])[seen[:, a] & seen[:, b]]
        length = np.hypot(*way.T)
        way = way[length > 0] / length[length > 0, None]
        if (count := len(way)) >= ENOUGH:       # the resultant of chance is 1 / count
            square = (count * (way.mean(axis=0) ** 2).sum() - 1) / (count - 1)
            steady.append(np.sqrt(max(square, 0)))
    if not steady:
        return float("nan")
    resultant = min(max(float(np.quantile(steady, 0.8)), 1e-3), 1.0)
    return min(float(np.degrees(np.sqrt(-2 * np.log(resultant)))), 180.0)


def is_symmetric(labels: RawLabels) -> bool:
    """Whether joints without partners go round both ways, as they do in mirror images."""
    joints = labels.part.skeleton.num_joints
    if joints < 3:
        return True
    turns = mirror_of(labels, turning=True).turns
    if turns is None or np.isnan(turns[0]).all():
        return False            # too many joints or too few persons to tell
    return bool(np.nanmax(np.abs(turns[0])) < CHIRAL)


def spanning_tree(labels: RawLabels) -> list[tuple[int, int]]:
    """Lines from joint to joint that connect all that are seen together, the shortest ones."""
    points, seen = labels.points, labels.seen
    joints = points.shape[1]
    boxes = labels.boxes[:, 2:]
    sizes = np.sqrt(np.maximum(np.where(np.isfinite(boxes), boxes, 1).prod(axis=1), 1))
    length = np.full((joints, joints), np.inf)
    for a, b in combinations(range(joints), 2):
        both = seen[:, a] & seen[:, b]
        if both.any():
            away = np.hypot(*(points[both, b] - points[both, a]).T) / sizes[both]
            length[a, b] = length[b, a] = np.median(away)
    limbs, reached = [], {0}
    while len(reached) < joints:
        rest = [joint for joint in range(joints) if joint not in reached]
        a, b = min(((a, b) for a in sorted(reached) for b in rest), key=lambda pair: length[pair])
        if np.isfinite(length[a, b]):
            limbs.append((min(a, b), max(a, b)))
        reached.add(b)
    return limbs
