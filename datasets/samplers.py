"""Samplers: which samples come in which order on which process.

Everything is a pure function of its arguments, so a run that was stopped goes on with exactly
the samples it would have had, and several processes share batches without talking.
"""
from collections.abc import Iterator

import numpy as np
from torch.utils.data import Sampler


class TrainSampler(Sampler):
    """The training samples of a whole run, in order, as one stream over its epochs.

    Yields (epoch, index). Each epoch is its own permutation, cut into whole batches of the
    total batch size; samples that fill no batch stay out until the next epoch. Batch b of an
    epoch is the same set for any number of processes: process `rank` gets its `rank`-th piece.
    One stream instead of one iterator for each epoch keeps the workers busy between epochs.
    """
    def __init__(self, num_samples: int, batch_size: int, seed: int, epochs: int,
                 start_step: int = 0, rank: int = 0, world_size: int = 1):
        """batch_size: total over all processes, a multiple of world_size. start_step: batches
        that were done in an earlier run."""
        assert batch_size % world_size == 0 and 0 < batch_size <= num_samples
        assert 0 <= rank < world_size
        self.num_samples, self.batch_size, self.seed = num_samples, batch_size, seed
        self.rank, self.share = rank, batch_size // world_size
        self.steps_per_epoch = num_samples // batch_size
        self.start_step, self.end_step = start_step, epochs * self.steps_per_epoch

    @property
    def persons(self) -> int:
        """That a step learns from at most, in all processes."""
        return self.batch_size

    def persons_in(self, step: int) -> int:
        """That this step learns from."""
        return self.batch_size

    def __len__(self) -> int:
        """Samples of this process from start_step on."""
        return max(self.end_step - self.start_step, 0) * self.share

    def __iter__(self) -> Iterator[tuple[int, ...]]:
        order, order_epoch = np.empty(0, np.int64), -1
        for step in range(self.start_step, self.end_step):
            epoch, batch = divmod(step, self.steps_per_epoch)
            if order_epoch != epoch:
                order, order_epoch = epoch_order(self.num_samples, self.seed, epoch), epoch
            first = batch * self.batch_size + self.rank * self.share
            for index in order[first:first + self.share]:
                yield epoch, int(index)


def epoch_order(num_samples: int, seed: int, epoch: int) -> np.ndarray:
    """Permutation (num_samples,) int64 of an epoch."""
    return np.random.default_rng((seed, epoch)).permutation(num_samples)


class ValSampler(Sampler):
    """The samples of a shard in order; none at all while `closed`, to start workers only."""

    def __init__(self, shard: range):
        self.shard, self.closed = shard, False

    def __len__(self) -> int:
        return len(self.shard)

    def __iter__(self) -> Iterator[int]:
        return iter(range(0) if self.closed else self.shard)


def val_shard(images: np.ndarray, rank: int = 0, world_size: int = 1) -> range:
    """Samples that process `rank` evaluates: exact, nothing twice, images never split.

    images: (N,) image of each sample, samples of one image being neighbours. The pieces follow
    each other and differ by at most the persons of an image. A piece can be empty when there
    are more processes than images.
    """
    starts = np.flatnonzero(np.r_[True, images[1:] != images[:-1]])[:len(images)]
    borders = np.append(starts, len(images))
    ideal = np.arange(world_size + 1) * len(images) / world_size
    cuts = borders[np.searchsorted(borders, ideal)]
    return range(int(cuts[rank]), int(cuts[rank + 1]))
