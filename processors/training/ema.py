"""Exponential moving average of a network's weights."""
import copy

import torch
from torch import nn

EVERY_STEP_UNTIL = 64   # the average is updated on every step until this one
UPDATE_INTERVAL = 8     # later, one update (decay ** 8) per 8 steps: it goes through all weights


class ModelEma:
    """`net` follows the trained network: average = d * average + (1 - d) * weights.

    The decay d of a step warms up as (1 + step) / (10 + step) to its final value, so that the
    average leaves the random start behind. Batch-norm statistics are averaged like weights,
    since they belong to them; counters are copied.
    """

    def __init__(self, net: nn.Module, decay: float):
        """net: the trained network, on its device and in its form, changed in place from now on."""
        self.net = copy.deepcopy(net).eval().requires_grad_(False)
        self.decay = decay
        # found once: to look for them takes as long as to average them
        pairs = list(zip(self.net.state_dict().values(), net.state_dict().values(), strict=True))
        self.averages = [average for average, _ in pairs if average.is_floating_point()]
        self.weights = [weight for _, weight in pairs if weight.is_floating_point()]
        self.counters = [pair for pair in pairs if not pair[0].is_floating_point()]

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Call once after each optimizer step; `step` is the number of steps before it."""
        steps = 1 if step < EVERY_STEP_UNTIL else UPDATE_INTERVAL
        if (step + 1) % steps:      # all of them are done only then
            return
        decay = min(self.decay, (1 + step) / (10 + step)) ** steps
        torch._foreach_lerp_(self.averages, self.weights, 1 - decay)
        for counter, source in self.counters:
            counter.copy_(source)
