"""How far joints are off, in pixels or as a part of the size of a person, and how many are near.

All of these take `distances` (N, K), of `joint_distances`, and `counted` (N, K) bool, which
joints to look at. They return a number for each joint, (K,) float64, UNDEFINED where none is
counted.
"""
import numpy as np

UNDEFINED = -1.0        # as pycocotools has it
HEAD_SHARE = 0.6        # of the diagonal of MPII's head box: about the length of the head


def joint_distances(predicted: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """(N, K) float64, the units of the points; infinite where nothing finite was predicted.

    predicted, truth: (N, K, 2).
    """
    difference = np.asarray(predicted, np.float64) - np.asarray(truth, np.float64)
    distances = np.hypot(difference[..., 0], difference[..., 1])
    return np.where(np.isfinite(distances), distances, np.inf)


def mean_error(distances: np.ndarray, counted: np.ndarray, sizes: np.ndarray | None = None,
               ) -> np.ndarray:
    """Mean distance of each joint: the end-point error (EPE), in the units of `distances`; with
    `sizes` (N,) the normalised mean error (NME), mean of distance / size of the person, no unit.

    Joints without a prediction (infinite distance) and people without a size (NaN or 0) are left
    out: no finite number could stand for them. EPE: Baker et al., IJCV 2011, there of flow
    vectors; NME: Sagonas et al., "300 Faces in-the-Wild Challenge", ICCV workshops 2013.
    """
    values = distances if sizes is None else distances / known(sizes)[:, None]
    return mean_of_joints(values, counted & np.isfinite(values))


def pck(distances: np.ndarray, counted: np.ndarray, sizes: np.ndarray, threshold: float,
        ) -> np.ndarray:
    """PCK, the percentage of correct keypoints, as a share of 0 to 1 for each joint: (K,).

    A joint is correct if its distance is at most threshold * size of its person. distances,
    counted: (N, K) as in joint_error.py; an infinite distance is a joint that was not found and
    so not correct. sizes: (N,) in the units of `distances`; people without one (NaN) are not
    counted. Yang and Ramanan, TPAMI 2013; with the size of the head PCKh, Andriluka et al., CVPR
    2014; with that of the torso also called PDJ, Toshev and Szegedy, CVPR 2014.
    """
    limits = threshold * known(sizes)[:, None]
    return mean_of_joints(distances <= limits, counted & np.isfinite(limits))


def area_under_pck(distances: np.ndarray, counted: np.ndarray, farthest: float = 30.0,
                   steps: int = 20) -> np.ndarray:
    """AUC: area under the curve of PCK over the threshold, 0 to 1 for each joint: (K,).

    The threshold is a distance, no part of a size, and goes from 0 to `farthest` in `steps`
    equally spaced values; the area is that of trapezoids, divided by `farthest`. A share of 1 at
    every threshold makes 1. Zimmermann and Brox, "Learning to Estimate 3D Hand Pose from Single
    RGB Images", ICCV 2017, whose evaluation of 2D joints has 0 to 30 pixels and 20 values.
    """
    thresholds = np.linspace(0, farthest, steps)
    curve = np.stack([mean_of_joints(distances <= limit, counted) for limit in thresholds])
    area = (curve[1:] + curve[:-1]).mean(axis=0) / 2
    return np.where(counted.any(axis=0), area, UNDEFINED)


def mean_of_joints(values: np.ndarray, counted: np.ndarray) -> np.ndarray:
    """(K,) mean over the N people of the counted ones among `values` (N, K)."""
    counts = counted.sum(axis=0)
    total = np.where(counted, values, 0.0).sum(axis=0)
    return np.where(counts > 0, total / np.maximum(counts, 1), UNDEFINED)


def mean_of_defined(per_joint: np.ndarray, weights: np.ndarray | None = None) -> float:
    """One number for all joints, UNDEFINED if none has one.

    per_joint: (K,). weights: (K,), such as how often each joint was counted, for the mean over
    all joints of all people; None is the mean over the K joints, whatever their number.
    """
    weights = np.ones(len(per_joint)) if weights is None else np.asarray(weights, np.float64)
    weights = weights * (per_joint != UNDEFINED)
    return float((per_joint * weights).sum() / weights.sum()) if weights.any() else UNDEFINED


# ---- sizes of people: (N,) in the units of the points, NaN where unknown -------------------------

def known(sizes: np.ndarray) -> np.ndarray:
    """Sizes with NaN for those that are not above 0."""
    sizes = np.asarray(sizes, np.float64)
    return np.where(sizes > 0, sizes, np.nan)


def longer_side(boxes: np.ndarray) -> np.ndarray:
    """max(width, height) of boxes (N, 4) xywh: what PCK measures with (Yang and Ramanan,
    "Articulated Human Detection with Flexible Mixtures of Parts", TPAMI 2013)."""
    return known(boxes[:, 2:].max(axis=1))


def mean_side(boxes: np.ndarray) -> np.ndarray:
    """sqrt(width * height) of boxes (N, 4) xywh: what NME measures with where there are no eyes
    (Bulat and Tzimiropoulos, "How far are we from solving the 2D & 3D Face Alignment problem?",
    ICCV 2017)."""
    return known(np.sqrt((boxes[:, 2:] * (boxes[:, 2:] > 0)).prod(axis=1)))


def head_size(head_boxes: np.ndarray) -> np.ndarray:
    """0.6 * the diagonal of MPII's head boxes (N, 4) xywh: what PCKh measures with (Andriluka et
    al., "2D Human Pose Estimation: New Benchmark and State of the Art Analysis", CVPR 2014; the
    0.6 is that of its evaluation code)."""
    return known(HEAD_SHARE * np.hypot(head_boxes[:, 2], head_boxes[:, 3]))


def torso_size(truth: np.ndarray, labelled: np.ndarray, diagonals: list[tuple[int, int]],
               ) -> np.ndarray:
    """Distance of a shoulder and the hip of the other side: the torso diameter of PDJ (Toshev and
    Szegedy, "DeepPose", CVPR 2014).

    truth: (N, K, 2). labelled: (N, K). diagonals: pairs of joints; the first one of which both
    are labelled is taken.
    """
    sizes = np.full(len(truth), np.nan)
    for a, b in reversed(diagonals):
        length = np.hypot(*(np.asarray(truth, np.float64)[:, a] - truth[:, b]).T)
        sizes = np.where(labelled[:, a] & labelled[:, b], length, sizes)
    return known(sizes)
