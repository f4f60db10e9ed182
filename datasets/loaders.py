"""Loaders: from a data set to batches, read by worker processes."""
import torch
from torch.utils.data import DataLoader, Dataset

from configs.schema import DataConfig
from datasets.coco import MSCOCO
from datasets.sample import collate
from datasets.samplers import TrainSampler, ValSampler, val_shard
from datasets.workers import Loader, init_worker
from utils.errors import UserError


def train_loader(dataset: MSCOCO, config: DataConfig, *, seed: int, epochs: int,
                 start_step: int = 0, rank: int = 0, world_size: int = 1,
                 pin_memory: bool = False) -> DataLoader:
    """All training batches of a run, from `start_step` on, as one stream over its epochs.

    Iterate it once: `loader.sampler.steps_per_epoch` batches are an epoch. Each process gets
    `loader.batch_size` samples of every batch. A data set smaller than data.batch_size makes
    batches of all its persons; `loader.sampler.batch_size` tells the size in use. Raises
    UserError if the batch cannot be shared between the processes.
    """
    if len(dataset) < world_size:
        raise UserError(f"{dataset.source} has {len(dataset)} persons for {world_size} "
                         f"processes: use fewer gpus")
    share = min(share_of(config.batch_size, world_size), len(dataset) // world_size)
    sampler = TrainSampler(len(dataset), share * world_size, seed, epochs, start_step, rank,
                           world_size)
    return make_loader(dataset, sampler, share, config.num_workers, pin_memory)


def val_loader(dataset: MSCOCO, config: DataConfig, *, batch_size: int = 0, rank: int = 0,
               world_size: int = 1, pin_memory: bool = False) -> DataLoader:
    """The samples that this process evaluates, in order, each once; the last batch is smaller.

    batch_size: total over all processes, data.batch_size if 0. Iterate it once an evaluation.
    """
    shard = val_shard(dataset.persons.image_rows, rank, world_size)
    share = share_of(batch_size or config.batch_size, world_size,
                     "val.batch_size" if batch_size else "data.batch_size")
    return make_loader(dataset, ValSampler(shard), share, config.num_workers, pin_memory)


def start_workers(loader: DataLoader) -> None:
    """Start those of a `val_loader` now. They read nothing yet: it would be held in memory until
    the first evaluation, beside the batches of training."""
    assert isinstance(loader.sampler, ValSampler)
    loader.sampler.closed = True
    iter(loader)
    loader.sampler.closed = False


def share_of(batch_size: int, world_size: int, key: str = "data.batch_size") -> int:
    """Samples of a batch that one process takes. Raises UserError if they do not divide."""
    if batch_size < 1 or batch_size % world_size:
        raise UserError(f"{key} is {batch_size}, which {world_size} processes cannot share "
                         f"equally: make it a multiple of {world_size}")
    return batch_size // world_size


def make_loader(dataset: Dataset, sampler: TrainSampler | ValSampler, batch_size: int,
                num_workers: int, pin_memory: bool) -> DataLoader:
    """Batches of what a sampler asks a data set for."""
    num_workers = min(num_workers, -(-len(sampler) // batch_size))   # no worker without work
    # its own generator, or the workers' seeds, which nothing uses, come out of the global one
    return Loader(dataset, batch_size, sampler=sampler, num_workers=num_workers,
                  collate_fn=collate, pin_memory=pin_memory, worker_init_fn=init_worker,
                  persistent_workers=num_workers > 0, generator=torch.Generator())
