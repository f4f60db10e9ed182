"""Broken images that `data.skip_broken` goes on without."""
from pathlib import Path

from datasets.coco import MSCOCO
from datasets.sample import Batch
from utils.log import log
from utils.shown import sentence


def name_broken(batch: Batch, dataset: MSCOCO, named: set[Path]) -> None:
    """Name each broken image, or crop of a pack, the first time it is met; `named` is added to."""
    for index in batch.index[batch.broken].tolist():
        path = dataset.image_path(index)
        if path not in named:
            named.add(path)
            what = (f"image {path}" if dataset.pack is None
                    else f"crop of {path} in {dataset.pack}")
            # an error, because those are shown by all processes, each of which has its own images
            log.error("going on without the broken %s (%d so far)", sentence(what), len(named))
