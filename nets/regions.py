"""Regions: the repeated blocks of a network compiled each by itself, in place of one whole graph.

A network of a hundred blocks has only a few kinds of them. torch.compile takes weights for inputs,
so all blocks of one class and shape share one compiled code, and what lies between them runs as it
is: regional compilation, as in the tutorials of PyTorch.
"""
from collections.abc import Iterator
from typing import Any

import torch
from torch import nn
from torch.nn.functional import relu_
from torchvision.models.resnet import BasicBlock, Bottleneck

from nets.pose import cspnext, hrnet, vit
from utils.errors import UserError

BLOCKS = hrnet.Branch, BasicBlock, Bottleneck, vit.Block, cspnext.Bottleneck    # and their like
KEPT = 64       # forms of a class of blocks: its widths and strides, frozen or not


def compile_regions(net: nn.Module) -> str:
    """Compile the repeated blocks of a network in place; returns how many there are, in words.

    It happens when they first run with gradients. Without, as in evaluation, whose last batch is
    smaller, they run as they are. The names of weights stay, and copies are compiled, too. Raises
    UserError for a network without such blocks.
    """
    blocks = [*_outermost(net)]
    if not blocks:
        raise UserError("optim.compile is regions, but this network has no repeated blocks that "
                        "are known: write true, which compiles the whole of it, or false")
    # beyond its limit torch would quietly go on without compiling
    torch._dynamo.config.recompile_limit = max(KEPT, torch._dynamo.config.recompile_limit)
    kinds = {kind: _compiled(kind) for kind in {type(block) for block in blocks}}
    for block in blocks:
        block.__class__ = kinds[type(block)]
    return f"{len(blocks)} blocks of {', '.join(sorted(kind.__name__ for kind in kinds))}"


def _outermost(net: nn.Module) -> Iterator[nn.Module]:
    """Blocks, without those within others."""
    for module in net.children():
        if isinstance(module, BLOCKS):
            yield module
        else:
            yield from _outermost(module)


def _compiled(kind: type[nn.Module]) -> type[nn.Module]:
    """The class with a compiled `forward`. A class and no function bound to a block: a copy of the
    block would call that with the block it was copied from."""
    residual = issubclass(kind, hrnet.Branch | BasicBlock | Bottleneck)
    plain = kind.forward
    compiled = torch.compile(residual_sum if residual else plain, dynamic=False)

    def forward(self: nn.Module, x: torch.Tensor) -> torch.Tensor:
        if not torch.is_grad_enabled():
            return plain(self, x)
        found: torch.Tensor = compiled(self, x)
        return relu_(found) if residual else found

    return type(kind.__name__, (kind,), {"forward": forward})


def residual_sum(block: Any, x: torch.Tensor) -> torch.Tensor:
    """A residual block, or several, up to the last ReLU. Compiled with that, it would be kept as a
    mask for the way back, and on CPUs torch's code for the mask takes as long as convolutions."""
    if isinstance(block, hrnet.Branch):
        *blocks, last = block
        for one in blocks:
            x = one(x)
        return residual_sum(last, x)
    out = block.bn2(block.conv2(block.relu(block.bn1(block.conv1(x)))))
    if isinstance(block, Bottleneck):
        out = block.bn3(block.conv3(block.relu(out)))
    if hasattr(block, "se"):
        out = block.se(out)
    return out + (x if block.downsample is None else block.downsample(x))
