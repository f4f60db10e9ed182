"""PoseNet: a backbone and a head, and nothing else."""
from typing import Protocol

import torch
from torch import nn

from nets.files.load_report import LoadReport
from nets.pose.heads import Head
from nets.pose.simcc import SimCCHead
from nets.pose.softmax import SpatialSoftmax
from nets.pose.visibility import VisibilityHead
from utils.errors import UserError


class Backbone(Protocol):
    """A module from images (B, 3, H, W) to features (B, C, H/stride, W/stride)."""
    stride: int
    out_channels: int

    def __call__(self, images: torch.Tensor) -> torch.Tensor: ...


class PoseNet(nn.Module):
    """Images (B, 3, H, W), normalised, sides multiples of 32 (ViT 16) -> heatmaps (B, K, H/4, W/4),
    or with a SimCCHead vectors (B, K, bins of x + bins of y). With a VisibilityHead either is
    (B, K, numbers of a joint + 3), see `utils/codecs/visibility_codec.py`. With a SpatialSoftmax
    heatmaps are probabilities while the network learns.

    `stride`: input pixels in one pixel of the head's maps. `weights_report`: what `build_net`
    loaded, or None for a net that starts from nothing. Raises UserError for sides that are no such
    multiples, whose last pixels would be left out, or more of them found than there are.
    """

    def __init__(self, backbone: Backbone, head: Head):
        super().__init__()
        self.backbone = backbone
        self.head: Head | SimCCHead = head
        self.softmax: SpatialSoftmax | None = None
        self.visibility: VisibilityHead | None = None
        self.stride = backbone.stride // head.upsampling
        self.weights_report: LoadReport | None = None

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        features = self.backbone(images)
        rows, columns = (side * self.backbone.stride for side in features.shape[2:])
        if (rows, columns) != tuple(images.shape[2:]):
            raise UserError(f"images of {images.shape[3]}x{images.shape[2]} pixels (width x "
                            f"height) are none for this network: give sides that are multiples of "
                            f"{self.backbone.stride}")
        found: torch.Tensor = self.head(features)
        found, given = (found, found) if self.softmax is None else self.softmax(found)
        return given if self.visibility is None else self.visibility(features, found, given)
