"""Batch norm whose statistics are those of the whole batch, over all processes."""
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from utils.log import log

ACTING = "BatchNormAct2d"       # timm's, which holds the activation that follows it


def synchronise_batch_norm(net: nn.Module, device: torch.device) -> nn.Module:
    """`net` with every batch norm replaced; weights, statistics and names stay the same."""
    if device.type == "cuda":
        if any(type(layer).__name__ == ACTING for layer in net.modules()):
            from timm.layers import convert_sync_batchnorm
            return convert_sync_batchnorm(net)      # torch's loses the activations
        return nn.SyncBatchNorm.convert_sync_batchnorm(net)
    for parent in list(net.modules()):
        for name, layer in parent.named_children():
            if type(layer) is nn.BatchNorm2d:
                setattr(parent, name, _on_cpu(layer, CpuSyncBatchNorm))
            elif isinstance(layer, nn.BatchNorm2d) and type(layer).__name__ == ACTING:
                setattr(parent, name, _on_cpu(layer, CpuSyncBatchNormAct))
    alone = [layer for layer in net.modules()
             if isinstance(layer, _BatchNorm) and not isinstance(layer, CpuSyncBatchNorm)]
    if alone:
        log.warning("optim.sync_bn: %d batch norms of other kinds (such as %s) keep to the persons "
                    "of their own process", len(alone), type(alone[0]).__name__)
    return net


class CpuSyncBatchNorm(nn.BatchNorm2d):
    """What nn.SyncBatchNorm does, which refuses to train on a CPU. Expects equal shares of the
    batch in all processes."""
    running_mean: Tensor            # these four are None in other batch norms (see `_on_cpu`)
    running_var: Tensor
    num_batches_tracked: Tensor
    momentum: float

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, H, W)."""
        if not (self.training and dist.is_initialized()):
            return super().forward(x)
        result, mean, variance = _NormaliseOverAll.apply(x, self.weight, self.bias, self.eps)
        count = x.numel() // x.shape[1] * dist.get_world_size()
        self.running_mean.lerp_(mean, self.momentum)
        self.running_var.lerp_(variance * (count / max(count - 1, 1)), self.momentum)
        self.num_batches_tracked.add_(1)
        return result


class CpuSyncBatchNormAct(CpuSyncBatchNorm):
    """The same with the parts of timm's: dropout and activation."""
    drop: nn.Module
    act: nn.Module

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, H, W)."""
        return self.act(self.drop(super().forward(x)))


class _NormaliseOverAll(torch.autograd.Function):
    """Batch norm with one exchange forward and one backward, as each costs a wait for the slowest
    process. What torch has kernels for goes through them, as they know both layouts of memory."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, eps: float,
                ) -> tuple[Tensor, Tensor, Tensor]:
        """Returns the result (B, C, H, W), and mean and biased variance (C,) of the whole batch."""
        zero, one = torch.zeros_like(weight), torch.ones_like(weight)   # tell it to count in float
        own = torch.stack(torch.batch_norm_update_stats(x, zero, one, 0.0))
        every = [torch.empty_like(own) for _ in range(dist.get_world_size())]
        dist.all_gather(every, own)
        means, variances = torch.stack(every, dim=1)
        mean = means.mean(0)
        variance = (variances + (means - mean).square()).mean(0)
        ctx.save_for_backward(x, weight, mean, variance)
        ctx.eps = eps
        ctx.mark_non_differentiable(mean, variance)
        return nn.functional.batch_norm(x, mean, variance, weight, bias, eps=eps), mean, variance

    @staticmethod
    def backward(ctx: Any, gradient: Tensor, *_: Any) -> tuple[Tensor | None, ...]:
        """The gradient for given statistics, less what comes back through them: the parts of it
        that are constant and that are linear in x (Ioffe and Szegedy 2015, section 3)."""
        x, weight, mean, variance = ctx.saved_tensors
        for_x, for_weight, for_bias = torch.ops.aten.native_batch_norm_backward(
            gradient, x, weight, mean, variance, None, None, False, ctx.eps, [True, True, True])
        total = torch.stack([for_weight, for_bias])
        dist.all_reduce(total)
        linear, constant = total / (x.numel() // x.shape[1] * dist.get_world_size())
        spread = torch.rsqrt(variance + ctx.eps)
        slope = weight * spread.square() * linear
        offset = weight * spread * constant - mean * slope
        through = torch.addcmul(offset.view(1, -1, 1, 1), x, slope.view(1, -1, 1, 1))
        return (for_x - through).to(x.dtype), for_weight, for_bias, None


def _on_cpu(layer: nn.BatchNorm2d, kind: type[CpuSyncBatchNorm]) -> CpuSyncBatchNorm:
    assert layer.affine and layer.track_running_stats and layer.momentum is not None
    synced = kind(layer.num_features, layer.eps, layer.momentum)
    synced.weight, synced.bias = layer.weight, layer.bias
    for name, part in layer.named_children():
        synced.add_module(name, part)
    synced.load_state_dict(layer.state_dict())
    return synced.train(layer.training)
