"""MLflow, wherever its own settings say (MLFLOW_TRACKING_URI)."""
import os
from pathlib import Path
from typing import Any

from processors.trackers.entries import Entry
from processors.trackers.mlflow_database import alone_with
from processors.trackers.tracker import TrackedRun
from utils.shown import shortened

TAG = "simplepose.run"          # by which a run is found again
MOST = 1000, 100, 5000          # numbers and settings a call, characters of a text


class Mlflow:
    replaces = False

    def __init__(self, run: TrackedRun):
        import mlflow
        from mlflow.entities import Metric, Param, RunTag
        self.metric, self.tag = Metric, RunTag
        name = os.environ.get("MLFLOW_EXPERIMENT_NAME", run.project)
        with alone_with(mlflow.get_tracking_uri()):
            self.client = mlflow.MlflowClient()
            shown = self._run_of(run, name)
        self.id = shown.info.run_id
        self.address = f"{self.client.tracking_uri}, experiment {name}, run {self.id}"
        self.known = {(key, point.step) for key in shown.data.metrics
                      for point in self.client.get_metric_history(self.id, key)}
        self.client.update_run(self.id, "RUNNING")
        settings = {key: shortened(str(value), MOST[2]) for key, value in run.settings.items()}
        before = shown.data.params
        new = [Param(key, value) for key, value in settings.items() if key not in before]
        changed = [RunTag(f"changed/{key}", value) for key, value in settings.items()
                   if before.get(key, value) != value]      # a param never changes
        for begin in range(0, max(len(new), len(changed)), MOST[1]):
            some = slice(begin, begin + MOST[1])
            self.client.log_batch(self.id, params=new[some], tags=changed[some])

    def _run_of(self, run: TrackedRun, name: str) -> Any:
        """The run of an earlier start, or a new one, in the experiment of that name."""
        experiment = self.client.get_experiment_by_name(name)
        place = experiment.experiment_id if experiment else self.client.create_experiment(name)
        found = self.client.search_runs([place], f"tags.`{TAG}` = '{run.key}'")
        return found[0] if found else self.client.create_run(place, tags={TAG: run.key},
                                                             run_name=run.name)

    def has(self, number: int, entry: Entry) -> bool:
        return all((name, entry.step) in self.known for name in entry.numbers)

    def add(self, entries: list[Entry]) -> None:
        metrics: list[Any] = []
        texts: dict[str, str] = {}
        for entry in entries:
            if len(metrics) + len(entry.numbers) > MOST[0]:     # an entry is not divided
                self.client.log_batch(self.id, metrics)
                metrics = []
            metrics += [self.metric(name, value, round(1000 * entry.time), entry.step)
                        for name, value in entry.numbers.items()]
            texts |= entry.texts
        tags = [self.tag(name, text) for name, text in texts.items()]
        self.client.log_batch(self.id, metrics, tags=tags)

    def add_picture(self, path: Path, step: int) -> None:
        self.client.log_artifact(self.id, str(path), "pictures")

    def add_weights(self, path: Path) -> None:
        self.client.log_artifact(self.id, str(path), "weights")

    def close(self, finished: bool) -> None:
        self.client.set_terminated(self.id, "FINISHED" if finished else "KILLED")
