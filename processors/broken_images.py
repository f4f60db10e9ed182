"""Broken images that `data.skip_broken` goes on without."""
from pathlib import Path

from datasets.coco import MSCOCO
from datasets.sample import Batch
from utils.log import log


def name_broken(batch: Batch, dataset: MSCOCO, named: set[Path]) -> None:
    """Name each broken image of a batch the first time it is met; `named` is added to."""
    for index in batch.index[batch.index < 0].tolist():
        path = dataset.image_path(index)
        if path not in named:
            named.add(path)
            # an error, because those are shown by all processes, each of which has its own images
            log.error("going on without the broken image %s (%d so far)", path, len(named))
