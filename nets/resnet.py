"""ResNet trunks: torchvision's ResNet without its classifier, with SE layers on request."""
import torch
from torch import nn
from torchvision.models.resnet import BasicBlock, Bottleneck, ResNet

from nets.layers import SE


class SEBasicBlock(BasicBlock):
    """A basic block with SE before the residual sum, where the block has a downsample."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        has_se = self.downsample is not None
        self.se = SE(self.bn2.num_features) if has_se else nn.Identity()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.se(self.bn2(self.conv2(out)))
        return self.relu(out + (x if self.downsample is None else self.downsample(x)))


class SEBottleneck(Bottleneck):
    """A bottleneck with SE before the residual sum, where the block has a downsample."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        has_se = self.downsample is not None
        self.se = SE(self.bn3.num_features) if has_se else nn.Identity()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.relu(self.bn2(self.conv2(out)))
        out = self.se(self.bn3(self.conv3(out)))
        return self.relu(out + (x if self.downsample is None else self.downsample(x)))


# (block, the same block with SE, blocks in each of the four stages)
RESNETS = {
    "resnet18": (BasicBlock, SEBasicBlock, [2, 2, 2, 2]),
    "resnet34": (BasicBlock, SEBasicBlock, [3, 4, 6, 3]),
    "resnet50": (Bottleneck, SEBottleneck, [3, 4, 6, 3]),
    "resnet101": (Bottleneck, SEBottleneck, [3, 4, 23, 3]),
    "resnet152": (Bottleneck, SEBottleneck, [3, 8, 36, 3]),
}


class ResNetTrunk(ResNet):
    """Images (B, 3, H, W) -> features (B, out_channels, H/32, W/32).

    `reduction` puts an SE layer in the block that opens a stage and has a downsample. That is
    every stage, but for the first one of resnet18 and resnet34, whose first block has none.
    """
    stride = 32

    def __init__(self, name: str, reduction: bool = False):
        block, se_block, depths = RESNETS[name]
        super().__init__(se_block if reduction else block, depths)
        self.out_channels = self.fc.in_features
        del self.avgpool, self.fc

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        return self.layer4(self.layer3(self.layer2(self.layer1(x))))
