"""PCK, the share of joints that lie near enough, and the accuracy of heatmaps by their peaks."""
import numpy as np
import torch

from utils.joint_error import UNDEFINED, known, mean_of_joints


def heatmap_accuracy(heatmaps: torch.Tensor, targets: torch.Tensor, threshold: float = 0.5
                     ) -> torch.Tensor:
    """Share of joints whose predicted peak lies near the target's peak; the number that the
    official training logs show.

    heatmaps, targets: (B, K, h, w). Distances are measured in tenths of the map, x over h / 10
    and y over w / 10 (exchanged, as HRNet's code has it, so that logs compare), and count as
    near below `threshold`. Joints with a target peak at x <= 1 or y <= 1 are left out. Returns
    the mean over joints of the share over persons, a scalar; 0 where no joint counts.
    """
    height, width = targets.shape[-2:]
    predicted, wanted = _peaks(heatmaps), _peaks(targets)
    counted = (wanted > 1).all(-1)                                            # (B, K)
    x, y = (predicted - wanted).unbind(-1)
    near = torch.hypot(x / (height / 10), y / (width / 10)) < threshold
    per_joint = (near & counted).sum(0) / counted.sum(0).clamp(min=1)
    valid = counted.any(0)
    return (per_joint * valid).sum() / valid.sum().clamp(min=1)


def _peaks(heatmaps: torch.Tensor) -> torch.Tensor:
    """(B, K, 2) float x, y of each map's maximum; (0, 0) where no value is above 0."""
    values, index = heatmaps.flatten(2).max(dim=2)
    width = heatmaps.shape[-1]
    peaks = torch.stack([index % width, index // width], dim=-1).float()
    return peaks * (values > 0).unsqueeze(-1)


def pck(distances: np.ndarray, counted: np.ndarray, sizes: np.ndarray, threshold: float,
        ) -> np.ndarray:
    """PCK, the percentage of correct keypoints, as a share of 0 to 1 for each joint: (K,).

    A joint is correct if its distance is at most threshold * size of its person. distances,
    counted: (N, K) as in utils/joint_error.py; an infinite distance is a joint that was not found
    and so not correct. sizes: (N,) in the units of `distances`; people without one (NaN) are not
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
