"""Batch norm whose statistics are those of the whole batch, over all processes."""
import torch
import torch.distributed as dist
from torch import Tensor, nn


def synchronise_batch_norm(net: nn.Module, device: torch.device) -> nn.Module:
    """`net` with every batch norm replaced; weights, statistics and names stay the same."""
    if device.type == "cuda":
        return nn.SyncBatchNorm.convert_sync_batchnorm(net)
    for parent in list(net.modules()):
        for name, layer in parent.named_children():
            if type(layer) is nn.BatchNorm2d:
                setattr(parent, name, _on_cpu(layer))
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
        values, dims = x.float(), (0, 2, 3)
        mean = _MeanOfAll.apply(values.mean(dims, keepdim=True))
        centred = values - mean
        variance = _MeanOfAll.apply(centred.square().mean(dims, keepdim=True))
        with torch.no_grad():
            count = x.numel() // x.shape[1] * dist.get_world_size()
            unbiased = variance * (count / max(count - 1, 1))
            self.running_mean.lerp_(mean.flatten(), self.momentum)
            self.running_var.lerp_(unbiased.flatten(), self.momentum)
            self.num_batches_tracked.add_(1)
        scale = self.weight.view(1, -1, 1, 1) * torch.rsqrt(variance + self.eps)
        return (centred * scale + self.bias.view(1, -1, 1, 1)).to(x.dtype)


class _MeanOfAll(torch.autograd.Function):
    """The mean over all processes; so is its gradient, as each process has its own loss."""

    @staticmethod
    def forward(_context, values: Tensor) -> Tensor:
        total = values.clone()
        dist.all_reduce(total)
        return total / dist.get_world_size()

    @staticmethod
    def backward(_context, gradient: Tensor) -> Tensor:
        return _MeanOfAll.apply(gradient)


def _on_cpu(layer: nn.BatchNorm2d) -> CpuSyncBatchNorm:
    assert layer.affine and layer.track_running_stats and layer.momentum is not None
    synced = CpuSyncBatchNorm(layer.num_features, layer.eps, layer.momentum)
    synced.weight, synced.bias = layer.weight, layer.bias
    synced.load_state_dict(layer.state_dict())
    return synced.train(layer.training)
