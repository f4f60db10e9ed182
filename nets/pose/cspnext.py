"""CSPNeXt, the backbone of RTMPose: cross-stage partial blocks with large depthwise convolutions.

Lyu et al. 2022, "RTMDet"; Jiang et al. 2023, "RTMPose". Members carry the names of mmdet and
mmpose, so published weights fit as they are.
"""
from collections import OrderedDict

import torch
from torch import nn

from configs.schema import ModelConfig
from nets.pose.heads import Head, dconv_head
from nets.pose.pose_net import PoseNet

CSPNEXTS = {        # depth and width as a part of the large one's
    "t": (0.167, 0.375),
    "s": (0.33, 0.5),
    "m": (0.67, 0.75),
    "l": (1.0, 1.0),
}
STAGES = ((128, 3), (256, 6), (512, 6), (1024, 3))      # channels and bottlenecks of the large one
POOLS = (5, 9, 13)      # pixels of a side


def pose_cspnext(config: ModelConfig) -> PoseNet:
    """CSPNeXt with transposed convolutions, or with the 7x7 convolution that RTMPose's head begins
    with (`nets/pose/simcc.py` has the rest of it)."""
    backbone = CSPNeXtBackbone(*CSPNEXTS[config.name])
    channels, joints = backbone.out_channels, config.num_joints
    if config.head == "rtmcc":
        maps = nn.Conv2d(channels, joints, 7, padding=3)
        return PoseNet(backbone, Head(nn.Identity(), maps, upsampling=1))
    return PoseNet(backbone, dconv_head(channels, joints))


class CSPNeXtBackbone(nn.Module):
    """Images (B, 3, H, W) -> features (B, out_channels, H/32, W/32).

    depth, width: bottlenecks and channels as a part of the large one's. Layers keep PyTorch's own
    initialisation, as in mmdet.
    """
    stride = 32

    def __init__(self, depth: float, width: float):
        super().__init__()
        first = int(64 * width)
        self.stem = nn.Sequential(conv(3, first // 2, 3, stride=2), conv(first // 2, first // 2, 3),
                                  conv(first // 2, first, 3))
        channels = [first, *(int(full * width) for full, _ in STAGES)]
        counts = [max(round(full * depth), 1) for _, full in STAGES]
        self.stage1 = _stage(channels[0], channels[1], counts[0])
        self.stage2 = _stage(channels[1], channels[2], counts[1])
        self.stage3 = _stage(channels[2], channels[3], counts[2])
        self.stage4 = _stage(channels[3], channels[4], counts[3], last=True)
        self.out_channels = channels[4]

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.stage4(self.stage3(self.stage2(self.stage1(self.stem(images)))))


def _stage(before: int, channels: int, count: int, last: bool = False) -> nn.Sequential:
    """Half the size. The last stage pools over the image, and its bottlenecks add nothing."""
    pooling = [PyramidPooling(channels)] if last else []
    return nn.Sequential(conv(before, channels, 3, stride=2), *pooling,
                         CSPBlock(channels, count, identity=not last))


def conv(before: int, channels: int, kernel: int, stride: int = 1, groups: int = 1,
         ) -> nn.Sequential:
    """Convolution, batch norm, SiLU; the size stays but for the stride."""
    return nn.Sequential(OrderedDict(
        conv=nn.Conv2d(before, channels, kernel, stride, kernel // 2, groups=groups, bias=False),
        bn=nn.BatchNorm2d(channels), activate=nn.SiLU(inplace=True)))


class PyramidPooling(nn.Module):
    """What is near, from one pixel to 13 around it, side by side: He et al. 2014, "Spatial Pyramid
    Pooling"."""

    def __init__(self, channels: int):
        super().__init__()
        self.conv1 = conv(channels, channels // 2, 1)
        self.poolings = nn.ModuleList(nn.MaxPool2d(side, 1, side // 2) for side in POOLS)
        self.conv2 = conv(channels // 2 * (1 + len(POOLS)), channels, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.conv1(x)
        return self.conv2(torch.cat([x, *(pool(x) for pool in self.poolings)], dim=1))


class CSPBlock(nn.Module):
    """Half of the channels through bottlenecks, half past them, then attention over channels."""

    def __init__(self, channels: int, count: int, identity: bool):
        super().__init__()
        half = channels // 2
        self.main_conv = conv(channels, half, 1)
        self.short_conv = conv(channels, half, 1)
        self.final_conv = conv(2 * half, channels, 1)
        self.blocks = nn.Sequential(*(Bottleneck(half, identity) for _ in range(count)))
        self.attention = ChannelAttention(2 * half)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        both = torch.cat([self.blocks(self.main_conv(x)), self.short_conv(x)], dim=1)
        return self.final_conv(self.attention(both))


class Bottleneck(nn.Module):
    """A 3x3 convolution, a 5x5 one of each channel by itself and a 1x1 one of all."""

    def __init__(self, channels: int, identity: bool):
        super().__init__()
        self.conv1 = conv(channels, channels, 3)
        self.conv2 = nn.Sequential(OrderedDict(
            depthwise_conv=conv(channels, channels, 5, groups=channels),
            pointwise_conv=conv(channels, channels, 1)))
        self.identity = identity

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out = self.conv2(self.conv1(x))
        return out + x if self.identity else out


class ChannelAttention(nn.Module):
    """Each channel is scaled by a gate computed from all channel means."""

    def __init__(self, channels: int):
        super().__init__()
        self.fc = nn.Conv2d(channels, channels, 1)
        self.gate = nn.Hardsigmoid()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.gate(self.fc(x.mean((2, 3), keepdim=True)))
