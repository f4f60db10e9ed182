"""PoseNet: a backbone and a head, and nothing else."""
import torch
from torch import nn


class PoseNet(nn.Module):
    """Images (B, 3, H, W), normalised, H and W multiples of 32 -> heatmaps (B, K, H/4, W/4).

    `stride`: input pixels in one heatmap pixel. `weights_report`: what `build_net` loaded, a
    `nets.pretrained.LoadReport`, or None for a net that starts from nothing.
    """

    def __init__(self, backbone: nn.Module, head: nn.Module):
        super().__init__()
        self.backbone = backbone
        self.head = head
        self.stride = backbone.stride // head.upsampling
        self.weights_report = None

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.head(self.backbone(images))
