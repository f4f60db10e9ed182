"""Losses between predicted and target vectors of SimCC (utils/simcc_codec.py).

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

from utils.errors import UserError

SHARPNESS = 10.0        # RTMPose's beta


def simcc_kl(vectors: Tensor, targets: Tensor, weights: Tensor, bins_x: int) -> Tensor:
    """Kullback-Leibler divergence from the softmax of each axis to its target, mean over its bins,
    both axes added: SimCC (Li et al. 2022). For targets of sum 1 (codec.normalize)."""
    _ensure_shapes(vectors, targets, weights)
    axes = zip(_axes(vectors, bins_x), _axes(targets, bins_x), strict=True)
    return _divergence([(log_softmax(found, dim=-1), wanted) for found, wanted in axes], weights)


def rtmpose_kl(vectors: Tensor, targets: Tensor, weights: Tensor, bins_x: int) -> Tensor:
    """As `simcc_kl`, with the softmax of 10 times the vectors and, for targets of height 1, of 10
    times the targets: RTMPose (Jiang et al. 2023)."""
    _ensure_shapes(vectors, targets, weights)
    axes = zip(_axes(vectors, bins_x), _axes(targets, bins_x), strict=True)
    return _divergence([(log_softmax(SHARPNESS * found, dim=-1),
                         softmax(SHARPNESS * wanted, dim=-1)) for found, wanted in axes], weights)


def _axes(vectors: Tensor, bins_x: int) -> tuple[Tensor, ...]:
    return vectors.split([bins_x, vectors.shape[2] - bins_x], dim=2)


def _divergence(axes: list[tuple[Tensor, Tensor]], weights: Tensor) -> Tensor:
    """axes: logarithms of what is predicted, and what is wanted."""
    errors = [kl_div(found, wanted, reduction="none").mean(dim=2) for found, wanted in axes]
    return (weights * torch.stack(errors).sum(0)).mean()


def _ensure_shapes(vectors: Tensor, targets: Tensor, weights: Tensor) -> None:
    if weights.shape != vectors.shape[:2] or targets.shape != vectors.shape:
        raise UserError(f"vectors of shape {tuple(vectors.shape)} are compared with targets of "
                        f"{tuple(targets.shape)} by weights of {tuple(weights.shape)}: give "
                        f"targets of the same shape, and weights (B, K)")


SIMCC_LOSSES: dict[str, Callable[..., Tensor]] = {
    "simcc_kl": simcc_kl,
    "rtmpose_kl": rtmpose_kl,
}
