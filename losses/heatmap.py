"""Losses between predicted and target heatmaps.

All take heatmaps (B, K, h, w), targets (B, K, h, w) and weights (B, K) or, as HRNet has them,
(B, K, 1), float32, and return a scalar; other shapes are a ValueError. A weight of 0 leaves a joint
out; the mean still runs over all joints, as in SimpleBaselines (Xiao et al. 2018) and HRNet (Sun et
al. 2019).
"""
from collections.abc import Callable

import torch
from torch import Tensor

from utils.errors import UserError

NARROWER = 6        # power of targets: the sigma is then .4 of the heatmap's
LOWEST_PEAK = 0.4   # of the target of a joint within the map


def weighted_mse(heatmaps: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
    """0.5 * mean((w * (heatmap - target))^2) over persons, joints and pixels."""
    return 0.5 * _joint_errors(heatmaps, targets, weights).mean()


def hard_keypoints_mse(heatmaps: Tensor, targets: Tensor, weights: Tensor, top: int = 8) -> Tensor:
    """Online hard keypoint mining (Chen et al. 2018, CPN): the mean over each person's `top`
    joints of the largest error, times 0.5."""
    errors = 0.5 * _joint_errors(heatmaps, targets, weights)
    return errors.topk(min(top, errors.shape[1]), dim=1).values.mean()


def adaptive_wing(heatmaps: Tensor, targets: Tensor, weights: Tensor, alpha: float = 2.1,
                  omega: float = 14.0, epsilon: float = 1.0, theta: float = 0.5) -> Tensor:
    """Adaptive wing loss (Wang et al. 2019): logarithmic near the target, linear far from it,
    and steeper on the peak (target near 1) than on the background."""
    difference = (heatmaps - targets).abs()
    power = alpha - targets
    ratio = theta / epsilon
    slope = omega / epsilon * power * ratio ** (power - 1) / (1 + ratio ** power)
    offset = theta * slope - omega * torch.log1p(ratio ** power)
    near = omega * torch.log1p((difference / epsilon) ** power)
    loss = torch.where(difference < theta, near, slope * difference - offset)
    return (loss.mean(dim=(2, 3)) * _per_joint(weights, heatmaps, targets)).mean()


def softmax_kl(found: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
    """Kullback-Leibler divergence of probabilities over pixels (`nets/pose/softmax.py`) from the
    target as such, made narrower: mean over persons and joints of w * sum(p * log(p / q)), with
    p = target^6 / sum(target^6), a Gaussian of sigma / 2.4. A joint beside the map, whose target
    has no peak there, is left out.

    Its gradient by what goes into the softmax is q - p, however far the peak is from the joint. It
    is the cross entropy of Mask R-CNN (He et al. 2017), with a Gaussian in place of one pixel.
    """
    weights = _per_joint(weights, found, targets)
    targets, q = targets.flatten(2), found.flatten(2)
    weights = torch.where(targets.amax(dim=-1) > LOWEST_PEAK, weights, 0.0)
    p = targets ** NARROWER
    p = p / p.sum(dim=-1, keepdim=True).clamp(min=1e-6)
    log_p, log_q = (maps.clamp(min=1e-30).log() for maps in (p, q))     # 0 has no logarithm
    return ((p * (log_p - log_q)).sum(dim=-1) * weights).mean()


def _joint_errors(heatmaps: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
    """(B, K): squared error of each map times the square of its weight, mean over pixels."""
    weights = _per_joint(weights, heatmaps, targets)
    return (heatmaps - targets).square().mean(dim=(2, 3)) * weights.square()


def _per_joint(weights: Tensor, heatmaps: Tensor, targets: Tensor) -> Tensor:
    """Weights as (B, K). Shapes that do not fit would be spread over each other without a word."""
    weights = weights.squeeze(2) if weights.ndim == 3 else weights
    ensure_shapes("heatmaps", heatmaps, targets, weights)
    return weights


def ensure_shapes(name: str, outputs: Tensor, targets: Tensor, weights: Tensor) -> None:
    """Raise UserError unless targets are as the outputs (B, K, ...), and weights (B, K). name: of
    the outputs."""
    if weights.shape != outputs.shape[:2] or targets.shape != outputs.shape:
        raise UserError(f"{name} of shape {tuple(outputs.shape)} are compared with targets of "
                        f"{tuple(targets.shape)} by weights of {tuple(weights.shape)}: give "
                        f"targets of the same shape, and weights (B, K)")


LOSSES: dict[str, Callable[[Tensor, Tensor, Tensor], Tensor]] = {
    "mse": weighted_mse,
    "ohkm": hard_keypoints_mse,
    "adaptive_wing": adaptive_wing,
}

# of maps that are a softmax over pixels
SOFTMAX_LOSSES: dict[str, Callable[[Tensor, Tensor, Tensor], Tensor]] = {
    "softmax_kl": softmax_kl,
}
