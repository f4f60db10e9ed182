"""MetricsFile: `metrics.jsonl`, one JSON object a line, only ever appended to."""
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


def is_whole(line: dict[str, Any]) -> bool:
    """Whether a line has what its kind needs."""
    kind = line.get("kind")
    return type(kind) is str and all(key in line and fits(line[key])
                                     for key, fits in NEEDED.get(kind, {}).items())


class MetricsFile:
    def __init__(self, path: Path, **common: Any):
        """common: what each line of this object begins with, and by which it is found again."""
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

    def size(self) -> int:
        """Bytes, 0 where there is none."""
        return self.path.stat().st_size if self.path.is_file() else 0

    def read(self, fits: Callable[[dict], bool] = lambda line: True) -> list[dict]:
        """All lines that carry this object's common values. Other programs may write here, too:
        what is no JSON object, such as a line cut off by a kill, or does not fit, is left out and
        counted once."""
        if not self.path.is_file():
            return []
        with naming(self.path):
            lines, foreign = self.parse(self.path.read_bytes(), fits)
        if foreign > self.foreign:
            log.warning("%s: %s left out, of no JSON object, as after a kill, or without what the "
                        "kind has", self.path, counted(foreign, "line"))
        self.foreign = foreign
        return lines

    def parse(self, content: bytes, fits: Callable[[dict], bool]) -> tuple[list[dict], int]:
        """The lines of a part of the file, as `read`, and how many were left out."""
        lines, foreign = [], 0
        for text in content.splitlines():
            try:
                line = parse_json(text)
            except ValueError:
                line = None
            if not isinstance(line, dict):
                foreign += bool(text.strip())
            elif all(line.get(key) == value for key, value in self.common.items()):
                if fits(line):
                    lines.append(line)
                else:
                    foreign += 1
        return lines, foreign
