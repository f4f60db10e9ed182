"""Exponential moving average of a network's weights."""
import copy

import torch
from torch import nn

YOUNG = 100     # steps in which the average follows each step
EVERY = 4       # later it follows every so many at once, for a quarter of the time


class AveragedNet:
    """`net` follows the trained network: average = d * average + (1 - d) * weights.

    The decay d of a step warms up as (1 + step) / (10 + step) to its final value, so that the
    average leaves the random start behind. Batch-norm statistics are averaged like weights,
    since they belong to them; counters are copied.
    """

    def __init__(self, net: nn.Module, decay: float):
        self.net = copy.deepcopy(net).eval().requires_grad_(False)
        self.decay = decay

    @torch.no_grad()
    def update(self, net: nn.Module, step: int) -> None:
        """Call once after each optimizer step; `step` is the number of steps before it."""
        steps = 1 if step < YOUNG else EVERY
        if step % steps:
            return
        decay = min(self.decay, (1 + step) / (10 + step)) ** steps
        averages, values = [], []
        sources = net.state_dict()
        for name, average in self.net.state_dict().items():
            if average.is_floating_point():
                averages.append(average)
                values.append(sources[name])
            else:
                average.copy_(sources[name])
        torch._foreach_lerp_(averages, values, 1 - decay)
