"""CompiledNetwork: a network compiled for batches of any size."""
from collections.abc import Callable

import torch
from torch import Tensor, nn


class CompiledNetwork(nn.Module):
    """The same outputs, by torch.compile, but for the last bits.

    It is compiled when it first runs, which takes seconds to minutes, once for up to 15 people and
    once for more, as PyTorch computes convolutions in another way from 16 on. Batch norm and
    weights are constants of the code, so the network must not change afterwards.
    """

    def __init__(self, network: nn.Module):
        super().__init__()
        # not registered, since its weights are no longer those that count
        self.compiled: Callable[[Tensor], Tensor] = torch.compile(
            network.eval(), options={"freezing": True})

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) -> as the network."""
        pair = images if len(images) > 1 else torch.cat([images, images])   # 1 would be a third
        torch._dynamo.mark_dynamic(pair, 0)
        return self.compiled(pair)[:len(images)]
