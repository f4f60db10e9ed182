"""ResNets: torchvision's blocks and names, with SE layers and other widths on request; and the
networks that they are the backbone of."""
import torch
from torch import nn
from torchvision.models.resnet import BasicBlock, Bottleneck, conv1x1

from configs.schema import ModelConfig
from nets.pose.heads import dconv_head, duc_head, stages_for
from nets.pose.layers import SE, init_small, scaled
from nets.pose.pose_net import PoseNet


class SEBasicBlock(BasicBlock):
    """A basic block with SE before the residual sum, where the block has a downsample."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.se = nn.Identity() if self.downsample is None else SE(self.bn2.num_features)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.se(self.bn2(self.conv2(out)))
        return self.relu(out + (x if self.downsample is None else self.downsample(x)))


class SEBottleneck(Bottleneck):
    """A bottleneck with SE before the residual sum, where the block has a downsample."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.se = nn.Identity() if self.downsample is None else SE(self.bn3.num_features)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.relu(self.bn2(self.conv2(out)))
        out = self.se(self.bn3(self.conv3(out)))
        return self.relu(out + (x if self.downsample is None else self.downsample(x)))


Block = type[BasicBlock] | type[Bottleneck]

# (block, the same block with SE, blocks in each of the four stages)
RESNETS: dict[str, tuple[Block, Block, list[int]]] = {
    "resnet18": (BasicBlock, SEBasicBlock, [2, 2, 2, 2]),
    "resnet34": (BasicBlock, SEBasicBlock, [3, 4, 6, 3]),
    "resnet50": (Bottleneck, SEBottleneck, [3, 4, 6, 3]),
    "resnet101": (Bottleneck, SEBottleneck, [3, 4, 23, 3]),
    "resnet152": (Bottleneck, SEBottleneck, [3, 8, 36, 3]),
}


class ResNetBackbone(nn.Module):
    """Images (B, 3, H, W) -> features (B, out_channels, H/stride, W/stride).

    `reduction` puts an SE layer in the block that opens a stage and has a downsample. That is
    every stage, but for the first one of resnet18 and resnet34, whose first block has none.
    `width`: channels of all layers as a part of the original's. `level`: the stage that gives the
    features, -1 for the last (stride 32), -2 for the third (16), -3 for the second (8); those
    behind it are not built.
    """

    def __init__(self, name: str, reduction: bool = False, width: float = 1.0, level: int = -1):
        super().__init__()
        block, se_block, depths = RESNETS[name]
        block = se_block if reduction else block
        c1, c2, c3, c4 = (scaled(width, full) for full in (64, 128, 256, 512))
        more = block.expansion
        self.conv1 = nn.Conv2d(3, c1, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(c1)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        self.layer1 = stage(block, c1, c1, depths[0], stride=1)
        self.layer2 = stage(block, c1 * more, c2, depths[1], stride=2)
        self.layer3 = stage(block, c2 * more, c3, depths[2], stride=2) if level > -3 else None
        self.layer4 = stage(block, c3 * more, c4, depths[3], stride=2) if level > -2 else None
        self.stride = {-1: 32, -2: 16, -3: 8}[level]
        self.out_channels = {-1: c4, -2: c3, -3: c2}[level] * more
        for layer in self.modules():        # as torchvision: He et al., "Delving Deep"
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.layer2(self.layer1(self.maxpool(self.relu(self.bn1(self.conv1(x))))))
        for layer in filter(None, (self.layer3, self.layer4)):
            x = layer(x)
        return x


def stage(block: Block, in_channels: int, planes: int, depth: int,
          stride: int) -> nn.Sequential:
    """`depth` blocks, the first of which changes size and channels."""
    out_channels, downsample = planes * block.expansion, None
    if stride != 1 or in_channels != out_channels:
        downsample = nn.Sequential(conv1x1(in_channels, out_channels, stride),
                                   nn.BatchNorm2d(out_channels))
    return nn.Sequential(block(in_channels, planes, stride, downsample),
                         *(block(out_channels, planes) for _ in range(1, depth)))


def pose_resnet_duc(config: ModelConfig) -> PoseNet:
    """ResNet and DUC; with `reduction` AlphaPose's FastPose."""
    backbone = ResNetBackbone(config.name, config.reduction, config.width, config.level)
    return PoseNet(backbone, duc_head(backbone.out_channels, config.num_joints, config.width,
                                      stages=stages_for(backbone.stride)))


def pose_resnet_dconv(config: ModelConfig) -> PoseNet:
    """ResNet and transposed convolutions: SimpleBaselines' pose_resnet, AlphaPose's SimplePose."""
    backbone = ResNetBackbone(config.name, config.reduction, config.width, config.level)
    if not config.pretrained:
        init_small(backbone)   # as the official code without ImageNet weights
    return PoseNet(backbone, dconv_head(backbone.out_channels, config.num_joints, config.width,
                                        layers=stages_for(backbone.stride)))
