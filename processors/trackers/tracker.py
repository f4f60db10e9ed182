"""Tracker: what each of them must do, and the run that it shows."""
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from processors.trackers.entries import Entry

MARK = "simplepose: "       # before what the training is to say; all else are words of the client
FINISHED, STOPPED = "finished", "stopped"   # the last words of the training


@dataclass(frozen=True)
class TrackedRun:
    """A run at its start or its going on, in what JSON can hold: it travels to other processes."""
    tracker: str                # a key of TRACKERS
    name: str                   # model_name
    run_id: str                 # of the checkpoint
    project: str
    folder: str                 # of metrics.jsonl
    step: int                   # where the run goes on
    start: int                  # bytes of metrics.jsonl before this start of the run
    began: float                # seconds since 1970: this start
    settings: dict[str, Any]    # of the Config, by keys such as optim.lr
    picture: str                # of predictions, a file that comes at the end
    weights: str                # the best ones, a file; empty: not wanted

    @property
    def key(self) -> str:
        """The same for all starts of a run, and its alone."""
        return hashlib.sha256(f"{self.name}\n{self.run_id}".encode()).hexdigest()[:16]


def say(text: str) -> None:
    """What the training is to log, from the process of a tracker."""
    print(f"{MARK}{text}", flush=True)


class Tracker(Protocol):
    """Any method may raise what it likes, and may take as long as it likes."""
    replaces: bool      # what it is told again takes the place of what it was told first
    address: str        # where people look at the run

    def __init__(self, run: TrackedRun):
        """Goes on from the earlier starts of the run."""

    def has(self, number: int, entry: Entry) -> bool:
        """Whether the tracker knows an entry, the `number`-th of the run, from an earlier start."""

    def add(self, entries: list[Entry]) -> None:
        """Show them."""

    def add_picture(self, path: Path, step: int) -> None:
        """Predictions on validation images, of the weights after `step`."""

    def add_weights(self, path: Path) -> None:
        """Keep a checkpoint."""

    def close(self, finished: bool) -> None:
        """All that was added is safe when it returns. finished: the run has come to its end, and
        is not to go on some time."""
