"""YOLOv5 n, s, m, l and x as of its releases 6 and 7: a network that finds objects in images.

Written from the description of the architecture; published weights (whose licence is AGPL-3.0)
never belong to this project. Tensors have the names that they have in those files.
"""
import math
from collections.abc import Iterable
from typing import cast

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

# Share of the layers (depth) and of the channels (width) of the largest-but-one network
SIZES = {"yolov5n": (0.33, 0.25), "yolov5s": (0.33, 0.50), "yolov5m": (0.67, 0.75),
         "yolov5l": (1.00, 1.00), "yolov5x": (1.33, 1.25)}
STRIDES = (8, 16, 32)
ANCHORS = (     # three box sizes (width, height) per level, input pixels
    ((10, 13), (16, 30), (33, 23)),
    ((30, 61), (62, 45), (59, 119)),
    ((116, 90), (156, 198), (373, 326)),
)


class ConvUnit(nn.Module):
    """Convolution, norm, SiLU."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 1, stride: int = 1):
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, (kernel - 1) // 2, bias=False)
        self.bn: nn.Module = nn.BatchNorm2d(outputs, eps=1e-3, momentum=0.03)
        self.act = nn.SiLU(inplace=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.act(self.bn(self.conv(x)))


class Residual(nn.Module):
    """A 1x1 and a 3x3 convolution, added to the input if `shortcut`."""

    def __init__(self, channels: int, shortcut: bool):
        super().__init__()
        self.cv1 = ConvUnit(channels, channels)
        self.cv2 = ConvUnit(channels, channels, 3)
        self.shortcut = shortcut

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out = self.cv2(self.cv1(x))
        return x + out if self.shortcut else out


class CrossStage(nn.Module):
    """Half of the channels goes through the blocks, half around them (cross stage partial, Wang
    et al., "CSPNet")."""

    def __init__(self, inputs: int, outputs: int, repeats: int, shortcut: bool):
        super().__init__()
        self.cv1 = ConvUnit(inputs, outputs // 2)
        self.cv2 = ConvUnit(inputs, outputs // 2)
        self.m = nn.Sequential(*(Residual(outputs // 2, shortcut) for _ in range(repeats)))
        self.cv3 = ConvUnit(outputs, outputs)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.cv3(torch.cat((self.m(self.cv1(x)), self.cv2(x)), 1))


class PyramidPool(nn.Module):
    """Maxima over 5, 9 and 13 pixels, made by one pool applied again and again, beside the input
    (spatial pyramid pooling, He et al.)."""

    def __init__(self, channels: int):
        super().__init__()
        self.cv1 = ConvUnit(channels, channels // 2)
        self.m = nn.MaxPool2d(5, stride=1, padding=2)
        self.cv2 = ConvUnit(channels * 2, channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        levels = [self.cv1(x)]
        for _ in range(3):
            levels.append(self.m(levels[-1]))
        return self.cv2(torch.cat(levels, 1))


class Detect(nn.Module):
    """What is said at each place of the three levels, as raw numbers."""

    anchors: torch.Tensor       # (level, anchor, 2) in pixels of the level

    def __init__(self, channels: tuple[int, ...], num_classes: int):
        super().__init__()
        self.m = nn.ModuleList(nn.Conv2d(count, 3 * (5 + num_classes), 1) for count in channels)
        self.register_buffer("anchors", torch.tensor(ANCHORS) / torch.tensor(STRIDES).view(3, 1, 1))


class YOLOv5(nn.Module):
    """Images to boxes with probabilities.

    A backbone down to 1/32; a path up and a path down again over three levels (path aggregation,
    Liu et al.); at each place of a level one prediction for each of three anchors.
    """

    def __init__(self, name: str = "yolov5s", num_classes: int = 80):
        super().__init__()
        depth, width = SIZES[name]
        # channels at strides 2, 4, 8, 16 and 32
        c1, c2, c3, c4, c5 = (multiple_of_8(count * width) for count in (64, 128, 256, 512, 1024))
        few, some, many = (max(round(count * depth), 1) for count in (3, 6, 9))
        self.name, self.num_classes = name, num_classes
        self.class_names: tuple[str, ...] = ()      # as the weights file tells them
        up, join = nn.Upsample(scale_factor=2, mode="nearest"), nn.Identity()
        self.model = nn.ModuleList([
            ConvUnit(3, c1, 6, 2),                                                  # 0: stride 2
            ConvUnit(c1, c2, 3, 2), CrossStage(c2, c2, few, True),                  # 1, 2: 4
            ConvUnit(c2, c3, 3, 2), CrossStage(c3, c3, some, True),                 # 3, 4: 8
            ConvUnit(c3, c4, 3, 2), CrossStage(c4, c4, many, True),                 # 5, 6: 16
            ConvUnit(c4, c5, 3, 2), CrossStage(c5, c5, few, True),                  # 7, 8: 32
            PyramidPool(c5),                                                        # 9
            ConvUnit(c5, c4), up, join, CrossStage(2 * c4, c4, few, False),         # 10-13
            ConvUnit(c4, c3), up, join, CrossStage(2 * c3, c3, few, False),         # 14 on
            ConvUnit(c3, c3, 3, 2), join, CrossStage(2 * c3, c4, few, False),       # 18-20
            ConvUnit(c4, c4, 3, 2), join, CrossStage(2 * c4, c5, few, False),       # 21-23
            Detect((c3, c4, c5), num_classes)])                                     # 24

    @property
    def detect(self) -> Detect:
        """The last layers."""
        return cast(Detect, self.model[-1])

    def features(self, images: torch.Tensor) -> list[torch.Tensor]:
        """(B, 3, H, W) -> maps of strides 8, 16 and 32."""
        layers = self.model
        level3 = _through(layers[:5], images)
        level4 = _through(layers[5:7], level3)
        side5 = _through(layers[7:11], level4)
        side4 = _through(layers[12:15], torch.cat((layers[11](side5), level4), 1))
        out3 = _through(layers[16:18], torch.cat((layers[15](side4), level3), 1))
        out4 = _through(layers[19:21], torch.cat((layers[18](out3), side4), 1))
        out5 = _through(layers[22:24], torch.cat((layers[21](out4), side5), 1))
        return [out3, out4, out5]

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """(B, 3, H, W) RGB in 0..1, sides multiples of 32 -> (B, N, 5 + classes) float32.

        A row is centre x, y, width, height in input pixels, the probability of an object, and
        those of the classes given one. Rows go by level (stride 8 first), anchor, y, x.
        """
        predictions = []
        for level, features in enumerate(self.features(images)):
            raw = self.detect.m[level](features.float())
            predictions.append(decode(raw, self.detect.anchors[level], STRIDES[level]))
        return torch.cat(predictions, 1)


def _through(layers: Iterable[nn.Module], x: torch.Tensor) -> torch.Tensor:
    for layer in layers:
        x = layer(x)
    return x


def decode(raw: torch.Tensor, anchors: torch.Tensor, stride: int) -> torch.Tensor:
    """Output of a level (B, 3 * (5 + classes), h, w) -> (B, 3 * h * w, 5 + classes) as forward.

    A box may lie up to half a place beside its own, and be up to four times its anchor.
    """
    height, width = raw.shape[2:]
    share = raw.unflatten(1, (len(anchors), -1)).movedim(2, -1).sigmoid()   # (B, 3, h, w, 5 + C)
    y, x = torch.meshgrid(torch.arange(height, device=raw.device),
                          torch.arange(width, device=raw.device), indexing="ij")
    center = (share[..., :2] * 2 + torch.stack((x, y), -1) - 0.5) * stride
    size = (share[..., 2:4] * 2) ** 2 * (anchors * stride)[:, None, None]
    return torch.cat((center, size, share[..., 4:]), -1).flatten(1, 3)


def multiple_of_8(channels: float) -> int:
    return 8 * math.ceil(channels / 8)


def fuse(net: YOLOv5) -> YOLOv5:
    """Compute every norm within its convolution from now on: the same numbers, faster."""
    for unit in net.modules():
        if isinstance(unit, ConvUnit) and isinstance(unit.bn, nn.BatchNorm2d):
            unit.conv, unit.bn = fuse_conv_bn_eval(unit.conv, unit.bn), nn.Identity()
    return net


def set_precision(net: YOLOv5, dtype: torch.dtype) -> YOLOv5:
    """Compute in `dtype`, but the outputs in float32: fp16 and bf16 are too coarse for pixels."""
    net.to(dtype)
    net.detect.float()
    return net
