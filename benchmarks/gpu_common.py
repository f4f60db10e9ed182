"""What the GPU benchmarks share: ready batches, the clock, and the lines they print."""
import json
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

BARS = {"compile / fp32 eager": 2.5, "loop / ready batches": 0.95, "evaluation / computing": 0.8,
        "training epoch / evaluation": 10}
COCO_PERSONS, CLASSIC_EPOCHS, COCO_VAL_PERSONS = 149_813, 180, 6352
INPUT = (192, 256)      # width, height
WARM, STEPS = 4, 8


class Report:
    """Prints and keeps measurements; `good` says whether all bars were reached."""

    def __init__(self, path: Path | None):
        self.path, self.good, self.began = path, True, time.monotonic()

    def __call__(self, kind: str, **values) -> None:
        line = json.dumps({"benchmark": "gpu", "kind": kind, **values,
                           "at_s": round(time.monotonic() - self.began)})
        print(line, flush=True)
        if self.path:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with open(self.path, "a", encoding="utf-8") as file:
                file.write(line + "\n")

    def judge(self, kind: str, name: str, ratio: float, **values) -> None:
        """A measurement that has a bar, by its name in BARS."""
        good = ratio >= BARS[name]
        self.good &= good
        self(kind, ratio=round(ratio, 3), of=name, bar=BARS[name], ok=good, **values)


def seconds_a_call(function: Callable[[], object], calls: int = STEPS, warm: int = WARM) -> float:
    """Mean over `calls` in a row after `warm` ones, until the device has done its work."""
    for _ in range(warm):
        function()
    torch.cuda.synchronize()
    since = time.perf_counter()
    for _ in range(calls):
        function()
    torch.cuda.synchronize()
    return (time.perf_counter() - since) / calls


def recipe_hours(rate: float) -> float:
    """What 180 epochs of COCO's persons, the original's recipe, take at so many a second."""
    return round(COCO_PERSONS * CLASSIC_EPOCHS / rate / 3600, 1)


def ready_batch(batch: int, channels_last: bool) -> tuple[Tensor, Tensor, Tensor]:
    """Images (B, 3, H, W), targets (B, 17, H/4, W/4) and weights (B, 17) on the device."""
    width, height = INPUT
    images = torch.randn(batch, 3, height, width, device="cuda")
    if channels_last:
        images = images.to(memory_format=torch.channels_last)
    targets = torch.rand(batch, 17, height // 4, width // 4, device="cuda")
    return images, targets, torch.ones(batch, 17, device="cuda")
