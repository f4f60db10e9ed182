"""Learning rate as a pure function of the step: no state, so nothing to save or to forget."""
import math

from configs.schema import OptimConfig


def learning_rate(step: int, steps_per_epoch: int, optim: OptimConfig) -> float:
    """Rate of the step with 0-based number `step`.

    Warm-up rises linearly and reaches `optim.lr` at its last step. Then either the official
    steps (the rate falls from the first step of 0-based epoch m on, for each milestone m) or
    half a cosine that ends at 0 behind the last epoch (Loshchilov and Hutter 2017).
    """
    warmup = optim.warmup_epochs * steps_per_epoch
    if step < warmup:
        return optim.lr * min(1.0, (step + 1) / warmup)
    if optim.schedule == "cosine":
        share = (step - warmup) / max(1.0, optim.epochs * steps_per_epoch - warmup)
        return optim.lr * 0.5 * (1 + math.cos(math.pi * min(1.0, share)))
    passed = sum(step >= milestone * steps_per_epoch for milestone in optim.milestones)
    return optim.lr * optim.gamma ** passed
