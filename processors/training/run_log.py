"""RunLog: where the numbers of a run go: metrics.jsonl, and TensorBoard if asked for."""
from pathlib import Path
from typing import Any

from utils.log import MetricsFile, log


class RunLog:
    """In process 0 it writes; in the others it does nothing."""

    def __init__(self, folder: Path, *, run: str, model_name: str, step: int, rank: int,
                 tensorboard: bool):
        """step: where the run goes on; what TensorBoard has behind it is taken back."""
        self.metrics = MetricsFile(folder / "metrics.jsonl", run=run, model_name=model_name)
        self.rank = rank
        self.hints: set[str] = set()
        self.board = (open_tensorboard(folder / "tensorboard" / model_name, step)
                      if tensorboard and rank == 0 else None)

    def add(self, *, kind: str, step: int, **values: Any) -> None:
        """One line. Numbers among the values become curves `kind/name` over the steps."""
        if self.rank != 0:
            return
        self.metrics.add(kind=kind, step=step, **values)
        if self.board:
            curve = f"{kind}/{values['weights']}" if "weights" in values else kind
            for name, value in values.items():
                if isinstance(value, int | float):
                    self.board.add_scalar(f"{curve}/{name}", value, step)
            self.board.flush()

    def hint(self, text: str, *values: Any) -> None:
        """Advice, said once in a run."""
        if text not in self.hints:
            self.hints.add(text)
            log.info(text, *values)

    def read(self) -> list[dict]:
        """All lines of this run."""
        return self.metrics.read()


def open_tensorboard(folder: Path, step: int) -> Any:
    """A SummaryWriter, or None with a warning where TensorBoard is not installed."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        log.warning("log.tensorboard is true, but TensorBoard is not installed; "
                    "pip install tensorboard brings it")
        return None
    log.info("curves for TensorBoard are in %s", folder)
    return SummaryWriter(str(folder), purge_step=step + 1)
