"""A run without a network, which writes lines as one does; for tests that kill it.

`small_training.py TRACKER FOLDER STEP LAST WAIT`: goes on from STEP to LAST, an evaluation at every
fourth step, and stays WAIT seconds more.
"""
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from processors.trackers import start  # noqa: E402
from processors.trackers.metrics_file import MetricsFile  # noqa: E402
from processors.trackers.tracker import TrackedRun  # noqa: E402
from utils.log import show_log  # noqa: E402


def tracked_run(tracker: str, folder: Path, step: int = 0, **about) -> TrackedRun:
    settings = {"optim.lr": 0.1, "val.metrics": ["coco"], "data.skeleton": "", "optim.epochs": step}
    return TrackedRun(**{
        "tracker": tracker, "name": "pose", "run_id": "2026-01-02 03:04:05 0a1b2c3d",
        "project": "simplepose", "folder": str(folder), "step": step,
        "start": metrics_of(folder).size(), "began": time.time() - 9, "settings": settings,
        "picture": str(folder / "val.jpg"), "weights": str(folder / "best.pth")} | about)


def metrics_of(folder: Path) -> MetricsFile:
    return MetricsFile(folder / "metrics.jsonl", run="2026-01-02 03:04:05 0a1b2c3d",
                       model_name="pose")


def write(metrics: MetricsFile, step: int) -> None:
    """The lines of a step, whose numbers differ each time it is done."""
    now = time.time()
    metrics.add(kind="train", step=step, epoch=step // 4 + 1, loss=now % 1000 / step,
                accuracy=None, lr=0.125, time=now)
    for weights in ("net", "ema") if step % 4 == 0 else ():
        metrics.add(kind="val", epoch=step // 4, step=step, weights=weights,
                    protocol=f"boxes:   ground truth\nweights: {weights}", AP=now % 7 / 7,
                    **{"AP(M)": 0.5}, time=now)


if __name__ == "__main__":
    show_log()
    start.AT_THE_END = 600
    folder, (step, last, wait) = Path(sys.argv[2]), map(int, sys.argv[3:])
    with start.followed([tracked_run(sys.argv[1], folder, step)]):
        for number in range(step + 1, last + 1):
            write(metrics_of(folder), number)
        time.sleep(wait)
