"""Parallel: how the one loop runs on one device, on several in one process (DataParallel), or
in one process per device (DistributedDataParallel)."""
import ctypes
import os
import re
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from datetime import timedelta
from typing import Any, Protocol

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.rendezvous import rendezvous

from utils.errors import UserError

TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3     # of mallopt, in glibc's malloc.h
TIMEOUT = timedelta(minutes=10)     # of an exchange: who has not come by then hangs
WAIT_FOR_PROCESS_0 = timedelta(days=7)  # while process 0 works alone, which may take what it takes


class Parallel(Protocol):
    """What the loop asks of its processes, and how one that is alone does it. `OneProcess` and
    `ManyProcesses` are such."""
    rank: int
    world_size: int
    local_size: int                         # processes on this machine
    device: torch.device                    # of this process, the first of `devices`
    devices: tuple[torch.device, ...]

    def main_process_first(self, work: Callable[[], Any]) -> Any:
        """What `work` returns; the others begin it when process 0 has done it."""
        return work()

    def wrap(self, net: nn.Module, train: bool = False) -> nn.Module:
        """`net` wrapped for the forward pass. Use `net` itself for optimizer, average and
        checkpoints."""
        return nn.DataParallel(net, list(self.devices)) if len(self.devices) > 1 else net

    def no_sync(self, model: Any) -> AbstractContextManager:
        """For a backward pass whose gradients wait for those of the next one. model: of `wrap`,
        maybe compiled."""
        return nullcontext()

    def all_reduce_mean(self, values: Tensor) -> Tensor:
        """The mean over all processes, on the device; the host does not wait for it."""
        return values

    def all_gather(self, value: Any) -> list[Any]:
        """The value of every process, in the order of their ranks."""
        return [value]

    def broadcast(self, value: Any) -> Any:
        """The value of process 0, which may be busy for long before it comes here."""
        return value

    def broadcast_buffers(self, net: nn.Module) -> None:
        """Give all processes the batch norm statistics of process 0, which are those saved."""
        return

    def close(self) -> None:
        """After the last exchange of a run that ended well."""
        return


class OneProcess(Parallel):
    """The CPU, one GPU, or several GPUs by DataParallel."""

    def __init__(self, gpus: tuple[int, ...]):
        self.rank, self.world_size, self.local_size = 0, 1, 1
        self.devices = find_devices(gpus)
        self.device = self.devices[0]
        use(self.device)        # or loaders that pin memory would use GPU 0 too


