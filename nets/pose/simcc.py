"""Heads of SimCC and RTMPose: from the features of a backbone to two vectors for each joint.

They begin as a head of heatmaps does, with `upsample` and `output`, the one layer that depends on
the number of joints; the map of each joint is then read as one long row of numbers. As that has a
length, they are built for one input size.
"""
from collections import OrderedDict
from collections.abc import Callable

import torch
from torch import nn
from torch.nn.functional import relu, silu

from nets.pose.heads import Head
from utils.errors import UserError

HIDDEN = 256            # numbers of a joint in RTMPose's head
ATTENTION = 128         # of them in its queries and keys


class SimCCHead(nn.Module):
    """Features -> maps -> a row for each joint -> its x and y: Li et al. 2022, "SimCC".

    maps: a head of heatmaps, whose layers are taken over. map_size: (width, height) of its maps.
    tokens: from the rows (B, K, width * height) to what x and y make their bins of.
    """

    def __init__(self, maps: Head, map_size: tuple[int, int], tokens: nn.Module, x: nn.Linear,
                 y: nn.Linear):
        super().__init__()
        self.upsample, self.output, self.upsampling = maps.upsample, maps.output, maps.upsampling
        self.map_size, self.tokens, self.x, self.y = map_size, tokens, x, y
        for layer in (*tokens.modules(), x, y):
            if isinstance(layer, nn.Linear):
                nn.init.normal_(layer.weight, std=0.01)
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """(B, C, h, w) -> (B, K, bins of x + bins of y)."""
        maps = self.output(self.upsample(features))
        if maps.shape[:1:-1] != self.map_size:
            width, height = self.map_size
            raise UserError(f"the head is built for maps of {width}x{height}, and these images "
                            f"give {maps.shape[3]}x{maps.shape[2]} (width x height): give images "
                            f"of the codec.input_size that the network is for")
        tokens = self.tokens(maps.flatten(2))
        return torch.cat([self.x(tokens), self.y(tokens)], dim=-1)


def simcc_head(maps: Head, map_size: tuple[int, int], bins: tuple[int, int]) -> SimCCHead:
    """A linear layer for each axis on the whole map: SimCC's own head on any head of heatmaps."""
    x, y = (nn.Linear(map_size[0] * map_size[1], count) for count in bins)
    return SimCCHead(maps, map_size, nn.Identity(), x, y)


def rtmcc_head(maps: Head, map_size: tuple[int, int], bins: tuple[int, int]) -> SimCCHead:
    """The joints look at each other first: Jiang et al. 2023, "RTMPose"."""
    length = map_size[0] * map_size[1]
    tokens = nn.Sequential(OrderedDict(norm=ScaleNorm(length),
                                       linear=nn.Linear(length, HIDDEN, bias=False),
                                       gau=GatedAttention(HIDDEN, ATTENTION)))
    x, y = (nn.Linear(HIDDEN, count, bias=False) for count in bins)
    return SimCCHead(maps, map_size, tokens, x, y)


class ScaleNorm(nn.Module):
    """Each row is divided by the root of its mean square and multiplied by one learned number:
    Nguyen and Salazar 2019, "Transformers without Tears"."""

    def __init__(self, length: int):
        super().__init__()
        self.scale = length ** -0.5
        self.g = nn.Parameter(torch.ones(1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        norm = torch.linalg.vector_norm(x, dim=-1, keepdim=True) * self.scale
        return x / norm.clamp(min=1e-5) * self.g


class GatedAttention(nn.Module):
    """A gated attention unit over the joints, added to its scaled input: Hua et al. 2022,
    "Transformer Quality in Linear Time", with squared ReLUs in place of a softmax."""

    def __init__(self, channels: int, attention: int, expansion: int = 2):
        super().__init__()
        inner = expansion * channels
        self.parts = (inner, inner, attention)
        self.ln = ScaleNorm(channels)
        self.uv = nn.Linear(channels, sum(self.parts), bias=False)
        self.gamma = nn.Parameter(torch.rand(2, attention))     # of queries and keys
        self.beta = nn.Parameter(torch.rand(2, attention))
        self.o = nn.Linear(inner, channels, bias=False)
        self.res_scale = nn.Parameter(torch.ones(channels))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, K, channels) -> the same."""
        gate, value, base = silu(self.uv(self.ln(x))).split(self.parts, dim=-1)
        query, key = (base[:, :, None] * self.gamma + self.beta).unbind(dim=2)
        found = relu(query @ key.mT / self.parts[2] ** 0.5).square()
        return x * self.res_scale + self.o(gate * (found @ value))


HEADS: dict[str, Callable[[Head, tuple[int, int], tuple[int, int]], SimCCHead]] = {
    "simcc": simcc_head, "rtmcc": rtmcc_head}       # by model.head
