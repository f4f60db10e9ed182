"""Optimizers by name, built from the raw network."""
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from configs.schema import OptimConfig
from utils.errors import UserError
from utils.log import log


def build_optimizer(net: nn.Module, optim: OptimConfig) -> torch.optim.Optimizer:
    """Two groups: weights of layers with decay; norms, biases, other vectors and position
    embeddings without. With `optim.layer_decay` two for each level of the backbone, whose learning
    rates are `factor` times that of the head. Raises UserError for a backbone without levels."""
    norms = {id(p) for module in net.modules() if isinstance(module, (_BatchNorm, nn.LayerNorm))
             for p in module.parameters()}
    factors = layer_factors(net, optim.layer_decay) if optim.layer_decay != 1 else {}
    found: dict[tuple[float, bool], list[nn.Parameter]] = {}
    for name, parameter in net.named_parameters():
        exempt = (id(parameter) in norms or parameter.ndim <= 1
                  or name.rpartition(".")[2] in ("bias", "pos_embed"))
        found.setdefault((factors.get(name, 1.0), exempt), []).append(parameter)
    groups = [{"params": found.get((factor, exempt), []), "factor": factor,
               "weight_decay": 0.0 if exempt else optim.weight_decay}
              for factor in sorted({1.0, *(factor for factor, _ in found)}, reverse=True)
              for exempt in (False, True)]
    return OPTIMIZERS[optim.optimizer](groups, optim.lr)


def layer_factors(net: nn.Module, rate: float) -> dict[str, float]:
    """Factor of the learning rate of each parameter in the backbone, by its name: 1 at the end of
    the backbone, as for the head, and `rate` times less from layer to layer towards the images.
    Bao et al. 2021, "BEiT"; the levels are those of ViTPose."""
    layers = getattr(net.get_submodule("backbone"), "layers_in_order", None)
    if layers is None:
        raise UserError(f"optim.layer_decay is {rate:g}, but this network's backbone does not say "
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


def load_optimizer_state(optimizer: torch.optim.Optimizer, stored: Mapping[str, Any], where: str,
                         ) -> None:
    """Continue with the averages of `optimizer.state_dict()`; the settings stay those of today.

    The fused kernels write where the state is without a look at its size or strides, so every
    tensor must be as the parameter it belongs to. Raises UserError for any other state.
    """
    ours = optimizer.state_dict()
    theirs, state = stored.get("param_groups"), stored.get("state")
    groups = [group["params"] for group in ours["param_groups"]]
    if not (isinstance(theirs, list) and isinstance(state, dict)
            and [group.get("params") if isinstance(group, dict) else None for group in theirs]
            == groups):
        raise UserError(_odd(where, "its parameters are others"))
    names = STATES[type(optimizer)]
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    checked: dict[int, dict[str, Any]] = {}
    for number, own in state.items():
        if type(number) is not int or not 0 <= number < len(parameters):
            raise UserError(_odd(where, "it has a state of no parameter"))
        if not isinstance(own, dict) or own.keys() != names:
            raise UserError(_odd(where, f"parameter {number} has not {', '.join(sorted(names))}"))
        checked[number] = {name: _checked(name, value, parameters[number],
                                          f"{where}, {name} of parameter {number}")
                           for name, value in own.items()}
    if missing := checked and len(parameters) - len(checked):
        log.warning("%s has no averages of %d of %d parameters, which begin with none: right only "
                    "for what no gradient reaches", where, missing, len(parameters))
    optimizer.load_state_dict({"state": checked, "param_groups": ours["param_groups"]})


def _checked(name: str, value: Any, parameter: Tensor, where: str) -> Tensor | None:
    if name == "momentum_buffer" and value is None:         # before the first step
        return None
    shape = torch.Size() if name == "step" else parameter.shape
    if not (isinstance(value, Tensor) and value.layout == torch.strided and not value.is_meta
            and not value.is_quantized and value.dtype in (torch.float32, parameter.dtype)
            and value.shape == shape and bool(value.isfinite().all())):
        raise UserError(_odd(where, f"not {tuple(shape)} finite numbers"))
    if name in ("step", "exp_avg_sq") and bool((value < 0).any()):
        raise UserError(_odd(where, "below zero"))
    if name == "step":
        return value.clone()
    return torch.empty_like(parameter).copy_(value)     # in the parameter's own order in memory


def _odd(where: str, reason: str) -> str:
    return (f"{where}: the optimizer's state is none of this network ({reason}); move the file "
            f"away to go on from the one before it, or start over with resume=false")


# What each keeps of a parameter
STATES: dict[type, set[str]] = {
    torch.optim.Adam: {"step", "exp_avg", "exp_avg_sq"},
    torch.optim.AdamW: {"step", "exp_avg", "exp_avg_sq"},
    torch.optim.SGD: {"momentum_buffer"},
}
