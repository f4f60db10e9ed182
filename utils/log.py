"""What a person reads: plain lines in files, bars on terminals, and metrics as JSON lines."""
import json
import logging
import math
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tqdm import tqdm

from utils.files import naming, open_to_append, write_to_stdout

log = logging.getLogger("simplepose")


class _AboveBars(logging.Handler):
    """Writes lines to stdout without tearing a progress bar that is on the terminal."""

    def emit(self, record: logging.LogRecord) -> None:
        show(self.format(record))


def show(text: str) -> None:
    """Write lines to stdout, above a progress bar that is on the terminal; see write_to_stdout."""
    write_to_stdout(lambda: tqdm.write(text, file=sys.stdout))


def show_log(rank: int = 0) -> None:
    """Send the log to stdout, from process 0 only. Called again it only sets the rank."""
    if not log.handlers:
        handler = _AboveBars()
        handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%Y-%m-%d %H:%M:%S"))
        log.addHandler(handler)
        log.propagate = False
    log.setLevel(logging.INFO if rank == 0 else logging.ERROR)


LINE_SECONDS = 30       # between two lines of progress in a log file


def on_terminal() -> bool:
    return sys.stderr is not None and sys.stderr.isatty()


def bar(items: Iterable | None, name: str, total: int | None = None, rank: int = 0,
        initial: int = 0) -> tqdm:
    """A progress bar on a terminal; the bare iteration elsewhere and in other processes.

    items: None for a bar that is moved by hand.
    """
    return tqdm(items, desc=name, total=total, initial=initial, leave=False, dynamic_ncols=True,
                disable=rank != 0 or not on_terminal())


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

    def read(self) -> list[dict]:
        """All lines that carry this object's common values. Other programs may write here, too:
        what is no JSON object, such as a line cut off by a kill, is left out and counted once."""
        if not self.path.is_file():
            return []
        lines, foreign = [], 0
        with naming(self.path):
            content = self.path.read_bytes()
        for text in content.splitlines():
            try:
                line = json.loads(text)
            except (ValueError, RecursionError):    # RecursionError: nested thousands deep
                line = None
            if not isinstance(line, dict):
                foreign += bool(text.strip())
            elif all(line.get(key) == value for key, value in self.common.items()):
                lines.append(line)
        if foreign > self.foreign:
            log.warning("%s: %d lines are no JSON objects, as after a kill, and are left out",
                        self.path, foreign)
        self.foreign = foreign
        return lines
