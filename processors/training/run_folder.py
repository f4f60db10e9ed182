"""RunFolder: the files of a run, which lie in `val.weight_path` and are named after it."""
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from processors.models.checkpoint import (
    keep_as_old,
    load_checkpoint,
    load_last,
    prepare_folder,
    previous,
    save_checkpoint,
    set_aside,
)
from processors.runtime.run_lock import RunLock
from utils.errors import UserError
from utils.outputs import (
    ensure_appendable,
    ensure_no_link,
    ensure_not_kept,
    ensure_replaceable,
)

TEMPERATURE = "visibility.temperature"      # of nets/pose/visibility.py


class RunFolder:
    """Read by every process of a run; held, and written to, by process 0 alone."""

    def __init__(self, path: str, model_name: str, rank: int, inputs: Sequence[str] = ()):
        """inputs: files that the run reads, and so never writes."""
        self.inputs = inputs
        self.path, self.model_name, self.rank = Path(path), model_name, rank
        self.last, self.best = self._named("last.pth"), self._named("best.pth")
        self.results, self.curves = self._named("results.json"), self._named("curves.png")
        self.pictures = self._named("val.jpg")
        self.lock: RunLock | None = None

    def _named(self, ending: str) -> Path:
        return self.path / f"{self.model_name}_{ending}"

    def hold(self) -> None:
        """Keep other processes out of the run. Raises UserError where one of them has it, and
        OSError where nothing can be written."""
        if self.rank == 0:
            self._ensure_ours()
            self.lock = prepare_folder(self.path, self.model_name)

    @contextmanager
    def held(self) -> Iterator[None]:
        """`hold` it, and `release` it at the end. Raises UserError, too, where the folder is moved
        or removed meanwhile, which shows at whatever is written next."""
        self.hold()
        try:
            yield
        except (FileNotFoundError, NotADirectoryError):
            if self.lock:
                self.lock.ensure_folder()
            raise
        finally:
            self.release()

    def _ensure_ours(self) -> None:
        """Raise UserError where something of others, or a link, lies under a name of the run, and
        OSError where what is there could not be written at its time. What is left of `last` may be
        damaged: `load` sees to it."""
        option, metrics = "val.weight_path and model_name", self.path / "metrics.jsonl"
        kinds = {self.best: "checkpoint", previous(self.last): "checkpoint",
                 self.results: "keypoint results", self.curves: "picture",
                 self.pictures: "picture", metrics: "metrics"}
        for path in (*kinds, self.last):
            ensure_no_link(path, option)
            ensure_not_kept(path, option)
        for path, kind in kinds.items():
            ensure_replaceable(path, kind, option, self.inputs)
        if self.last.is_dir():
            ensure_replaceable(self.last, "checkpoint", option)
        if metrics.exists() and os.access(self.path, os.W_OK):      # else the folder is told
            ensure_appendable(metrics, option)

    def ensure_no_input(self, pretrained: str | bool) -> None:
        """Raise UserError where a new run would overwrite the weights that it begins with."""
        if isinstance(pretrained, str) and os.path.realpath(pretrained) in map(
                os.path.realpath, (self.last, previous(self.last), self.best)):
            raise UserError(f"model.pretrained: {pretrained} is a file of the run itself, which a "
                            f"new one writes again: choose another model_name or val.weight_path")

    def release(self) -> None:
        if self.lock:
            self.lock.release()

    def ensure_checkpoint(self) -> None:
        """Raise FileNotFoundError where there is none, which resume=true needs."""
        if not (self.last.is_file() or previous(self.last).is_file()):
            raise FileNotFoundError(f"resume is true, but {self.last} does not exist; "
                                    f"set resume=auto to start from the beginning")

    def load(self) -> dict[str, Any] | None:
        """The last whole checkpoint, None if there is none."""
        return load_last(self.last)

    def save(self, state: dict[str, Any]) -> None:
        self._write(state, self.last, keep_previous=True)

    def save_best(self, state: dict[str, Any]) -> None:
        """The weights of key ema, with the temperature that their evaluation, key best, found for
        the visibility of joints, if they tell it."""
        weights, found = state["ema"], state["best"].get("temperature")
        if found:
            weights = weights | {TEMPERATURE: weights[TEMPERATURE] * found}
        self._write(state | {"ema": weights}, self.best)

    def _write(self, state: dict[str, Any], path: Path, keep_previous: bool = False) -> None:
        if self.lock:       # process 0
            self.lock.ensure_held()
            save_checkpoint(state, path, keep_previous)

    def in_words(self) -> str:
        """What there is for the user, by its names."""
        weights = f"weights {self.best}" if self.best.is_file() else (
            f"{self.best.name}, which had it, is not there any more, only the last weights "
            f"{self.last}")
        beside = [path.name for path in (self.curves, self.pictures) if path.is_file()]
        return weights + (
            f"; curves and predictions beside it as {' and '.join(beside)}" if beside else "")

    def keep_older(self, *paths: Path) -> None:
        """Rename what an older run has written there."""
        if self.rank == 0:
            keep_as_old(*paths)

    def set_ruined_aside(self, step: int) -> str:
        """Rename checkpoints that hold the weights of `step`, which have proved to be ruined: the
        same command would go on from them to the same end. Returns what is left, in words, in
        process 0."""
        if self.rank != 0:
            return ""
        paths = [path for path in (self.last, previous(self.last)) if path.is_file()]
        steps = {path: load_checkpoint(path)["step"] for path in paths}
        ruined = set_aside("ruined", *(path for path in paths if steps[path] >= step))
        words = "".join(f"{path.name} held these weights already and is now {new.name}; "
                        for path, new in ruined.items())
        whole = [steps[path] for path in paths if path not in ruined]
        return words + (f"the same command goes on from step {whole[0]}" if whole else
                        "no checkpoint from before is left, the same command starts over")
