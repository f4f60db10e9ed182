"""Heads: from the features of a backbone to one heatmap for each joint.

Every head ends in the layer `output`; it alone depends on the number of joints.
"""
import torch
from torch import nn

from nets.pose.layers import DUC, init_small, scaled

STRIDES = (4, 8, 16, 32)        # of features that a head can bring to heatmaps of a quarter


def stages_for(stride: int) -> int:
    """How often a head doubles the size of features of one of STRIDES."""
    return STRIDES.index(stride)


class Head(nn.Module):
    """Features -> `upsample` -> `output`; the heatmaps are `upsampling` times as large."""

    def __init__(self, upsample: nn.Module, output: nn.Conv2d, upsampling: int):
        super().__init__()
        self.upsample = upsample
        self.output = output
        self.upsampling = upsampling
        init_small(self.output)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """(B, C, h, w) -> (B, K, upsampling * h, upsampling * w)."""
        return self.output(self.upsample(features))


def duc_head(in_channels: int, num_joints: int, width: float = 1.0, stages: int = 3) -> Head:
    """Pixel shuffle and DUC layers, two in the head of AlphaPose's FastPose; each stage doubles the
    size.

    The DUC layers keep PyTorch's own initialisation, as in AlphaPose. `width`: channels between
    as a part of the original's.
    """
    channels = [in_channels // 4, scaled(width, 256), scaled(width, 128)][:stages]
    upsample = nn.Sequential(nn.PixelShuffle(2), *map(DUC, channels[:-1], channels[1:]))
    return Head(upsample, nn.Conv2d(channels[-1], num_joints, 3, padding=1), 2 ** stages)


def dconv_head(in_channels: int, num_joints: int, width: float = 1.0, layers: int = 3) -> Head:
    """Transposed convolutions, each doubling the size: Xiao et al., "Simple Baselines for Human
    Pose Estimation"; with two layers ViTPose's classic head."""
    parts, channels = [], scaled(width, 256)
    for before in (in_channels, *[channels] * (layers - 1)):
        parts += [nn.ConvTranspose2d(before, channels, 4, stride=2, padding=1, bias=False),
                  nn.BatchNorm2d(channels), nn.ReLU(inplace=True)]
    upsample = nn.Sequential(*parts)
    init_small(upsample)
    return Head(upsample, nn.Conv2d(channels, num_joints, 1), upsampling=2 ** layers)


def bilinear_head(in_channels: int, num_joints: int, upsampling: int) -> Head:
    """Interpolation and one convolution: the simple head of Xu et al. 2022, "ViTPose"."""
    upsample = nn.Sequential(nn.ReLU(), nn.Upsample(scale_factor=upsampling, mode="bilinear",
                                                    align_corners=False))
    return Head(upsample, nn.Conv2d(in_channels, num_joints, 3, padding=1), upsampling)


def output_head(in_channels: int, num_joints: int) -> Head:
    """Only the last layer: for HRNet, whose features have the size of the heatmaps."""
    return Head(nn.Identity(), nn.Conv2d(in_channels, num_joints, 1), upsampling=1)
