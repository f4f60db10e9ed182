"""The accuracy of heatmaps and of SimCC's vectors by their peaks, as the official training logs
show it."""
import torch
from torch import Tensor

from utils.decoders import find_maxima


def heatmap_accuracy(heatmaps: Tensor, targets: Tensor, threshold: float = 0.5) -> Tensor:
    """Share of joints whose predicted peak lies near the target's peak; the number that the
    official training logs show.

    heatmaps, targets: (B, K, h, w). Distances are measured in tenths of the map, x over h / 10
    and y over w / 10 (exchanged, as HRNet's code has it, so that logs compare), and count as
    near below `threshold`. Joints with a target peak at x <= 1 or y <= 1 are left out. Returns
    the mean over joints of the share over persons, a scalar; 0 where no joint counts.
    """
    height, width = targets.shape[-2:]
    predicted, wanted = (torch.stack(find_maxima(maps)[:2], dim=-1) for maps in (heatmaps, targets))
    return _share_near(predicted - wanted, (wanted > 1).all(-1), width, height, threshold)


def simcc_accuracy(vectors: Tensor, targets: Tensor, bins_x: int, threshold: float = 0.5) -> Tensor:
    """The same of vectors and targets (B, K, bins of x + bins of y): distances in tenths of the
    axes, exchanged as above (so does mmpose). Joints without a target are left out."""
    bins = (bins_x, targets.shape[2] - bins_x)
    predicted, wanted = (torch.stack([axis.argmax(-1) for axis in both.split(bins, -1)], dim=-1)
                         for both in (vectors, targets))
    return _share_near(predicted - wanted, targets.amax(-1) > 0, *bins, threshold)


def _share_near(distance: Tensor, counted: Tensor, width: int, height: int, threshold: float,
                ) -> Tensor:
    """distance: (B, K, 2). counted: (B, K) bool."""
    x, y = distance.unbind(-1)
    near = torch.hypot(x / (height / 10), y / (width / 10)) < threshold
    per_joint = (near & counted).sum(0) / counted.sum(0).clamp(min=1)
    valid = counted.any(0)
    return (per_joint * valid).sum() / valid.sum().clamp(min=1)
