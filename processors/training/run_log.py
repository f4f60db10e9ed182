"""RunLog: where the numbers of a run go: metrics.jsonl, and TensorBoard if asked for."""
import json
import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from utils.files import naming, open_to_append
from utils.json_file import parse_json
from utils.log import log
from utils.shown import counted

LARGEST = 1e15      # of numbers that a picture can show


def _is_number(value: Any) -> bool:
    return value is None or type(value) in (int, float) and abs(value) < LARGEST


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value < LARGEST


NEEDED: dict[str, dict[str, Callable[[Any], bool]]] = {     # of a kind of line
    "train": {"step": _is_count, "loss": _is_number, "lr": _is_number},
    "val": {"epoch": _is_count, "AP": _is_number, "weights": lambda name: type(name) is str}}


def _is_whole(line: dict[str, Any]) -> bool:
    kind = line.get("kind")
    return type(kind) is str and all(key in line and fits(line[key])
                                     for key, fits in NEEDED.get(kind, {}).items())


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
        """All whole lines of this run."""
        return self.metrics.read(_is_whole)


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


class MetricsFile:
    """`metrics.jsonl`: one JSON object a line, only ever appended to."""

    def __init__(self, path: Path, **common: Any):
        self.path, self.common = path, common
        self.foreign = 0        # lines that are none of ours, as said last

    def add(self, **values: Any) -> None:
        values = {name: None if isinstance(value, float) and not math.isfinite(value) else value
                  for name, value in values.items()}     # JSON knows neither NaN nor infinity
        line = json.dumps(self.common | values)
        with naming(self.path), open_to_append(self.path) as file:
            if file.tell():
                file.seek(-1, os.SEEK_END)
                if file.read() != b"\n":
                    file.write(b"\n")      # a kill cut the line before off: not onto that one
            file.write(f"{line}\n".encode())
            file.flush()
            os.fsync(file.fileno())

    def read(self, is_whole: Callable[[dict], bool] = lambda line: True) -> list[dict]:
        """All lines that carry this object's common values. Other programs may write here, too:
        what is no JSON object, such as a line cut off by a kill, or is not whole, is left out and
        counted once."""
        if not self.path.is_file():
            return []
        lines, foreign = [], 0
        with naming(self.path):
            content = self.path.read_bytes()
        for text in content.splitlines():
            try:
                line = parse_json(text)
            except ValueError:
                line = None
            if not isinstance(line, dict):
                foreign += bool(text.strip())
            elif all(line.get(key) == value for key, value in self.common.items()):
                if is_whole(line):
                    lines.append(line)
                else:
                    foreign += 1
        if foreign > self.foreign:
            log.warning("%s: %s left out, of no JSON object, as after a kill, or without what the "
                        "kind has", self.path, counted(foreign, "line"))
        self.foreign = foreign
        return lines
