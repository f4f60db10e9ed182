"""Progress: what people see of an epoch, as a bar on a terminal and as lines in a file."""
import time
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from configs.schema import Config, OptimConfig
from datasets.samplers import TrainSampler
from processors.runtime.parallel import Parallel
from processors.training.run_log import RunLog
from processors.training.step_stats import StepStats
from utils.log import bar, log, on_terminal
from utils.shown import counted

PRECISION = {None: "full precision", torch.bfloat16: "bf16", torch.float16: "fp16"}
BAR = "{desc} {n_fmt}/{total_fmt}{postfix} |{bar}|"     # a narrow terminal cuts the bar first
WAITING_TOO_MUCH = 20       # percent of the time


def plan_in_words(optim: OptimConfig, sampler: TrainSampler, dtype: torch.dtype | None,
                  parallel: Parallel) -> str:
    """What a run is going to do, and on what. dtype: of mixed precision."""
    processes = parallel.world_size
    return (f"{counted(optim.epochs, 'epoch')} of {counted(sampler.steps_per_epoch, 'step')}, "
            f"batch {sampler.batch_size} in total"
            + (f" and {sampler.persons - sampler.batch_size} without labels"
               if sampler.persons > sampler.batch_size else "")
            + (f" in {optim.accumulate} micro-batches" if optim.accumulate > 1 else "")
            + f", {optim.optimizer} lr {optim.lr:g} for the total batch, {PRECISION[dtype]}, on "
            + ", ".join(map(str, parallel.devices))
            + (f" x {processes} processes of {sampler.share} each" if processes > 1 else ""))


class Progress:
    """One epoch. `add` gets the statistics of each step, in order."""

    def __init__(self, epoch: int, first: int, steps_per_epoch: int, config: Config, rank: int,
                 run_log: RunLog):
        """epoch: from 0. first: steps of this epoch that are done already."""
        self.epoch, self.steps_per_epoch = epoch, steps_per_epoch
        self.every, self.workers = config.log.every, config.data.num_workers
        self.all_steps = config.optim.epochs * steps_per_epoch
        self.run_log = run_log
        self.meter = Meter()
        self.bar = bar(range(steps_per_epoch), f"epoch {epoch + 1}", rank=rank, initial=first,
                       form=BAR)

    def wants_accuracy(self, step: int) -> bool:
        """Whether anyone looks at the accuracy of this step."""
        # the same in all processes of a machine: the mean of a number and of nan is nan
        return on_terminal() or self._is_logged(step)

    def _is_logged(self, step: int) -> bool:
        number = step % self.steps_per_epoch + 1
        return number % self.every == 0 or number == self.steps_per_epoch

    def add(self, stats: StepStats, images: int, skipped: int) -> None:
        """images: of all processes in this step. skipped: fp16 overflows of the run so far."""
        meter = self.meter
        meter.add(stats.loss, images, stats.timestamp)
        left = duration((self.all_steps - stats.step - 1) * meter.seconds() / meter.steps)
        if not self.bar.disable:
            self.bar.set_postfix_str(
                f"loss {stats.loss:.5f} acc {stats.accuracy:.3f} lr {stats.lr:.1e} "
                f"{meter.speed():.0f}/s wait {meter.wait_percent():.0f}% all {left}",
                refresh=False)
            self.bar.update()
        if self._is_logged(stats.step):
            self._write(stats, left, skipped)
            meter.restart()

    def _write(self, stats: StepStats, left: str, skipped: int) -> None:
        meter = self.meter
        log.info("epoch %d step %d/%d loss %.5f accuracy %.3f lr %.2e %.0f images/s, waiting for "
                 "data %.0f %%, %s left%s", self.epoch + 1,
                 stats.step % self.steps_per_epoch + 1, self.steps_per_epoch, meter.mean_loss(),
                 stats.accuracy, stats.lr, meter.speed(), meter.wait_percent(), left,
                 f", {skipped} steps skipped for fp16 overflows" if skipped else "")
        if meter.wait_percent() > WAITING_TOO_MUCH and meter.steps >= 10:
            self.run_log.hint("the network waits for data %.0f %% of the time: raise "
                              "data.num_workers (now %d), or pack the crops once by main.py pack",
                              meter.wait_percent(), self.workers)
        self.run_log.add(kind="train", epoch=self.epoch + 1, step=stats.step + 1,
                         skipped=skipped, loss=meter.mean_loss(), accuracy=stats.accuracy,
                         lr=stats.lr, images_per_s=meter.speed(),
                         wait_percent=meter.wait_percent())

    def close(self) -> None:
        self.bar.close()


class Meter:
    """Sums between two lines of the log. Step statistics arrive one step late, so each carries the
    time at which it was sent."""

    def __init__(self):
        self.waited = 0.0       # seconds, in the whole epoch
        self.until = self.timestamp()
        self.restart()

    def restart(self) -> None:
        self.loss, self.steps, self.images = 0.0, 0, 0
        self.since = self.until

    def timestamp(self) -> tuple[float, float]:
        """Now, and the seconds of waiting so far."""
        return time.monotonic(), self.waited

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Around the wait for data."""
        since = time.monotonic()
        yield
        self.waited += time.monotonic() - since

    def add(self, loss: float, images: int, timestamp: tuple[float, float]) -> None:
        self.until = timestamp
        self.loss, self.steps, self.images = self.loss + loss, self.steps + 1, self.images + images

    def seconds(self) -> float:
        return max(self.until[0] - self.since[0], 1e-9)

    def mean_loss(self) -> float:
        return self.loss / max(self.steps, 1)

    def speed(self) -> float:
        return self.images / self.seconds()

    def wait_percent(self) -> float:
        return 100 * (self.until[1] - self.since[1]) / self.seconds()


def duration(seconds: float) -> str:
    """Such as 3:05 or 21:00:05."""
    hours, rest = divmod(int(seconds), 3600)
    return f"{hours}:{rest // 60:02d}:{rest % 60:02d}" if hours else f"{rest // 60}:{rest % 60:02d}"
