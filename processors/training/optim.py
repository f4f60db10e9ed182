"""Optimizers by name, built from the raw network."""
import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from configs.schema import OptimConfig
from utils.errors import UserError


def build_optimizer(net: nn.Module, optim: OptimConfig) -> torch.optim.Optimizer:
    """Two groups: weights of layers with decay; norms, biases, other vectors and position
    embeddings without. With `optim.layer_decay` two for each level of the trunk, whose learning
    rates are `factor` times that of the head. Raises ValueError for a trunk without levels."""
    norms = {id(p) for module in net.modules() if isinstance(module, (_BatchNorm, nn.LayerNorm))
             for p in module.parameters()}
    factors = layer_factors(net, optim.layer_decay) if optim.layer_decay != 1 else {}
    decayed: dict[float, list[nn.Parameter]] = {}
    plain: dict[float, list[nn.Parameter]] = {}
    for name, parameter in net.named_parameters():
        exempt = (id(parameter) in norms or parameter.ndim <= 1
                  or name.rpartition(".")[2] in ("bias", "pos_embed"))
        (plain if exempt else decayed).setdefault(factors.get(name, 1.0), []).append(parameter)
    groups = [{"params": part.get(factor, []), "weight_decay": decay, "factor": factor}
              for factor in sorted({1.0, *decayed, *plain}, reverse=True)
              for part, decay in ((decayed, optim.weight_decay), (plain, 0.0))]
    return OPTIMIZERS[optim.optimizer](groups, optim.lr)


def layer_factors(net: nn.Module, rate: float) -> dict[str, float]:
    """Factor of the learning rate of each parameter in the trunk, by its name: 1 at the end of the
    trunk, as for the head, and `rate` times less from layer to layer towards the images. Bao et
    al. 2021, "BEiT"; the levels are those of ViTPose."""
    layers = getattr(net.get_submodule("backbone"), "layers_in_order", None)
    if layers is None:
        raise UserError(f"optim.layer_decay is {rate:g}, but this network's trunk does not say "
                        f"which of its layers come first; set it to 1")
    beginnings = [tuple(f"backbone.{name}" for name in names) for names in layers()]
    return {name: rate ** (len(beginnings) - level)
            for name, _ in net.named_parameters()
            for level, start in enumerate(beginnings) if name.startswith(start)}


def set_learning_rate(optimizer: torch.optim.Optimizer, lr: float) -> None:
    """The rate of the head; groups of layers before it have theirs."""
    for group in optimizer.param_groups:
        group["lr"] = lr * group.get("factor", 1.0)     # old checkpoints do not know factors


# fused: one kernel for all parameters; torch has it for the CPU and for CUDA
OPTIMIZERS = {
    "adam": lambda groups, lr: torch.optim.Adam(groups, lr=lr, fused=True),
    "adamw": lambda groups, lr: torch.optim.AdamW(groups, lr=lr, fused=True),
    "sgd": lambda groups, lr: torch.optim.SGD(groups, lr=lr, momentum=0.9, fused=True),
}
