"""MixedPeople: labelled people and people without labels as one data set, and their order."""
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
from torch.utils.data import DataLoader, Dataset

from configs.schema import Config
from datasets.annotations.skeleton import Skeleton
from datasets.coco import MSCOCO, train_set
from datasets.loaders import make_loader, share_of, train_loader
from datasets.person_crops import PersonCrops
from datasets.sample import Sample
from datasets.samplers import TrainSampler, epoch_order
from datasets.unlabelled.people import UnlabelledPeople

EASY, HARD = range(2)
Key = tuple[int, ...]


class MixedSampler(TrainSampler):
    """Behind the labelled people of each step, as TrainSampler has them, those without labels:
    (step, index, EASY) and (step, index, HARD) of each.

    They have an order of their own, permutation after permutation, and whom a step has follows
    from its number. Of their part of a step process `rank` gets its `rank`-th piece, too.
    """

    def __init__(self, labelled: TrainSampler, count: int, batch_size: int, epochs: int,
                 world_size: int, after: int = 0):
        """labelled: the order of the others. count: of people without labels, of whom a step has
        batch_size, over all processes. after: first epochs in which nobody learns from them."""
        super().__init__(labelled.num_samples, labelled.batch_size, labelled.seed, epochs,
                         labelled.start_step, labelled.rank, world_size)
        self.count, self.added, self.after = count, batch_size, after
        self.added_share = share_of(batch_size, world_size, "data.unlabelled_batch")

    @property
    def persons(self) -> int:
        return self.batch_size + self.added

    def persons_in(self, step: int) -> int:
        return self.persons if step >= self.after * self.steps_per_epoch else self.batch_size

    def __len__(self) -> int:
        """Samples of this process from start_step on."""
        return super().__len__() // self.share * (self.share + 2 * self.added_share)

    def __iter__(self) -> Iterator[Key]:
        labelled, orders = super().__iter__(), dict[int, np.ndarray]()
        for step in range(self.start_step, self.end_step):
            yield from islice(labelled, self.share)
            first = step * self.added + self.rank * self.added_share
            for place in range(first, first + self.added_share):
                number, place_in_order = divmod(place, self.count)
                if number not in orders:
                    orders = {number: epoch_order(self.count, self.seed, number)}
                index = int(orders[number][place_in_order])
                yield step, index, EASY
                yield step, index, HARD


class MixedPeople(Dataset):
    """What the keys of a MixedSampler stand for. A batch has the labelled people first, then the
    easy views of the others, then the hard ones in the same order; `index` counts those without
    labels on behind the labelled."""

    def __init__(self, labelled: MSCOCO, unlabelled: UnlabelledPeople):
        self.labelled, self.unlabelled = labelled, unlabelled
        self.geometry = labelled.geometry

    def __len__(self) -> int:
        """How many are labelled."""
        return len(self.labelled)

    def __getitems__(self, keys: list[Key]) -> list[Sample]:
        """The samples of a whole batch."""
        count = len(self)
        pairs = [self.unlabelled.pair(key[0], key[1]) for key in keys if key[2:] == (EASY,)]
        return [*self.labelled.__getitems__([(key[0], key[1]) for key in keys if not key[2:]]),
                *(replace(pair[view], index=count + pair[view].index)
                  for view in (EASY, HARD) for pair in pairs)]

    def image_path(self, index: int) -> Path:
        part, own = self._part(index)
        return part.image_path(own)

    def picture(self, index: int) -> str:
        part, own = self._part(index)
        return part.picture(own)

    def _part(self, index: int) -> tuple[PersonCrops, int]:
        """Whose sample it is, and which of these."""
        count = len(self)
        return (self.labelled, index) if index < count else (self.unlabelled, index - count)

    def summary(self) -> str:
        return f"{self.labelled.summary()}; without labels: {self.unlabelled.summary()}"


def training_loader(config: Config, skeleton: Skeleton, *, start_step: int = 0, rank: int = 0,
                    world_size: int = 1, pin_memory: bool = False) -> DataLoader:
    """`train_loader` of the people that a Config trains on, with those of data.unlabelled beside
    them, if there are any."""
    data, epochs = config.data, config.optim.epochs
    labelled = train_set(config, skeleton)
    loader = train_loader(labelled, data, seed=config.seed, epochs=epochs, start_step=start_step,
                          rank=rank, world_size=world_size, pin_memory=pin_memory)
    if not data.unlabelled:
        return loader
    assert isinstance(loader.sampler, TrainSampler)
    order = loader.sampler
    others = UnlabelledPeople(config, skeleton, order.steps_per_epoch)
    sampler = MixedSampler(order, len(others), data.unlabelled_batch or order.batch_size, epochs,
                           world_size, config.optim.unlabelled_after)
    return make_loader(MixedPeople(labelled, others), sampler,
                       sampler.share + 2 * sampler.added_share, data.num_workers, pin_memory)
