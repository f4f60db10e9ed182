"""Losses between predicted and target vectors of SimCC (utils/codecs/simcc_codec.py).

All take vectors (B, K, bins of x + bins of y), targets of the same shape, weights (B, K), float32,
and the number of bins of x; they return a scalar. A weight of 0 leaves a joint out. They are means
over persons and joints, as those of heatmaps are, so that processes and micro-batches that share a
batch add up to it; mmpose's KLDiscretLoss, which sums over persons, is these times the number of
persons.
"""
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import kl_div, log_softmax, softmax

from losses.heatmap import ensure_shapes

SHARPNESS = {"simcc_kl": 1.0, "rtmpose_kl": 10.0}       # of the softmax; RTMPose's beta


def simcc_kl(vectors: Tensor, targets: Tensor, weights: Tensor, bins_x: int) -> Tensor:
    """Kullback-Leibler divergence from the softmax of each axis to its target, mean over its bins,
    both axes added: SimCC (Li et al. 2022). For targets of sum 1 (codec.normalize)."""
    return _divergence(vectors, targets, weights, bins_x, lambda axis: axis)


def rtmpose_kl(vectors: Tensor, targets: Tensor, weights: Tensor, bins_x: int) -> Tensor:
    """As `simcc_kl`, with the softmax of 10 times the vectors and, for targets of height 1, of 10
    times the targets: RTMPose (Jiang et al. 2023)."""
    sharpness = SHARPNESS["rtmpose_kl"]
    return _divergence(sharpness * vectors, targets, weights, bins_x,
                       lambda axis: softmax(sharpness * axis, dim=-1))


def _divergence(vectors: Tensor, targets: Tensor, weights: Tensor, bins_x: int,
                wanted: Callable[[Tensor], Tensor]) -> Tensor:
    """wanted: the distribution that the target of an axis stands for."""
    ensure_shapes("vectors", vectors, targets, weights)
    bins = [bins_x, vectors.shape[2] - bins_x]
    axes = zip(vectors.split(bins, dim=2), targets.split(bins, dim=2), strict=True)
    errors = [kl_div(log_softmax(found, dim=-1), wanted(target), reduction="none").mean(dim=2)
              for found, target in axes]
    return (weights * torch.stack(errors).sum(0)).mean()


SIMCC_LOSSES: dict[str, Callable[..., Tensor]] = {
    "simcc_kl": simcc_kl,
    "rtmpose_kl": rtmpose_kl,
}
