"""FiniteWatch: ends a run whose numbers are infinite or none, before they are saved as weights."""
import math
from typing import NoReturn

from torch import nn

from processors.models.stored_run import LARGEST_WEIGHT
from processors.runtime.parallel import Parallel
from processors.training.run_folder import RunFolder
from processors.training.step_stats import StepStats
from processors.training.train_step import TrainStep
from utils.errors import UserError

OVERFLOWS_IN_A_ROW = 50     # consecutive ones after which the loss scale is no longer to blame


class FiniteWatch:
    """All processes call it at the same steps, with the same numbers."""

    def __init__(self, train_step: TrainStep, parallel: Parallel, folder: RunFolder):
        self.train_step, self.parallel, self.folder = train_step, parallel, folder
        self.skipped = 0        # steps of the run that were left out for an fp16 overflow
        self.in_a_row = 0       # those of them that came last, without a good step between

    def look_at(self, stats: StepStats) -> None:
        """Count an fp16 overflow; end the run for any other number that is not finite. The
        optimizer has left the weights as they were, and no checkpoint has been written since."""
        if math.isfinite(stats.loss) and math.isfinite(stats.gradient_norm):
            self.in_a_row = 0
            return
        self.in_a_row += 1
        if (self.train_step.scaler.is_enabled() and math.isfinite(stats.loss)
                and self.in_a_row < OVERFLOWS_IN_A_ROW):
            self.skipped += 1
            return
        images = [i for ids in self.parallel.all_gather(stats.image_ids.tolist()) for i in ids]
        self._end(stats.step, f"training stopped at step {stats.step + 1}: loss {stats.loss:.3g}, "
                              f"gradient norm {stats.gradient_norm:.3g}, learning rate "
                              f"{stats.lr:.2e}, images {images}")

    def look_at_weights(self, net: nn.Module, step: int) -> None:
        """Before they are judged or kept: the last of `step` steps may have ruined them, which the
        loss of the next one would tell too late. Batch norm's statistics differ by process."""
        odd = [name for name, value in net.named_buffers() if not value.isfinite().all()]
        odd += [name for name, value in net.named_parameters()
                if not (value.abs() <= LARGEST_WEIGHT).all()]
        found = [name for names in self.parallel.all_gather(odd) for name in names]
        if found:
            self.end_after(step, f"weights are infinite, no numbers, or beyond {LARGEST_WEIGHT} "
                                 f"(first: {found[0]})")

    def end_after(self, step: int, found: str) -> NoReturn:
        """found: what `step` steps have made of the weights."""
        self._end(step, f"training stopped after step {step}: {found}")

    def _end(self, step: int, found: str) -> NoReturn:
        """step: how many were done when the weights were already such."""
        left = self.parallel.broadcast(self.folder.set_ruined_aside(step))
        raise UserError(f"{found}; lower optim.lr or set optim.clip_norm; {left}")
