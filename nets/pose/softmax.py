"""SpatialSoftmax: a joint's map as probabilities of where it is, and the heatmap these make."""
import torch
from torch import nn


class SpatialSoftmax(nn.Module):
    """Maps of any numbers (B, K, h, w) -> probabilities over pixels, float32, of sum 1 for each
    joint, as Mask R-CNN (He et al. 2017) learns them; and what the network gives.

    That is the probabilities themselves in training, for the loss. In evaluation it is the heatmap
    to be expected: their sum of Gaussians of height 1 and `sigma` heatmap pixels around each pixel,
    at most 1 high. It is what a network would give that has learned heatmaps by their mean squared
    error to the end, so decoders and scores mean what they mean there.
    """

    def __init__(self, sigma: float):
        super().__init__()
        self.sigma = sigma

    def forward(self, maps: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        # autocast of the CPU would leave it in bf16
        found = maps.flatten(2).float().softmax(dim=-1).view(maps.shape)
        if self.training:
            return found, found
        rows, columns = (self._gaussians(side, found) for side in found.shape[2:])
        return found, rows @ found @ columns

    def _gaussians(self, side: int, like: torch.Tensor) -> torch.Tensor:
        """(side, side): in each row a Gaussian around its pixel."""
        place = torch.arange(side, dtype=like.dtype, device=like.device)
        return torch.exp((place[:, None] - place).square() / (-2 * self.sigma ** 2))
