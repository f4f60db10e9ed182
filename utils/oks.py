"""Object keypoint similarity (OKS), and its use: suppression of double poses, scores of poses.

OKS is 1 for equal poses and falls with the distance of the joints, measured against the size of
the person and how exactly each joint can be labelled (the sigmas of a skeleton). All numpy, with
no loop over pairs or images.
"""
from collections.abc import Iterator, Sequence

import numpy as np

from utils.errors import UserError

AREA_OF_BOX = 0.53           # area of a person / area of its box, the average of COCO
MAX_SOFT_KEPT = 20           # soft OKS-NMS of HRNet ends there; COCO judges no more per image
ELEMENTS_AT_ONCE = 2 ** 17   # joint distances computed together: small enough for the cache


def oks_matrix(keypoints_a: np.ndarray, keypoints_b: np.ndarray, areas_a: np.ndarray,
               areas_b: np.ndarray, sigmas: Sequence[float],
               visible_above: float | None = None) -> np.ndarray:
    """OKS of every pose of a with every pose of b.

    keypoints_a: (..., N, K, 2 or 3) pixels x, y and maybe a joint score. keypoints_b: (..., M,
    K, 2 or 3). areas: (..., N) and (..., M) pixels squared. sigmas: (K,). Returns (..., N, M)
    float64: the mean over the joints of exp(-d^2 / (2 (2 sigma)^2 * mean area)). visible_above:
    count only joints whose score in b is higher; 0 if there is none. (HRNet means to look at
    both poses, but only b's scores count there, and so here.)
    """
    a, b = np.asarray(keypoints_a, np.float64), np.asarray(keypoints_b, np.float64)
    areas_a, areas_b = np.asarray(areas_a, np.float64), np.asarray(areas_b, np.float64)
    distance = ((a[..., :, None, :, 0] - b[..., None, :, :, 0]) ** 2
                + (a[..., :, None, :, 1] - b[..., None, :, :, 1]) ** 2)
    area = (areas_a[..., :, None] + areas_b[..., None, :]) / 2 + np.spacing(1)
    distance /= area[..., None]
    distance *= -1 / (2 * (2 * np.asarray(sigmas, np.float64)) ** 2)
    similarity = np.exp(distance, out=distance)
    if visible_above is None:
        return similarity.mean(axis=-1)
    if b.shape[-1] < 3:
        raise UserError("visible_above needs joint scores: give keypoints as (N, K, 3)")
    counted = b[..., None, :, :, 2] > visible_above
    return (similarity * counted).sum(axis=-1) / np.maximum(counted.sum(axis=-1), 1)


def rescore(box_scores: np.ndarray, joint_scores: np.ndarray, threshold: float = 0.2,
            ) -> np.ndarray:
    """Score of a pose: box score times the mean of its joint scores above the threshold (HRNet).

    box_scores: (N,). joint_scores: (N, K). Returns (N,) float64; 0 where no joint is above.
    """
    joint_scores = np.asarray(joint_scores, np.float64)
    counted = joint_scores > threshold
    total = np.where(counted, joint_scores, 0.0).sum(axis=-1)
    return np.asarray(box_scores, np.float64) * total / np.maximum(counted.sum(axis=-1), 1)


def oks_nms(keypoints: np.ndarray, scores: np.ndarray, areas: np.ndarray,
            sigmas: Sequence[float], threshold: float = 0.9,
            visible_above: float | None = None) -> np.ndarray:
    """Poses of one image, best first, without those whose OKS with a better one is above the
    threshold.

    keypoints: (N, K, 2 or 3) image pixels. scores, areas: (N,); the area HRNet uses is that of
    the padded box. Returns the kept indices, int64, by falling score (the later of equal ones
    first, as in the official code).
    """
    return nms_per_image(np.zeros(len(scores), np.int64), keypoints, scores, areas, sigmas,
                         threshold, "oks", visible_above)


def soft_oks_nms(keypoints: np.ndarray, scores: np.ndarray, areas: np.ndarray,
                 sigmas: Sequence[float], threshold: float = 0.9,
                 visible_above: float | None = None) -> np.ndarray:
    """As `oks_nms`, but a pose like a better one has its score lowered, by exp(-OKS^2 /
    threshold), and comes later; the first 20 are kept.

    Returns the kept indices in the order they were taken. As in HRNet, the lowered scores only
    order the poses; what is written as their score is up to the caller. Raises UserError for a
    threshold that is not above 0.
    """
    return nms_per_image(np.zeros(len(scores), np.int64), keypoints, scores, areas, sigmas,
                         threshold, "soft_oks", visible_above)


