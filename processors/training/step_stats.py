"""Statistics of each step, the same in all processes, one step late.

Reading a value from the GPU blocks until its queue is empty, and leaves it idle afterwards. So
the numbers of a step travel to the host while the next step runs. What single processes ask for,
to stop or to save, travels along, and all of them act at the same step.
"""
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from processors.runtime.parallel import Parallel


@dataclass(frozen=True)
class StepStats:
    step: int               # number of the step in the run, from 0
    lr: float
    image_ids: Tensor       # (B,) int64, the batch of this process
    loss: float             # mean over all processes, as all that follows
    gradient_norm: float    # before clipping
    accuracy: float         # nan where it was not measured
    stop: bool              # some process was asked to stop
    save: bool              # some process wants a checkpoint
    timestamp: tuple[float, float]   # Meter.timestamp of when it was sent


class StepStatsQueue:
    def __init__(self, parallel: Parallel):
        self.parallel = parallel
        self.sent: deque = deque()

    def send(self, step: int, lr: float, image_ids: Tensor, numbers: Tensor, *, stop: bool,
             save: bool, timestamp: tuple[float, float]) -> None:
        """numbers: (3,) float32 on the device: loss, norm of the gradient, accuracy."""
        requests = [numbers.new_full((1,), float(request)) for request in (stop, save)]
        numbers = self.parallel.all_reduce_mean(torch.cat([numbers, *requests]))
        on_host = numbers.to("cpu", non_blocking=True)
        arrived = None
        if numbers.is_cuda:
            arrived = torch.cuda.Event()
            arrived.record()
        self.sent.append((step, lr, image_ids, on_host, arrived, timestamp))

    def receive(self, everything: bool = False) -> Iterator[StepStats]:
        """What was sent, without the newest one unless `everything` is asked for."""
        while len(self.sent) > (0 if everything else 1):
            step, lr, image_ids, on_host, arrived, timestamp = self.sent.popleft()
            if arrived:
                arrived.synchronize()
            loss, norm, accuracy, stop, save = on_host.tolist()
            yield StepStats(step, lr, image_ids, loss, norm, accuracy, stop > 0, save > 0,
                            timestamp)
