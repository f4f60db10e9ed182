"""Batches on the device: each is copied while the network is still busy with the one before."""
from collections.abc import Iterable, Iterator

import torch

from datasets.sample import Batch


def device_batches(batches: Iterable[Batch], device: torch.device) -> Iterator[Batch]:
    """The batches, moved to `device`.

    On a GPU the copies have a stream of their own, so they run beside the computation: the
    loop does not wait for the device and asks for the next batch while the last one is computed.
    The loader must pin its memory for that.
    """
    if device.type != "cuda":
        for batch in batches:
            yield batch.to(device)
        return
    copies = torch.cuda.Stream(device)
    for batch in batches:
        with torch.cuda.stream(copies):
            moved = batch.to(device)
        computing = torch.cuda.current_stream(device)
        computing.wait_stream(copies)
        moved.used_on(computing)
        yield moved
