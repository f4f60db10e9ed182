"""The accuracy of heatmaps by their peaks, as the official training logs show it."""
import torch

from utils.decoders import find_maxima


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
    predicted, wanted = (torch.stack(find_maxima(maps)[:2], dim=-1) for maps in (heatmaps, targets))
    counted = (wanted > 1).all(-1)                                            # (B, K)
    x, y = (predicted - wanted).unbind(-1)
    near = torch.hypot(x / (height / 10), y / (width / 10)) < threshold
    per_joint = (near & counted).sum(0) / counted.sum(0).clamp(min=1)
    valid = counted.any(0)
    return (per_joint * valid).sum() / valid.sum().clamp(min=1)
