"""Weights & Biases; its own settings say where, and whether online (WANDB_MODE=offline)."""
from pathlib import Path

from processors.trackers.entries import Entry
from processors.trackers.tracker import TrackedRun
from processors.trackers.wandb_file import rows_in


class Wandb:
    """Its rows have rising numbers of their own: the n-th entry is row 2n, and the picture behind
    it 2n + 1. So the last row tells how many entries it has."""
    replaces = False

    def __init__(self, run: TrackedRun):
        import wandb
        self.image, self.name = wandb.Image, run.name
        offline = wandb.setup().settings.mode == "offline"
        # offline each start has a file of its own, which `wandb sync` puts together
        rows = [row for file in Path(run.folder, "wandb").glob(f"offline-run-*-{run.key}/*.wandb")
                for row in rows_in(file)] if offline else []
        self.run = wandb.init(
            project=run.project, name=run.name, id=run.key, dir=run.folder,
            resume=None if offline else "allow", settings=wandb.Settings(console="off", quiet=True))
        next_row = max(rows, default=-1) + 1 if offline else self.run.step
        self.told = (next_row + 1) // 2         # entries
        self.known = self.told
        self.address = f"wandb sync {Path(self.run.dir).parent}" if offline else self.run.url
        self.run.config.update(run.settings, allow_val_change=True)
        self.run.define_metric("step", hidden=True)
        self.run.define_metric("*", step_metric="step")

    def has(self, number: int, entry: Entry) -> bool:
        return number < self.known

    def add(self, entries: list[Entry]) -> None:
        for entry in entries:
            row = {"step": entry.step, "_timestamp": entry.time} | entry.numbers | entry.texts
            self.run.log(row, step=2 * self.told, commit=True)
            self.told += 1

    def add_picture(self, path: Path, step: int) -> None:
        row = {"step": step, "predictions": self.image(str(path))}
        self.run.log(row, step=2 * self.told - 1, commit=True)

    def add_weights(self, path: Path) -> None:
        self.run.log_artifact(str(path), name=f"{self.name}-best", type="model")

    def close(self, finished: bool) -> None:
        self.run.finish(exit_code=0 if finished else 1)
