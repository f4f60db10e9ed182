"""HRNet backbones: branches of several resolutions, side by side from the first layer to the last.

Sun et al., "Deep High-Resolution Representation Learning for Human Pose Estimation". Members carry
the official names, so published weights fit as they are.
"""
import torch
from torch import nn
from torchvision.models.resnet import BasicBlock, Bottleneck
from torchvision.ops import Conv2dNormActivation as ConvNorm

from configs.schema import ModelConfig
from nets.pose.heads import output_head
from nets.pose.layers import init_small
from nets.pose.pose_net import PoseNet

HRNET_WIDTHS = {"w32": 32, "w48": 48}   # channels of the branch with the highest resolution
BLOCKS_PER_BRANCH = 4


def fuse_path(source: int, target: int, channels: list[int]) -> nn.Module:
    """Bring branch `source` to the resolution and the channels of branch `target`."""
    if source == target:
        return nn.Identity()
    if source > target:
        path = ConvNorm(channels[source], channels[target], 1, activation_layer=None)
        return path.append(nn.Upsample(scale_factor=2 ** (source - target), mode="nearest"))
    # each link halves the resolution; only the last one changes the channels and has no ReLU
    links = [ConvNorm(channels[source], channels[source], stride=2)
             for _ in range(target - source - 1)]
    links.append(ConvNorm(channels[source], channels[target], stride=2, activation_layer=None))
    return nn.Sequential(*links)


class Branch(nn.Sequential):
    """Residual blocks at one resolution."""


class HRModule(nn.Module):
    """Residual blocks on every branch, then each output is the sum of all branches."""

    def __init__(self, channels: list[int], outputs: int):
        super().__init__()
        self.branches = nn.ModuleList(
            Branch(*(BasicBlock(c, c) for _ in range(BLOCKS_PER_BRANCH))) for c in channels)
        self.fuse_layers = nn.ModuleList(
            nn.ModuleList(fuse_path(source, target, channels) for source in range(len(channels)))
            for target in range(outputs))
        self.relu = nn.ReLU()

    def forward(self, xs: list[torch.Tensor]) -> list[torch.Tensor]:
        xs = [branch(x) for branch, x in zip(self.branches, xs, strict=True)]
        outputs = []
        for paths in self.fuse_layers:
            assert isinstance(paths, nn.ModuleList)
            outputs.append(self.relu(sum(path(x) for path, x in zip(paths, xs, strict=True))))
        return outputs


def hr_stage(channels: list[int], modules: int, last_outputs: int) -> nn.Sequential:
    """`modules` HRModules; the last one has only the `last_outputs` finest branches."""
    outputs = [len(channels)] * (modules - 1) + [last_outputs]
    return nn.Sequential(*(HRModule(channels, count) for count in outputs))


class HRNetBackbone(nn.Module):
    """Images (B, 3, H, W) -> features (B, out_channels, H/4, W/4); H and W multiples of 32."""
    stride = 4

    def __init__(self, name: str):
        super().__init__()
        width = HRNET_WIDTHS[name]
        channels = [width, 2 * width, 4 * width, 8 * width]
        self.out_channels = width
        self.conv1 = nn.Conv2d(3, 64, 3, stride=2, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.conv2 = nn.Conv2d(64, 64, 3, stride=2, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(64)
        self.relu = nn.ReLU(inplace=True)
        widen = ConvNorm(64, 256, 1, activation_layer=None)
        self.layer1 = nn.Sequential(Bottleneck(64, 64, downsample=widen),
                                    *(Bottleneck(256, 64) for _ in range(3)))
        # a transition adds a branch at half the resolution of the coarsest one before it
        self.transition1 = nn.ModuleList([
            ConvNorm(256, width), nn.Sequential(ConvNorm(256, 2 * width, stride=2))])
        self.stage2 = hr_stage(channels[:2], modules=1, last_outputs=2)
        self.transition2 = self._transition(channels[:3])
        self.stage3 = hr_stage(channels[:3], modules=4, last_outputs=3)
        self.transition3 = self._transition(channels[:4])
        self.stage4 = hr_stage(channels[:4], modules=3, last_outputs=1)

    @staticmethod
    def _transition(channels: list[int]) -> nn.ModuleList:
        new = nn.Sequential(ConvNorm(channels[-2], channels[-1], stride=2))
        return nn.ModuleList([*(nn.Identity() for _ in channels[:-1]), new])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.relu(self.bn2(self.conv2(x)))
        x = self.layer1(x)
        xs = self.stage2([layer(x) for layer in self.transition1])
        xs = self.stage3([*xs, self.transition2[-1](xs[-1])])
        xs = self.stage4([*xs, self.transition3[-1](xs[-1])])
        return xs[0]


def pose_hrnet(config: ModelConfig) -> PoseNet:
    """HRNet; every layer starts small, as in the official code."""
    backbone = HRNetBackbone(config.name)
    init_small(backbone)
    return PoseNet(backbone, output_head(backbone.out_channels, config.num_joints))