def nms_per_image(image_ids: np.ndarray, keypoints: np.ndarray, scores: np.ndarray,
                  areas: np.ndarray, sigmas: Sequence[float], threshold: float = 0.9,
                  kind: str = "oks", visible_above: float | None = None) -> np.ndarray:
    """Suppress double poses in every image of a set at once.

    image_ids: (N,), in any order; the rest as in `oks_nms`. kind: oks | soft_oks | none.
    Returns the kept indices, int64: images in the order they first appear, and in each the order
    of `oks_nms` or `soft_oks_nms`. Images with equally many poses are computed together.
    """
    if kind not in SUPPRESSIONS:
        raise UserError(f"val.nms is {kind!r}, which is not known: "
                         f"use one of {', '.join(SUPPRESSIONS)}")
    if kind == "soft_oks" and not threshold > 0:
        raise UserError(f"val.nms_threshold is {threshold}: soft_oks divides by it, give a "
                         f"number above 0, such as 0.9")
    keypoints, scores = np.asarray(keypoints, np.float64), np.asarray(scores, np.float64)
    areas = np.asarray(areas, np.float64)
    order, starts, counts = _by_image_and_score(np.asarray(image_ids), scores)
    kept = np.full(len(order), -1, np.int64)      # at the image's place, packed below
    for images, count in _equal_counts(counts, keypoints.shape[1]):
        places = starts[images, None] + np.arange(count)
        poses = order[places]
        taken = SUPPRESSIONS[kind](keypoints[poses], scores[poses], areas[poses], sigmas,
                                   threshold, visible_above)
        kept[places] = np.where(taken >= 0, np.take_along_axis(poses, taken.clip(0), 1), -1)
    return kept[kept >= 0]


def _by_image_and_score(image_ids: np.ndarray, scores: np.ndarray,
                        ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Poses sorted by image and falling score, and where each image starts and how many it has."""
    _, first, image, counts = np.unique(image_ids, return_index=True, return_inverse=True,
                                        return_counts=True)
    appearance = np.argsort(first)
    rank = np.empty_like(appearance)
    rank[appearance] = np.arange(len(first))
    order = np.lexsort((-np.arange(len(scores)), -scores, rank[image]))
    counts = counts[appearance]
    return order, np.cumsum(counts) - counts, counts


def _equal_counts(counts: np.ndarray, num_joints: int) -> Iterator[tuple[np.ndarray, int]]:
    """Images with equally many poses, in portions that fit the cache, with that number."""
    for count in np.unique(counts):
        images = np.flatnonzero(counts == count)
        portion = max(1, ELEMENTS_AT_ONCE // (count * count * num_joints))
        for start in range(0, len(images), portion):
            yield images[start:start + portion], int(count)


# A suppression takes G images of P poses each, sorted by falling score: keypoints (G, P, K, 2+),
# scores (G, P), areas (G, P). It returns (G, P) positions in the order kept, -1 behind them.

def _suppress(keypoints: np.ndarray, scores: np.ndarray, areas: np.ndarray,
              sigmas: Sequence[float], threshold: float, visible_above: float | None) -> np.ndarray:
    """OKS-NMS. -1 may also stand between kept positions."""
    images, poses, joints = keypoints.shape[:3]
    kept = np.ones(scores.shape, bool)
    rows = max(1, ELEMENTS_AT_ONCE // (images * poses * joints))    # all, unless poses are many
    for first in range(0, poses, rows):
        part = slice(first, first + rows)
        alike = oks_matrix(keypoints[:, part], keypoints, areas[:, part], areas, sigmas,
                           visible_above) > threshold
        for better in range(first, min(first + rows, poses - 1)):
            kept[:, better + 1:] &= ~(kept[:, better, None] & alike[:, better - first, better + 1:])
    return np.where(kept, np.arange(poses), -1)


def _suppress_softly(keypoints: np.ndarray, scores: np.ndarray, areas: np.ndarray,
                     sigmas: Sequence[float], threshold: float, visible_above: float | None,
                     ) -> np.ndarray:
    """Soft OKS-NMS."""
    left, images = scores.copy(), np.arange(len(scores))[:, None]
    taken, free = np.full(scores.shape, -1), np.ones(scores.shape, bool)
    for turn in range(min(scores.shape[1], MAX_SOFT_KEPT)):
        best = np.where(free, left, -np.inf).argmax(axis=1)[:, None]
        taken[:, turn] = best[:, 0]
        free[images, best] = False
        alike = oks_matrix(keypoints[images, best], keypoints, areas[images, best], areas, sigmas,
                           visible_above)[:, 0]
        left *= np.exp(-alike ** 2 / threshold)
    return taken


def _suppress_nothing(keypoints: np.ndarray, scores: np.ndarray, *_) -> np.ndarray:
    return np.broadcast_to(np.arange(scores.shape[1]), scores.shape)


SUPPRESSIONS = {"oks": _suppress, "soft_oks": _suppress_softly, "none": _suppress_nothing}
