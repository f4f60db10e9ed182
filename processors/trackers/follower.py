"""The process that copies the numbers of a run from its metrics.jsonl to one tracker.

It lives beside the training, so that what a tracker's client does, or does not, is no matter of the
training: it never waits for it, is not changed by it, and does not end with it.
"""
import json
import os
import signal
import sys
import threading
import time
from pathlib import Path

from processors.trackers.entries import NewLines, of_old, place, to_entry
from processors.trackers.metrics_file import MetricsFile
from processors.trackers.to_clearml import Clearml
from processors.trackers.to_mlflow import Mlflow
from processors.trackers.to_tensorboard import TensorBoard
from processors.trackers.to_trackio import Trackio
from processors.trackers.to_wandb import Wandb
from processors.trackers.tracker import FINISHED, TrackedRun, Tracker, say
from utils.shown import on_one_line

TRACKERS: dict[str, type[Tracker]] = {
    "tensorboard": TensorBoard, "wandb": Wandb, "mlflow": Mlflow, "clearml": Clearml,
    "trackio": Trackio}
LOOK_EVERY = 0.5            # seconds
ALONE = 30                  # seconds that are left for the client's own end, without the training


class TrainingsEnd(threading.Thread):
    """Waits for the last word of the training; it is empty where the training was killed."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.word, self.came = "", threading.Event()
        self.start()

    def run(self) -> None:
        self.word = sys.stdin.readline().strip()
        self.came.set()
        if self.word:
            sys.stdin.read()        # until the training has gone, which waits for us so long
        time.sleep(ALONE)
        os.killpg(0, signal.SIGKILL)        # though the client may hang


def follow(run: TrackedRun, end: TrainingsEnd) -> None:
    """From the first line to the last word of the training."""
    tracker = TRACKERS[run.tracker](run)
    say(f"see {tracker.address}")
    lines = NewLines(MetricsFile(Path(run.folder, "metrics.jsonl"), run=run.run_id,
                                 model_name=run.name), run.start)
    old = of_old(lines.old(), run.step, tracker.replaces)
    missing = [entry for number, entry in enumerate(old.values())
               if not tracker.has(number, entry)]
    if missing:
        tracker.add(missing)
    last = max((entry.step for entry in old.values()), default=run.step)
    if last > run.step and not tracker.replaces:
        say(f"shows steps {run.step + 1} to {last}, which are done again, as they were the first "
            f"time: it takes nothing back")
    while True:
        ended = end.came.wait(LOOK_EVERY)
        if ended and not end.word:      # killed: its next start may be near, and tells the rest
            break
        entries = [to_entry(line) for line in lines.read()
                   if tracker.replaces or place(line) not in old]
        if entries:
            tracker.add(entries)
            last = entries[-1].step
        if ended:
            break
    if end.word == FINISHED:
        add_files(run, tracker, last)
    tracker.close(end.word == FINISHED)


def add_files(run: TrackedRun, tracker: Tracker, step: int) -> None:
    picture, weights = Path(run.picture), Path(run.weights)
    if picture.is_file() and picture.stat().st_mtime > run.began:
        tracker.add_picture(picture, step)
    if run.weights and weights.is_file():
        tracker.add_weights(weights)


def main() -> None:
    """The first line of stdin is a TrackedRun as JSON."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)       # the training gets them, too, and ends it
    try:
        follow(TrackedRun(**json.loads(sys.stdin.readline())), TrainingsEnd())
    except Exception as error:      # clients fail in any way one can think of
        say(f"is off from now on: {on_one_line(error)}")
    os._exit(0)     # what is closed is safe, and what a client does at Python's end may hang
