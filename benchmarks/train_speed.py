"""What the training loop costs beside the bare forward, loss, backward and step.

    python benchmarks/train_speed.py [CONFIG.yaml] [section.key=value ...]

Runs the quickstart's training. The batches of each epoch are read before it begins, so that
workers do not take the cores away from either side. After each epoch, in place of its evaluation,
the same batches go once more through a bare loop with a network and an optimizer of the same
kind: images and targets lie ready, nothing is logged, clipped, averaged or checked. Prints one
JSON line: `value` is the median over the epochs of loop / bare in wall time, `cpu_ratio` the same
in CPU time of the main process, which other programs on the machine disturb less. What reading
costs is measured by benchmarks/data_speed.py.
"""
import os
import sys
import tempfile
import time
from itertools import islice
from pathlib import Path
from statistics import median

import torch

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.common import say
from datasets.sample import Batch
from losses.heatmap import LOSSES
from nets import build_net
from processors.dp_pose_resnet_solver import DPProcessor
from processors.optim import build_optimizer
from processors.precision import autocast
from processors.preprocess import normalise

BAR = 1.03


class Timed(DPProcessor):
    """Training with the bare loop where an evaluation would be."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.reading = self.batches
        self.seen: list[Batch] = []
        self.times: list[tuple] = []
        self.bare_net = build_net(self.config.model).to(self.device).to(
            memory_format=torch.channels_last)
        self.bare_optimizer = build_optimizer(self.bare_net, self.config.optim)

    def _train_epoch(self, epoch: int) -> None:
        self.seen = list(islice(self.reading, self.steps_per_epoch))
        self.batches = iter(self.seen)
        time.sleep(2)       # until the workers have read ahead all they may
        self.loop_times = clocks()
        super()._train_epoch(epoch)
        self.loop_times = clocks() - self.loop_times

    def _finish_epoch(self, epoch: int) -> None:
        ready = []
        for batch in self.seen:
            images = normalise(batch.crop, self.config.model.input_format)
            ready.append((images, *self.train_step.codec.encode(batch.keypoints,
                                                                 batch.visibility)))
        start = clocks()
        self._bare(ready)
        self.times.append((self.loop_times, clocks() - start))
        self.evaluated = epoch

    def _bare(self, ready: list[tuple]) -> None:
        loss_of = LOSSES[self.config.optim.loss]
        self.bare_net.train()
        for images, targets, weights in ready:
            self.bare_optimizer.zero_grad(set_to_none=True)
            with autocast(self.train_step.dtype, self.device):
                heatmaps = self.bare_net(images)
            loss_of(heatmaps.float(), targets, weights).backward()
            self.bare_optimizer.step()
        if self.device.type == "cuda":
            torch.cuda.synchronize()


def clocks() -> torch.Tensor:
    """Wall time and CPU time of this process in seconds."""
    return torch.tensor([time.perf_counter(), time.process_time()], dtype=torch.float64)


def main() -> int:
    words = sys.argv[1:]
    path = words.pop(0) if words and "=" not in words[0] else ROOT / "configs" / "quickstart.yaml"
    with tempfile.TemporaryDirectory() as folder:
        settings = [f"val.weight_path={folder}", "optim.epochs=6", "resume=false"]
        processor = Timed(path, [*settings, *words])
        processor._farewell = lambda: None      # no evaluation, no picture of one
        processor.run()
    times = processor.times[1:]         # the first epoch starts workers and warms up
    wall, cpu = (median((loop[i] / bare[i]).item() for loop, bare in times) for i in (0, 1))
    steps = processor.steps_per_epoch
    return 0 if say(
        "train_speed", "loop / bare step", wall, at_most=BAR, cpu_ratio=round(cpu, 4),
        pairs=len(times), steps_a_pair=steps, device=str(processor.device),
        dtype=str(processor.train_step.dtype),
        bare_ms_a_step=round(1000 * median(bare[0].item() for _, bare in times) / steps, 1),
        cores=os.cpu_count()) else 1


if __name__ == "__main__":
    sys.exit(main())
