"""CompiledNetwork: a network compiled for batches of any size."""
from collections.abc import Callable

import torch
from torch import Tensor, nn


class CompiledNetwork(nn.Module):
    """The same outputs, by torch.compile, but for the last bits; when it first runs, which takes
    seconds to minutes, it is compiled.

    Batch norm and weights are constants of the code, so the network must not change afterwards.
    """

    def __init__(self, network: nn.Module):
        super().__init__()
        # not registered, since its weights are no longer those that count
        self.compiled: Callable[[Tensor], Tensor] = torch.compile(
            network.eval(), options={"freezing": True})

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) -> as the network."""
        if len(images) == 1:    # a size that torch would compile anew
            return self.compiled(torch.cat([images, images]))[:1]
        torch._dynamo.mark_dynamic(images, 0)
        return self.compiled(images)
