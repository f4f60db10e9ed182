"""Broken images that `data.skip_broken` goes on without."""
from pathlib import Path
from typing import Protocol

from datasets.sample import Batch
from utils.log import log
from utils.shown import sentence


class Pictured(Protocol):
    """Samples that are cut from files."""

    def image_path(self, index: int) -> Path: ...

    def picture(self, index: int) -> str:
        """What a sample is cut from, in words."""


def name_broken(batch: Batch, dataset: Pictured, named: set[Path]) -> None:
    """Name each broken image, or crop of a pack, the first time it is met; `named` is added to."""
    for index in batch.index[batch.broken].tolist():
        path = dataset.image_path(index)
        if path not in named:
            named.add(path)
            # an error, because those are shown by all processes, each of which has its own images
            log.error("going on without the broken %s (%d so far)",
                      sentence(dataset.picture(index)), len(named))