class ManyProcesses:
    """One process per device, started by torchrun or by processors/runtime/launch.py.

    The processes connect when they first exchange something. Data workers must have been forked
    by then: the threads of gloo and NCCL take locks of Python's, and a process that is forked at
    such a moment has them locked for ever.
    """

    def __init__(self, gpus: tuple[int, ...], timeout: timedelta = TIMEOUT):
        self.rank, self.world_size = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
        self.local_size = int(os.environ.get("LOCAL_WORLD_SIZE", self.world_size))
        local_rank = int(os.environ["LOCAL_RANK"])
        if gpus and local_rank >= len(gpus):
            raise UserError(f"gpus: {list(gpus)} has no device for process {local_rank} of this "
                             f"machine; start {len(gpus)} processes or name more devices")
        self.devices = find_devices(gpus[local_rank:local_rank + 1] if gpus else ())
        self.device = self.devices[0]
        use(self.device)
        if self.device.type == "cpu" and "OMP_NUM_THREADS" not in os.environ:
            torch.set_num_threads(max(1, torch.get_num_threads() // self.local_size))
        self.timeout = timeout
        self.store = _meet(timeout)
        self.turns = 0
        self.patient: Any = None        # the group of all in which to wait for process 0

    def _connect(self) -> None:
        if not dist.is_initialized():
            on_gpu = self.device.type == "cuda"
            dist.init_process_group("nccl" if on_gpu else "gloo", store=self.store,
                                    rank=self.rank, world_size=self.world_size,
                                    timeout=self.timeout, device_id=self.device if on_gpu else None)
            self.patient = dist.new_group(backend="gloo", timeout=WAIT_FOR_PROCESS_0)

    def main_process_first(self, work: Callable[[], Any]) -> Any:
        self.turns += 1
        key = f"process 0 has done work {self.turns}"
        if self.rank != 0:
            self.store.wait([key], timedelta(hours=1))
        result = work()
        if self.rank == 0:
            self.store.set(key, "done")
        return result

    def wrap(self, net: nn.Module, train: bool = False) -> nn.Module:
        if not train:
            return net
        self._connect()
        return nn.parallel.DistributedDataParallel(
            net, device_ids=[self.device] if self.device.type == "cuda" else None,
            gradient_as_bucket_view=True)

    def no_sync(self, model: Any) -> AbstractContextManager:
        return model.no_sync()

    def all_reduce_mean(self, values: Tensor) -> Tensor:
        self._connect()
        dist.all_reduce(values)
        return values / self.world_size

    def all_gather(self, value: Any) -> list[Any]:
        self._connect()
        values = [None] * self.world_size
        dist.all_gather_object(values, value)
        return values

    def broadcast(self, value: Any) -> Any:
        self._connect()
        box = [value]
        dist.broadcast_object_list(box, src=0, group=self.patient)
        return box[0]

    def broadcast_buffers(self, net: nn.Module) -> None:
        self._connect()
        for dtype in dict.fromkeys(buffer.dtype for buffer in net.buffers()):
            buffers = [buffer for buffer in net.buffers() if buffer.dtype == dtype]
            together = torch.cat([buffer.flatten() for buffer in buffers])  # or each has to wait
            dist.broadcast(together, src=0)
            parts = together.split([buffer.numel() for buffer in buffers])
            for buffer, part in zip(buffers, parts, strict=True):
                buffer.copy_(part.view_as(buffer))

    def close(self) -> None:
        if dist.is_initialized():
            dist.destroy_process_group()


def _meet(timeout: timedelta) -> Any:
    """The store at MASTER_ADDR and MASTER_PORT, by which processes find each other."""
    try:
        return next(rendezvous("env://", timeout=timeout))[0]
    except dist.DistNetworkError as error:
        if not re.search("EADDRINUSE|already in use", str(error)):
            raise
        where = f"{os.environ.get('MASTER_ADDR')}:{os.environ.get('MASTER_PORT')}"
        raise UserError(f"the processes cannot meet at {where}: another program uses this port; "
                        f"give another one by MASTER_PORT, or by --rdzv-endpoint of torchrun"
                        ) from error


def use(device: torch.device) -> None:
    """What holds for this whole process: its GPU, and that shapes come again and again, so that
    cuDNN may try which of its algorithms is the fastest, and a CPU may keep the memory of a step
    for the next one."""
    if device.type == "cuda":
        torch.cuda.set_device(device)
        torch.backends.cudnn.benchmark = True
    else:
        keep_freed_memory()


def keep_freed_memory() -> None:
    """Let blocks up to 32 MB, the most that may be asked for, stay with this process when they are
    freed, up to 1 GB.

    glibc hands large ones back to the system at once, which makes every page anew, full of zeros,
    for the next step: 5 to 9 % of the CPU time of training (docs/results.md). What the user has
    said to malloc goes first.
    """
    if sys.platform != "linux" or any(name == "GLIBC_TUNABLES" or name.startswith("MALLOC_")
                                      for name in os.environ):
        return
    if mallopt := getattr(ctypes.CDLL(None), "mallopt", None):      # musl has none
        mallopt(MMAP_THRESHOLD, 32 << 20)
        mallopt(TRIM_THRESHOLD, 1 << 30)


def find_devices(gpus: tuple[int, ...]) -> tuple[torch.device, ...]:
    """The devices that `gpus` names, or the CPU. Raises UserError for those not there."""
    if not gpus:
        return (torch.device("cpu"),)
    count = torch.cuda.device_count()
    missing = [number for number in gpus if number >= count]
    if missing:
        raise UserError(
            f"gpus: {list(gpus)} names devices that are not there: {missing}; this machine has "
            f"{count} CUDA device{'s' * (count != 1)}; set gpus to "
            f"{list(range(count)) or '[] (gpus= on the command line) to use the CPU'}")
    return tuple(torch.device("cuda", number) for number in gpus)
