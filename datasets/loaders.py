"""Loaders: from a data set to batches, read by worker processes."""
import multiprocessing
import os
import re
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.process import BaseProcess
from types import TracebackType

import cv2
import torch
from torch.utils.data import DataLoader

from configs.schema import DataConfig
from datasets.coco import MSCOCO
from datasets.sample import collate
from datasets.samplers import TrainSampler, val_shard

PARENT_LOOK = 1.0       # seconds between looks of a worker whether its parent still lives
DEATH_KNOWN_WITHIN = 3      # seconds


def train_loader(dataset: MSCOCO, config: DataConfig, *, seed: int, epochs: int,
                 start_step: int = 0, rank: int = 0, world_size: int = 1,
                 pin_memory: bool = False) -> DataLoader:
    """All training batches of a run, from `start_step` on, as one stream over its epochs.

    Iterate it once: `loader.sampler.steps_per_epoch` batches are an epoch. Each process gets
    `loader.batch_size` samples of every batch. A data set smaller than data.batch_size makes
    batches of all its persons; `loader.sampler.batch_size` tells the size in use. Raises
    ValueError if the batch cannot be shared between the processes.
    """
    if len(dataset) < world_size:
        raise ValueError(f"{dataset.source} has {len(dataset)} persons for {world_size} "
                         f"processes: use fewer gpus")
    share = min(share_of(config.batch_size, world_size), len(dataset) // world_size)
    sampler = TrainSampler(len(dataset), share * world_size, seed, epochs, start_step, rank,
                           world_size)
    return _loader(dataset, sampler, share, config.num_workers, pin_memory)


def val_loader(dataset: MSCOCO, config: DataConfig, *, batch_size: int = 0, rank: int = 0,
               world_size: int = 1, pin_memory: bool = False) -> DataLoader:
    """The samples that this process evaluates, in order, each once; the last batch is smaller.

    batch_size: total over all processes, data.batch_size if 0. Iterate it once an evaluation.
    """
    shard = val_shard(dataset.persons.image_rows, rank, world_size)
    share = share_of(batch_size or config.batch_size, world_size,
                     "val.batch_size" if batch_size else "data.batch_size")
    return _loader(dataset, shard, share, config.num_workers, pin_memory)


def share_of(batch_size: int, world_size: int, key: str = "data.batch_size") -> int:
    """Samples of a batch that one process takes. Raises ValueError if they do not divide."""
    if batch_size < 1 or batch_size % world_size:
        raise ValueError(f"{key} is {batch_size}, which {world_size} processes cannot share "
                         f"equally: make it a multiple of {world_size}")
    return batch_size // world_size


def _loader(dataset: MSCOCO, sampler: TrainSampler | range, batch_size: int, num_workers: int,
            pin_memory: bool) -> DataLoader:
    num_workers = min(num_workers, -(-len(sampler) // batch_size))   # no worker without work
    # its own generator, or the workers' seeds, which nothing uses, come out of the global one
    return DataLoader(dataset, batch_size, sampler=sampler, num_workers=num_workers,
                      collate_fn=collate, pin_memory=pin_memory, worker_init_fn=init_worker,
                      persistent_workers=num_workers > 0, generator=torch.Generator())


def init_worker(_: int) -> None:
    """One thread a worker: there are as many workers as cores to use.

    OpenCV's threads can also hang in a process forked after the parent used them. Signals to all
    processes of a run are left to the main process, which saves, speaks once, and ends its
    workers: Ctrl-C, a closed terminal, and the SIGTERM of a cluster or a launcher.
    """
    cv2.setNumThreads(0)
    torch.set_num_threads(1)
    sys.excepthook = _say_unless_hung_up
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    if hasattr(signal, "sigtimedwait"):     # not on macOS
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    parent = multiprocessing.parent_process()
    assert parent
    threading.Thread(target=_obey_the_parent, args=(parent,), daemon=True).start()


def _say_unless_hung_up(kind: type, error: BaseException, trace: TracebackType | None) -> None:
    """Errors of samples go to the main process. What is left to say here is that it has left in
    the middle of taking a batch, which it has its own words for."""
    if not isinstance(error, (ConnectionError, EOFError)):
        sys.__excepthook__(kind, error, trace)


def _obey_the_parent(parent: BaseProcess) -> None:
    """End when SIGTERM comes from the main process, whose way it is to end its workers, or when
    that process was killed: a worker would wait for ever to hand over its last batch.

    Only `is_alive` knows of a death before this began, or where a server forks the workers, as
    Python 3.14 has it; but it waits for workers forked later, so the process above counts too.
    """
    above = os.getppid()
    while os.getppid() == above and parent.is_alive():
        if not hasattr(signal, "sigtimedwait"):
            time.sleep(PARENT_LOOK)
            continue
        came = signal.sigtimedwait({signal.SIGTERM}, PARENT_LOOK)
        if came and came.si_pid == parent.pid:
            break
    os._exit(0)


@contextmanager
def dead_workers_named(again: str) -> Iterator[None]:
    """Within it, the death of a worker is a ChildProcessError of one sentence.

    again: what the same command does after it.
    """
    try:
        try:
            yield
        except (ConnectionError, EOFError):
            # so ends a batch that a worker dies in the middle of handing over; torch's handler
            # of SIGCHLD raises the error below as soon as the worker is known to be dead
            time.sleep(DEATH_KNOWN_WITHIN)
            raise
    except RuntimeError as error:
        # "worker (pid 7) is killed by ..." or, when that was seen first, "worker (pid(s) 7, 8) ..."
        death = re.search(r"DataLoader worker \(pid(?:\(s\))? [\d, ]+\) (?:is )?([\w :]+)",
                          str(error))
        if not death:
            raise
        if threading.current_thread() is threading.main_thread():
            # torch's handler would say the same again, with a traceback, while all is taken down
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        raise ChildProcessError(
            f"a process that reads images died ({death[1].strip()}), as happens when memory or "
            f"/dev/shm runs out; lower data.num_workers (0 reads in the main process); "
            f"{again}") from error
