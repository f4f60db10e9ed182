"""Optimizers by name, built from the raw network."""
import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from configs.schema import OptimConfig


def build_optimizer(net: nn.Module, optim: OptimConfig) -> torch.optim.Optimizer:
    """Two groups: weights of layers with decay; norms and biases without."""
    norms = {id(p) for module in net.modules() if isinstance(module, (_BatchNorm, nn.LayerNorm))
             for p in module.parameters()}
    decayed: list[nn.Parameter] = []
    plain: list[nn.Parameter] = []
    for name, parameter in net.named_parameters():
        exempt = id(parameter) in norms or name.rpartition(".")[2] == "bias"
        (plain if exempt else decayed).append(parameter)
    groups = [{"params": decayed, "weight_decay": optim.weight_decay},
              {"params": plain, "weight_decay": 0.0}]
    return OPTIMIZERS[optim.optimizer](groups, optim.lr)


# fused: one kernel for all parameters; torch has it for the CPU and for CUDA
OPTIMIZERS = {
    "adam": lambda groups, lr: torch.optim.Adam(groups, lr=lr, fused=True),
    "adamw": lambda groups, lr: torch.optim.AdamW(groups, lr=lr, fused=True),
    "sgd": lambda groups, lr: torch.optim.SGD(groups, lr=lr, momentum=0.9, fused=True),
}
