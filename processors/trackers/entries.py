"""Entries: the lines of metrics.jsonl as trackers get them, under the same names in each."""
import re
import time
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

from processors.trackers.metrics_file import NEEDED, MetricsFile, is_whole

NO_CURVES = "run", "model_name", "kind", "step", "time", "weights", "protocol"


@dataclass(frozen=True)
class Entry:
    """One line. Names are such as train/loss and val/ema/AP."""
    step: int                   # of the optimizer, from 1
    time: float                 # seconds since 1970
    numbers: dict[str, float]
    texts: dict[str, str]       # of an evaluation: what its AP was judged by


def to_entry(line: dict[str, Any]) -> Entry:
    curve = f"{line['kind']}/{line['weights']}" if "weights" in line else line["kind"]
    numbers = {f"{curve}/{tracker_name(name)}": value for name, value in line.items()
               if name not in NO_CURVES and type(value) in (int, float)}
    texts = {f"{curve}/protocol": line["protocol"]} if "protocol" in line else {}
    return Entry(line["step"], line.get("time", time.time()), numbers, texts)


def tracker_name(name: str) -> str:
    """A name with what all trackers take: AP(M) is AP_M, torso PCK@0.1 is torso_PCK_0.1."""
    return re.sub(r"[^A-Za-z0-9._-]+", "_", name).strip("_")


def place(line: dict[str, Any]) -> Hashable:
    """What two lines share of which only one is to be shown. An evaluation may be made again by
    other settings, which its protocol tells."""
    return line["kind"], line.get("weights"), line["step"], line.get("protocol")


def of_old(lines: list[dict[str, Any]], step: int, replaces: bool) -> dict[Hashable, Entry]:
    """What a tracker is told of the lines from before this start of the run, by their places.

    A run that was killed does some steps again, and some stand twice in the file. A tracker that
    replaces what it has begins with the last ones up to `step`, where the run goes on. One that
    can only add has heard of those behind it, too, and keeps to the first ones.
    """
    found: dict[Hashable, dict[str, Any]] = {}
    for line in lines:
        if not replaces:
            found.setdefault(place(line), line)
        elif line["step"] <= step:
            found[place(line)] = line
    return {key: to_entry(line) for key, line in found.items()}


class NewLines:
    """The lines of a run that are added to its metrics.jsonl from a byte on."""

    def __init__(self, metrics: MetricsFile, start: int):
        self.metrics, self.position = metrics, start

    def old(self) -> list[dict[str, Any]]:
        """Those before."""
        return self._parse(self._content(0)[:self.position])

    def read(self) -> list[dict[str, Any]]:
        """Those that came since the last call, as far as they are written to their end."""
        content = self._content(self.position)
        content = content[:content.rfind(b"\n") + 1]
        self.position += len(content)
        return self._parse(content)

    def _content(self, start: int) -> bytes:
        if not self.metrics.path.is_file():
            return b""
        with open(self.metrics.path, "rb") as file:
            file.seek(start)
            return file.read()

    def _parse(self, content: bytes) -> list[dict[str, Any]]:
        lines, _ = self.metrics.parse(content, is_told)     # whoever draws the curves counts them
        return lines


def is_told(line: dict[str, Any]) -> bool:
    """Whether a line can be told to trackers."""
    return is_whole(line) and line["kind"] in NEEDED
