"""Trackio, on this machine or wherever its own settings say (TRACKIO_SPACE_ID)."""
from pathlib import Path

from processors.trackers.entries import Entry
from processors.trackers.tracker import TrackedRun


class Trackio:
    replaces = False

    def __init__(self, run: TrackedRun):
        import trackio
        from trackio.remote_client import RemoteClient
        from trackio.sqlite_storage import SQLiteStorage
        self.trackio = trackio
        name = f"{run.name} {run.run_id}"
        self.run = trackio.init(run.project, name, config=run.settings, resume="allow",
                                embed=False, auto_log_cpu=False)
        server = self.run.url
        rows = (RemoteClient(server).predict(run.project, name, api_name="/get_logs") if server
                else SQLiteStorage.get_logs(run.project, name))
        self.known = {(key, row["step"]) for row in rows for key in row}
        self.address = server or f"trackio show --project {run.project}"

    def has(self, number: int, entry: Entry) -> bool:
        return all((name, entry.step) in self.known for name in entry.numbers)

    def add(self, entries: list[Entry]) -> None:
        for entry in entries:
            self.run.log(entry.numbers | entry.texts, step=entry.step)

    def add_picture(self, path: Path, step: int) -> None:
        self.run.log({"predictions": self.trackio.Image(str(path))}, step=step)

    def add_weights(self, path: Path) -> None:
        self.run.log_artifact(path, type="model")

    def close(self, finished: bool) -> None:
        self.run.finish()
