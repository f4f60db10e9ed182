"""Whether /dev/shm, through which workers hand over their batches, can hold them."""
import os
from collections.abc import Sequence
from pathlib import Path

from torch.utils.data import DataLoader

from utils.errors import UserError

SHM = Path("/dev/shm")
BESIDE_CROPS = 64 * 1024        # bytes of a batch's other tensors, each at least a page
QUEUES = 256 * 1024             # bytes for semaphores and what is small
CURE = "give it more (docker run --shm-size 8g), or lower data.num_workers or data.batch_size"


def ensure_shared_memory(loaders: Sequence[DataLoader], processes: int = 1) -> None:
    """Raise UserError where the batches that the workers of all these loaders read ahead do not
    fit, or nothing can be written: they would wait for room in the middle of the run.

    processes: those of this machine, each with such loaders.
    """
    if needed := processes * sum(map(_read_ahead, loaders)):
        ensure_room(needed, "but the batches that data.num_workers read ahead for training "
                            "and evaluation take")


def ensure_room(needed: int = 0, what: str = "but processes that read images take") -> None:
    """Raise UserError where so many bytes, and the queues of a loader with workers, do not fit.
    what: takes them, as a part of the sentence."""
    if not SHM.is_dir():        # a system without that folder
        return
    if not os.access(SHM, os.W_OK) or os.statvfs(SHM).f_flag & os.ST_RDONLY:
        raise UserError(f"{SHM} cannot be written, and processes that read images hand over "
                        f"what they have read through it: permit it, or set data.num_workers to 0")
    space = os.statvfs(SHM)
    free = space.f_bavail * space.f_frsize
    if needed + QUEUES > free:
        raise UserError(f"{SHM} has {free / 1e6:.1f} MB free, {what} "
                        f"{max(needed, QUEUES) / 1e6:.1f} MB: {CURE}")


def _read_ahead(loader: DataLoader) -> int:
    """Bytes."""
    width, height = loader.dataset.geometry.input_size       # type: ignore[attr-defined]
    batches = min(loader.num_workers * (loader.prefetch_factor or 0), len(loader))
    assert loader.batch_size
    return batches * (loader.batch_size * 3 * width * height + BESIDE_CROPS)
