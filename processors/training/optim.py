"""Optimizers by name, built from the raw network, and what a checkpoint keeps of them."""
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from configs.schema import OptimConfig
from processors.training.rates import parameter_groups
from utils.errors import UserError
from utils.log import log


def build_optimizer(net: nn.Module, optim: OptimConfig) -> torch.optim.Optimizer:
    """For all parameters of `net`, in the groups of rates.py."""
    return OPTIMIZERS[optim.optimizer](parameter_groups(net, optim), optim.lr)


# fused: one kernel for all parameters; torch has it for the CPU and for CUDA
OPTIMIZERS = {
    "adam": lambda groups, lr: torch.optim.Adam(groups, lr=lr, fused=True),
    "adamw": lambda groups, lr: torch.optim.AdamW(groups, lr=lr, fused=True),
    "sgd": lambda groups, lr: torch.optim.SGD(groups, lr=lr, momentum=0.9, fused=True),
}


def load_optimizer_state(optimizer: torch.optim.Optimizer, stored: Mapping[str, Any], where: str,
                         unmoved: Iterable[nn.Parameter] = ()) -> None:
    """Continue with the averages of `optimizer.state_dict()`; the settings stay those of today.
    unmoved: parameters that have stood still until now and so have no averages.

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
    rested = set(map(id, unmoved))
    missing = sum(number not in checked and id(parameter) not in rested
                  for number, parameter in enumerate(parameters))
    if checked and missing:
        log.warning("%s has no averages of %d of %d parameters, which begin with none: right only "
                    "for what has stood still until now, or what no gradient reaches", where,
                    missing, len(parameters))
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
