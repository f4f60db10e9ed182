"""Which parameter learns at which rate, and when: a pure function of the step and of its name.

Nothing of it is state, so there is nothing to save or to forget.
"""
import math
import re
from typing import Any

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from configs.schema import Config, OptimConfig
from utils.errors import UserError
from utils.log import log

# layer1 of a ResNet, stage2 of HRNet, blocks.0 of a ViT; timm has these and stages_0, s1, level2,
# in a list of features or a model within, and features_denseblock1
STAGE = re.compile(r"backbone\.((?:(?:features|model|body)[._])*"
                   r"(?:(?:dense)?block|feature|layer|level|stage)?s?[._]?\d+)[._]")


def learning_rate(step: int, steps_per_epoch: int, optim: OptimConfig) -> float:
    """Rate of the step with 0-based number `step`.

    Warm-up rises linearly and reaches `optim.lr` at its last step. Then either the official
    steps (the rate falls from the first step of 0-based epoch m on, for each milestone m) or
    half a cosine that ends at 0 behind the last epoch (Loshchilov and Hutter 2017), or, as in
    RTMPose, one that begins at half of the epochs and ends at a twentieth.
    """
    warmup = optim.warmup_epochs * steps_per_epoch
    if step < warmup:
        return optim.lr * min(1.0, (step + 1) / warmup)
    if optim.schedule == "cosine":
        share = (step - warmup) / max(1.0, optim.epochs * steps_per_epoch - warmup)
        return optim.lr * 0.5 * (1 + math.cos(math.pi * min(1.0, share)))
    if optim.schedule == "flat_cosine":
        share = max(0.0, 2 * step / max(1, optim.epochs * steps_per_epoch) - 1)
        return optim.lr * (0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * min(1.0, share))))
    passed = sum(step >= milestone * steps_per_epoch for milestone in optim.milestones)
    return optim.lr * optim.gamma ** passed


def set_learning_rate(optimizer: torch.optim.Optimizer, lr: float) -> None:
    """The rate of the head; groups of the backbone have their parts of it."""
    for group in optimizer.param_groups:
        group["lr"] = lr * group.get("factor", 1.0)     # old checkpoints do not know factors


def parameter_groups(net: nn.Module, optim: OptimConfig) -> list[dict[str, Any]]:
    """Two groups: weights of layers with decay; norms, biases, other vectors and position
    embeddings without. Where parts of the backbone have another rate, two for each `factor` of the
    head's. Raises UserError for `layer_decay` of a backbone without stages."""
    norms = {id(p) for module in net.modules() if isinstance(module, (_BatchNorm, nn.LayerNorm))
             for p in module.parameters()}
    factors = rate_factors([name for name, _ in net.named_parameters()], optim)
    found: dict[tuple[float, bool], list[nn.Parameter]] = {}
    for name, parameter in net.named_parameters():
        exempt = (id(parameter) in norms or parameter.ndim <= 1
                  or name.rpartition(".")[2] in ("bias", "pos_embed"))
        found.setdefault((factors.get(name, 1.0), exempt), []).append(parameter)
    return [{"params": found.get((factor, exempt), []), "factor": factor,
             "weight_decay": 0.0 if exempt else optim.weight_decay}
            for factor in sorted({1.0, *(factor for factor, _ in found)}, reverse=True)
            for exempt in (False, True)]


def rate_factors(names: list[str], optim: OptimConfig) -> dict[str, float]:
    """Factors of the learning rate of parameters, by their names; 1 for those not in it.

    `backbone_lr` is that of the whole backbone. With `layer_decay` the last stage learns at so much
    of the rate, and each before it at so much of that of the next one: Bao et al. 2021, "BEiT",
    with the levels of ViTPose.
    """
    if optim.layer_decay != 1:
        levels = backbone_levels(names)
        if not levels:
            raise UserError(f"optim.layer_decay is {optim.layer_decay:g}, but this network's "
                            f"backbone has no numbered stages to tell which of its layers come "
                            f"first; set it to 1, and optim.backbone_lr to what all of it shall "
                            f"learn at")
        return {name: optim.layer_decay ** (max(levels.values()) + 1 - level)
                for name, level in levels.items()}
    return {name: optim.backbone_lr for name in names if name.startswith("backbone.")}


