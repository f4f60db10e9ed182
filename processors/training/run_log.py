"""RunLog: where the numbers of a run go: metrics.jsonl, from which trackers take them."""
import time
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from configs.loader import flat_settings
from configs.schema import Config
from processors.trackers.metrics_file import MetricsFile, is_whole
from processors.trackers.start import chosen, followed
from processors.trackers.tracker import TrackedRun
from processors.training.run_folder import RunFolder
from utils.log import log


class RunLog:
    """In process 0 it writes; in the others it does nothing."""

    def __init__(self, folder: Path, *, run: str, model_name: str, rank: int):
        self.metrics = MetricsFile(folder / "metrics.jsonl", run=run, model_name=model_name)
        self.rank = rank
        self.hints: set[str] = set()

    def add(self, *, kind: str, step: int, **values: Any) -> None:
        """One line. Numbers among the values become curves `kind/name` over the steps."""
        if self.rank == 0:
            self.metrics.add(kind=kind, step=step, **values, time=round(time.time(), 3))

    def hint(self, text: str, *values: Any) -> None:
        """Advice, said once in a run."""
        if text not in self.hints:
            self.hints.add(text)
            log.info(text, *values)

    def read(self) -> list[dict]:
        """All whole lines of this run."""
        return self.metrics.read(is_whole)


def trackers(config: Config, folder: RunFolder, lines: RunLog, step: int,
             ) -> AbstractContextManager[None]:
    """Within it, the trackers of the settings follow the lines. step: where the run goes on."""
    names = chosen(config.log) if lines.rank == 0 else []
    if not names:
        return nullcontext()
    about = {"name": config.model_name, "run_id": lines.metrics.common["run"],
             "project": config.log.project, "folder": str(folder.path), "step": step,
             "start": lines.metrics.size(), "began": time.time(),
             "settings": flat_settings(config), "picture": str(folder.pictures),
             "weights": str(folder.best) if config.log.tracker_weights else ""}
    return followed([TrackedRun(tracker=name, **about) for name in names])
