"""Vision transformer backbones of ViTPose: patches, blocks of attention, no class token.

Xu et al. 2022, "ViTPose: Simple Vision Transformer Baselines for Human Pose Estimation". Members
carry the official names, so published weights fit as they are.
"""
from collections import OrderedDict

import torch
from torch import nn
from torch.nn.functional import interpolate, scaled_dot_product_attention
from torchvision.ops import StochasticDepth

from configs.schema import ModelConfig
from nets.pose.heads import bilinear_head, dconv_head
from nets.pose.pose_net import PoseNet

VITS = {    # channels, blocks, heads of the attention; timm's and DeiT's small one has 6 heads
    "s": (384, 12, 12),
    "b": (768, 12, 12),
    "l": (1024, 24, 16),
    "h": (1280, 32, 16),
}
PATCH = 16          # pixels of a side
PADDING = 2         # pixels around the image: a grid of 16x12 either way, but other patches


def pose_vit(config: ModelConfig, input_size: tuple[int, int]) -> PoseNet:
    """ViTPose with its classic or its simple head. input_size: (width, height) in pixels, which
    the position embedding is made for."""
    channels, blocks, heads = VITS[config.name]
    width, height = input_size
    backbone = ViTBackbone(channels, blocks, heads, (height // PATCH, width // PATCH),
                           config.drop_path)
    if config.head == "simple":
        return PoseNet(backbone, bilinear_head(channels, config.num_joints, upsampling=4))
    return PoseNet(backbone, dconv_head(channels, config.num_joints, layers=2))


class Attention(nn.Module):
    """Every token looks at all others, in several heads."""

    def __init__(self, channels: int, heads: int):
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(channels, 3 * channels)
        self.proj = nn.Linear(channels, channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, N, C) -> (B, N, C)."""
        query, key, value = self.qkv(x).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        found = scaled_dot_product_attention(query, key, value)
        return self.proj(found.transpose(1, 2).flatten(2))


class Block(nn.Module):
    """Attention and two linear layers, each on normed values and added to its input.

    `drop_path`: probability with which a person of the batch goes past either (Huang et al. 2016,
    "Deep Networks with Stochastic Depth"); in training only.
    """

    def __init__(self, channels: int, heads: int, drop_path: float):
        super().__init__()
        self.norm1 = nn.LayerNorm(channels, eps=1e-6)
        self.attn = Attention(channels, heads)
        self.norm2 = nn.LayerNorm(channels, eps=1e-6)
        self.mlp = nn.Sequential(OrderedDict(
            fc1=nn.Linear(channels, 4 * channels), gelu=nn.GELU(),
            fc2=nn.Linear(4 * channels, channels)))
        self.drop_path = StochasticDepth(drop_path, "row") if drop_path else nn.Identity()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, N, C) -> (B, N, C)."""
        x = x + self.drop_path(self.attn(self.norm1(x)))
        return x + self.drop_path(self.mlp(self.norm2(x)))


class ViTBackbone(nn.Module):
    """Images (B, 3, H, W) -> features (B, out_channels, H/16, W/16); H and W multiples of 16.

    grid: (rows, columns) of patches that the position embedding is for; for images of another
    size it is resized. drop_path: of the last block, rising evenly from 0 in the first.
    """
    stride = PATCH

    def __init__(self, channels: int, blocks: int, heads: int, grid: tuple[int, int],
                 drop_path: float = 0.0):
        super().__init__()
        self.out_channels, self.grid = channels, grid
        # the first row, left by the class token of the weights it starts from, is added to all
        self.pos_embed = nn.Parameter(torch.empty(1, 1 + grid[0] * grid[1], channels))
        self.patch_embed = nn.Sequential(OrderedDict(
            proj=nn.Conv2d(3, channels, PATCH, stride=PATCH, padding=PADDING)))
        self.blocks = nn.Sequential(*(Block(channels, heads, drop_path * i / max(1, blocks - 1))
                                      for i in range(blocks)))
        self.last_norm = nn.LayerNorm(channels, eps=1e-6)
        nn.init.trunc_normal_(self.pos_embed, std=0.02)
        for layer in self.modules():
            if isinstance(layer, nn.Linear):
                nn.init.trunc_normal_(layer.weight, std=0.02)
                nn.init.zeros_(layer.bias)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        patches = self.patch_embed(images)
        rows, columns = patches.shape[2:]
        places: torch.Tensor = self.pos_embed
        if (rows, columns) != self.grid:
            places = resized_positions(places, self.grid, (rows, columns))
        # summed first, as a form of others stores them: the same to the last bit from its file
        x = patches.flatten(2).transpose(1, 2) + (places[:, 1:] + places[:, :1])
        x = self.last_norm(self.blocks(x))
        return x.transpose(1, 2).unflatten(2, (rows, columns))


def resized_positions(places: torch.Tensor, old: tuple[int, int], new: tuple[int, int],
                      ) -> torch.Tensor:
    """A position embedding (1, tokens + rows * columns, C) for another grid; bicubic, as the field
    does it. The tokens before the patches, one or any number, keep their rows."""
    tokens = places.shape[1] - old[0] * old[1]
    grid = places[:, tokens:].transpose(1, 2).unflatten(2, old).float()
    grid = interpolate(grid, size=new, mode="bicubic", align_corners=False)
    return torch.cat([places[:, :tokens], grid.flatten(2).transpose(1, 2).to(places.dtype)], dim=1)