def backbone_levels(names: list[str]) -> dict[str, int]:
    """Level of each parameter from the images on, by the numbered stages of the backbone. names: in
    the order in which the network holds them.

    0 is what comes before the first stage; what comes between two belongs to the second, as HRNet's
    transitions do; and what comes behind the last one, such as a ViT's last norm, has no level and
    learns as the head. Empty where there are no stages.
    """
    levels: dict[str, int] = {}
    stages: dict[str, int] = {}
    before: list[str] = []
    for name in names:
        before.append(name)
        if found := STAGE.match(name):
            level = stages.setdefault(found[1], len(stages) + 1)
            levels |= dict.fromkeys(before, level if levels else 0) | {name: level}
            before = []
    return levels


def first_stages(net: nn.Module, count: int) -> tuple[list[nn.Module], list[nn.Parameter]]:
    """The modules of the first `count` stages of the backbone, with what comes before them, and
    their parameters. Raises UserError where the backbone has not so many numbered stages."""
    if not count:
        return [], []
    levels = backbone_levels([name for name, _ in net.named_parameters()])
    stages = max(levels.values(), default=0)
    if count > stages:
        raise UserError(f"optim.freeze_stages is {count}, but this network's backbone has {stages} "
                        f"numbered stages; write at most that")
    still = {name for name, level in levels.items() if level <= count}
    modules = [module for prefix, module in net.named_modules()
               if (names := [f"{prefix}.{name}" for name, _ in module.named_parameters()])
               and still.issuperset(names)]
    return modules, [p for name, p in net.named_parameters() if name in still]


class Freeze:
    """The backbone in the first epochs of a run, `freeze_epochs` of them, and its first stages in
    all of it: their weights get no gradients, so that no optimizer touches them, and they are in
    evaluation mode. So statistics of batch norms stand still, too, and nothing is dropped: the head
    learns on the features that it is judged on."""

    def __init__(self, net: nn.Module, optim: OptimConfig):
        self.net, self.epochs = net, optim.freeze_epochs
        self.frozen: bool | None = None
        self.stages, self.always = first_stages(net, optim.freeze_stages)
        for parameter in self.always:
            parameter.requires_grad_(False)
        # timm has position embeddings that never learn
        self.parameters = ([p for p in net.get_submodule("backbone").parameters()
                            if p.requires_grad] if self.epochs else [])

    def start_epoch(self, epoch: int) -> bool:
        """Training mode for all that learns. Returns whether what learns has changed."""
        frozen = epoch < self.epochs
        self.net.train()
        if frozen:
            self.net.get_submodule("backbone").eval()
        for module in self.stages:
            module.eval()
        if frozen == self.frozen:
            return False
        for parameter in self.parameters:
            parameter.requires_grad_(not frozen)
        if self.frozen:
            log.info("epoch %d: the backbone has stood still and learns from now on", epoch + 1)
        self.frozen = frozen
        return True


def log_rates(optimizer: torch.optim.Optimizer, config: Config, epoch: int, begins: bool,
              ) -> None:
    """Say what the backbone does otherwise than the head; warn where it stands still with random
    weights. epoch: so many are finished. begins: no checkpoint brings others."""
    if words := rates_in_words(optimizer, config.optim, epoch):
        log.info("%s", words)
    for key in ("freeze_epochs", "freeze_stages"):
        if getattr(config.optim, key) and not config.model.pretrained and begins:
            log.warning("optim.%s: the backbone stands still with random weights, as "
                        "model.pretrained is false; name weights, or set it to 0", key)


def rates_in_words(optimizer: torch.optim.Optimizer, optim: OptimConfig, epoch: int = 0) -> str:
    """What the backbone does otherwise than the head; empty if nothing. epoch: so many are
    finished."""
    factors = sorted({group["factor"] for group in optimizer.param_groups} - {1.0})
    words = []
    if optim.freeze_epochs > epoch:
        words.append(f"stands still to the end of epoch {optim.freeze_epochs}, its batch norms too")
    if optim.freeze_stages:
        words.append(f"stands still in its first {optim.freeze_stages} stages to the end")
    if len(factors) > 1:
        words.append(f"learns at {factors[0]:.3g} (first layers) to {factors[-1]:.3g} (last stage) "
                     f"of lr, on {len(factors)} levels")
    elif factors:
        words.append(f"learns at {factors[0]:.3g} of lr")
    return f"the backbone {', and '.join(words)}" if words else ""
