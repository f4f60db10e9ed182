"""PCK, the share of joints that lie near enough, and the accuracy of heatmaps by their peaks."""
import numpy as np

from processors.evaluation.joint_error import UNDEFINED, known, mean_of_joints


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
