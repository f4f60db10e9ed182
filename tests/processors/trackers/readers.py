"""What a tracker holds, read by its own reader: {name: [(step, number), ...]} in its order."""
import json
import os
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest

from processors.trackers.follower import TRACKERS

Curves = dict[str, list[tuple[int, float]]]


def environment(folder: Path) -> dict[str, str]:
    """Settings of the trackers that keep everything in a folder, and reach no network."""
    return {"WANDB_MODE": "offline", "MLFLOW_TRACKING_URI": f"sqlite:///{folder}/mlflow.db",
            "CLEARML_OFFLINE_MODE": "1", "CLEARML_CACHE_DIR": f"{folder}/clearml",
            "TRACKIO_DIR": f"{folder}/trackio", "HF_HUB_OFFLINE": "1"}


def read_tensorboard(folder: Path, name: str) -> Curves:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    events = EventAccumulator(str(folder / "tensorboard" / name), size_guidance={"scalars": 0})
    events.Reload()
    return {tag: [(event.step, event.value) for event in events.Scalars(tag)]
            for tag in events.Tags()["scalars"]}


def read_wandb(folder: Path, name: str) -> Curves:
    """Of all starts of the only run there. A row's own number never comes twice."""
    rows = []
    for file in sorted(folder.glob("wandb/offline-run-*/*.wandb")):
        said = subprocess.run([sys.executable, "-m", "wandb", "leet", "inspect", "--json", file],
                              capture_output=True, text=True, check=True).stdout
        records = map(json.loads, said.splitlines())
        rows += [record["history"]["item"] for record in records if record["type"] == "history"]
    assert len({row["_step"] for row in rows}) == len(rows)
    return _curves(rows)


def read_mlflow(folder: Path, name: str) -> Curves:
    from mlflow import MlflowClient
    client = MlflowClient(f"sqlite:///{folder}/mlflow.db")
    [experiment] = client.search_experiments(filter_string="name = 'simplepose'")
    [run] = client.search_runs([experiment.experiment_id])
    return {key: [(point.step, point.value) for point in client.get_metric_history(
        run.info.run_id, key)] for key in run.data.metrics}


def read_clearml(folder: Path, name: str) -> Curves:
    """Of the last start, which has all; as Task.import_offline_session reads it."""
    sessions = sorted(folder.glob("clearml/**/offline-*/metrics.jsonl"), key=os.path.getmtime)
    curves = defaultdict(list)
    for line in sessions[-1].read_text().splitlines():
        for event in json.loads(line):
            if event["type"] == "training_stats_scalar":
                curves[event["metric"]].append((event["iter"], event["value"]))
    return curves


READ_TRACKIO = """
import json, sys
from trackio.sqlite_storage import SQLiteStorage
[run] = SQLiteStorage.get_runs("simplepose")
print(json.dumps(SQLiteStorage.get_logs("simplepose", run), default=str))
"""


def read_trackio(folder: Path, name: str) -> Curves:
    said = subprocess.run([sys.executable, "-c", READ_TRACKIO], capture_output=True, text=True,
                          check=True, env=os.environ | environment(folder)).stdout
    return _curves(json.loads(said))


def _curves(rows: list[dict]) -> Curves:
    curves = defaultdict(list)
    for row in rows:
        for key, value in row.items():
            if "/" in key and isinstance(value, int | float):
                curves[key].append((row["step"], value))
    return curves


READERS = {"tensorboard": read_tensorboard, "wandb": read_wandb, "mlflow": read_mlflow,
           "clearml": read_clearml, "trackio": read_trackio}


def lines_by_number(folder: Path) -> dict[tuple[str, int], list[float]]:
    """Of metrics.jsonl: what was written for a name and a step, in this order."""
    found: dict[tuple[str, int], list[float]] = {}
    for text in (folder / "metrics.jsonl").read_text().splitlines():
        line = json.loads(text)
        curve = "train" if line["kind"] == "train" else f"val/{line['weights']}"
        for name, value in line.items():
            if name not in ("step", "time") and isinstance(value, int | float):
                key = f"{curve}/{name.replace('(M)', '_M').replace('(L)', '_L')}", line["step"]
                found.setdefault(key, []).append(value)
    return found


def assert_equal(folder: Path, tracker: str, name: str = "pose") -> None:
    """The tracker has what metrics.jsonl has, each once: of a step done twice the last numbers, or
    the first where it takes nothing back."""
    curves, told = READERS[tracker](folder, name), lines_by_number(folder)
    has = {(curve, step): value for curve, points in curves.items() for step, value in points}
    assert has.keys() == told.keys() and sum(map(len, curves.values())) == len(has)
    last = -1 if TRACKERS[tracker].replaces else 0
    tolerance = 1e-6 if tracker == "tensorboard" else 1e-15       # it keeps float32
    assert has == pytest.approx({key: values[last] for key, values in told.items()}, rel=tolerance)
