"""Layers that more than one network uses, and how new ones are initialised."""
import torch
from torch import nn


class SE(nn.Module):
    """Squeeze and excitation: each channel is scaled by a gate computed from all channel means.

    Hu et al., "Squeeze-and-Excitation Networks". The reduction ratio is 1, as in AlphaPose, whose
    Linear layers are 1x1 convolutions here: the same numbers, no reshaping.
    """

    def __init__(self, channels: int):
        super().__init__()
        self.fc = nn.Sequential(nn.Conv2d(channels, channels, 1), nn.ReLU(inplace=True),
                                nn.Conv2d(channels, channels, 1), nn.Sigmoid())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, C, H, W) -> (B, C, H, W)."""
        return x * self.fc(x.mean((2, 3), keepdim=True))


class DUC(nn.Module):
    """Dense upsampling convolution: compute 4 values for each pixel, lay them out as 2x2 pixels.

    Wang et al., "Understanding Convolution for Semantic Segmentation".
    """

    def __init__(self, in_channels: int, out_channels: int):
        super().__init__()
        self.conv = nn.Conv2d(in_channels, 4 * out_channels, 3, padding=1, bias=False)
        self.bn = nn.BatchNorm2d(4 * out_channels)
        self.relu = nn.ReLU(inplace=True)
        self.shuffle = nn.PixelShuffle(2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, in_channels, H, W) -> (B, out_channels, 2H, 2W)."""
        return self.shuffle(self.relu(self.bn(self.conv(x))))


def scaled(width: float, channels: int) -> int:
    """Channels of a layer at `width` times the original's: multiples of 8, as devices like."""
    return max(8, round(width * channels / 8) * 8)


def init_small(module: nn.Module) -> None:
    """Weights of all convolutions in `module` from N(0, 0.001), biases 0.

    The start of the official SimpleBaselines and HRNet code. Heatmaps are nearly 0 everywhere, so
    a last layer that answers nearly 0 starts with a small loss.
    """
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.normal_(layer.weight, std=0.001)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
