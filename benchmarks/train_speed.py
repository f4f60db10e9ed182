"""What the training loop costs beside the bare forward, loss, backward and step.

    python benchmarks/train_speed.py [CONFIG.yaml] [section.key=value ...]

Runs the quickstart's training, all its epochs without evaluations. The batches of each epoch are
read before it begins, so that workers do not take the cores away from either side. After every few
steps of the loop, the same batches go through a bare loop: normalise, encode, forward, loss,
backward and step, and nothing is checked, averaged, logged or scheduled. The two take turns,
because a machine's speed changes within seconds, and have one network and optimizer, because where
tensors lie in memory is worth percents.
Prints one JSON line: `value` is the median over the turns of loop / bare in wall time, `cpu_ratio`
the same in CPU time of the main process, and `of_ready` that of loop / a bare loop whose images and
targets lie ready in memory. What reading costs is measured by benchmarks/data_speed.py.
"""
import math
import os
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.common import bare_step, say
from datasets.sample import Batch
from processors.dp_pose_resnet_solver import DPProcessor
from processors.runtime.normalise import normalise

BAR = 1.03
TURN = 8        # steps
KINDS = ("loop", "bare", "ready")


class Timed(DPProcessor):
    """Training with a turn of the bare loop after every few steps, and no evaluation."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.reading = self.batches
        self.times: list[Tensor] = []

    def train_epoch(self, epoch: int) -> None:
        seen = list(islice(self.reading, self.steps_per_epoch))
        time.sleep(2)       # until the workers have read ahead all they may
        self.batches = self._with_bare_turns(seen)
        super().train_epoch(epoch)
        next(self.batches, None)    # the last turn

    def _with_bare_turns(self, seen: list[Batch]) -> Iterator[Batch]:
        """The loop's own time is what passes between a batch and its asking for one more."""
        for number, first in enumerate(range(0, len(seen), TURN)):
            turn = seen[first:first + TURN]
            ready = list(map(self._prepare, turn))
            spent = {}
            for kind in np.roll(KINDS, number):     # each is the first as often as the others
                start = clocks(self.device)
                if kind == "loop":
                    yield from turn
                else:
                    self._bare(ready if kind == "ready" else map(self._prepare, turn))
                spent[kind] = clocks(self.device) - start
            self.times.append(torch.stack([spent[kind] for kind in KINDS]) / len(turn))

    def _prepare(self, batch: Batch) -> tuple[Tensor, ...]:
        """Input, targets and weights."""
        return (normalise(batch.crop, self.config.model.input_format),
                *self.train_step.encode(batch.keypoints, batch.visibility))

    def finish_epoch(self, epoch: int) -> None:
        self.state.evaluated = epoch

    def _bare(self, batches: Iterable[tuple[Tensor, ...]]) -> None:
        step = self.train_step
        step.optimizer.found_inf = None     # of the loop's check
        for images, targets, weights in batches:
            bare_step(step.model, step.optimizer, images, targets, weights, step.dtype, step.loss)


def clocks(device: torch.device) -> Tensor:
    """Wall time and CPU time of this process in seconds, when the device has done its work."""
    if device.type == "cuda":
        torch.cuda.synchronize()
    return torch.tensor([time.perf_counter(), time.process_time()], dtype=torch.float64)


def main() -> int:
    words = sys.argv[1:]
    path = words.pop(0) if words and "=" not in words[0] else ROOT / "configs" / "quickstart.yaml"
    with tempfile.TemporaryDirectory() as folder:
        settings = [f"val.weight_path={folder}", "resume=false"]
        processor = Timed(path, [*settings, *words])
        processor.say_the_end = lambda: None      # no evaluation, no picture of one
        processor.run()
    # (turns, 3 kinds, wall and CPU) seconds a step, without the first epoch, which warms up
    times = torch.stack(processor.times[math.ceil(processor.steps_per_epoch / TURN):])
    (wall, cpu), (of_ready, _) = ((times[:, 0] / times[:, kind]).quantile(
        torch.tensor([0.5, 0.25, 0.75], dtype=times.dtype), dim=0).T.tolist() for kind in (1, 2))
    return 0 if say(
        "train_speed", "loop / bare step", wall[0], at_most=BAR,
        quartiles=[round(value, 3) for value in wall[1:]], cpu_ratio=round(cpu[0], 4),
        of_ready=round(of_ready[0], 4), turns=len(times), steps_a_turn=TURN,
        device=str(processor.device), dtype=str(processor.train_step.dtype),
        bare_ms_a_step=round(1000 * times[:, 1, 0].median().item(), 1),
        cores=os.cpu_count()) else 1


if __name__ == "__main__":
    sys.exit(main())
