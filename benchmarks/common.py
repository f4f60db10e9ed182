"""What the benchmarks share: images, lines of results, what they ran on, tables in a page."""
import argparse
import json
import os
import platform
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor

from datasets.synthetic.data_set import write_synthetic
from losses.heatmap import weighted_mse
from processors.runtime.precision import autocast
from utils.errors import UserError

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "results.md"
RESULTS = ROOT / "benchmarks" / "results"
INSTRUCTIONS = ("avx2", "avx512f", "avx512_bf16", "amx_bf16")     # oldest first
COCO_SIDE = 640         # the longer side of most images of COCO, pixels
GRAIN = 8.0             # standard deviation of the noise on drawn images, of 255


# ---- measuring ---------------------------------------------------------------------------------

def medians(calls: dict[str, Callable[[], object]], repeats: int,
            clock: Callable[[], float] = time.process_time) -> dict[str, float]:
    """Seconds of each call; they take turns, after a first round that does not count.

    CPU seconds of this process by default, so that other work on the machine counts as little as
    it can.
    """
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(repeats + 1):
        for name, call in calls.items():
            start = clock()
            call()
            seconds[name].append(clock() - start)
    return {name: statistics.median(values[1:]) for name, values in seconds.items()}


def say(benchmark: str, name: str, value: float, *, unit: str = "", at_most: float | None = None,
        at_least: float | None = None, **more: Any) -> bool:
    """Print one JSON line about a ratio, or about a value with a unit; returns whether it keeps
    its bar, if it has one."""
    line = {"benchmark": benchmark, "name": name, "value": round(value, 3), "unit": unit}
    good = True
    if at_most is not None:
        good, line["at_most"] = value <= at_most, at_most
    if at_least is not None:
        good, line["at_least"] = value >= at_least, at_least
    print(json.dumps(line | {"ok": bool(good)} | more), flush=True)
    return bool(good)


def bare_step(model: Callable[[Tensor], Tensor], optimizer: torch.optim.Optimizer, images: Tensor,
              targets: Tensor, weights: Tensor, dtype: torch.dtype | None,
              loss: Callable[..., Tensor] = weighted_mse) -> None:
    """The training step to which loops are compared: nothing is prepared, checked or kept."""
    optimizer.zero_grad(set_to_none=True)
    with autocast(dtype, images.device):
        heatmaps = model(images)
    loss(heatmaps.float(), targets, weights).backward()
    optimizer.step()


# ---- images to measure with --------------------------------------------------------------------

def add_images(parser: argparse.ArgumentParser) -> None:
    """The options that `example_set` reads."""
    parser.add_argument("--ann", type=Path, help="a COCO keypoints file")
    parser.add_argument("--images", type=Path, help="the folder of its images")


def example_set(arguments: argparse.Namespace, folder: Path) -> tuple[Path, Path, str]:
    """(annotation file, folder of images, what they are).

    Those of the options; else the real images that the tests use, where they are on this machine
    (tests/conftest.py); else drawn ones as large as COCO's, written into `folder`.
    """
    if arguments.ann and arguments.images:
        return arguments.ann, arguments.images, "given"
    real = shared_data("coco", "annotations", "person_keypoints_train2017.json")
    if real:
        return real, real.parent.parent / "train2017", "COCO"
    return *draw_large(folder, 160), "drawn"


def shared_data(*parts: str) -> Path | None:
    """A file or folder of the real data that the tests use, where it is on this machine
    (tests/conftest.py)."""
    shared = Path(os.environ.get("SIMPLEPOSE_SHARED", ROOT.parent / "shared")) / "data"
    path = shared.joinpath(*parts)
    return path if path.exists() else None


def draw_large(folder: Path, count: int) -> tuple[Path, Path]:
    """Draw people in images of COCO's size, with grain, so that the files are about as large as
    COCO's and cost as much to read; segments are left out."""
    rng = np.random.default_rng(0)
    images, path = folder / "drawn", folder / "drawn.json"
    write_synthetic(images, path, count, seed=0)
    content = json.loads(path.read_bytes())
    factors = {}
    for row in content["images"]:
        factors[row["id"]] = factor = COCO_SIDE / max(row["width"], row["height"])
        image = cv2.resize(cv2.imread(str(images / row["file_name"])), None, fx=factor, fy=factor)
        row["height"], row["width"] = image.shape[:2]
        image = image + rng.normal(0, GRAIN, (*image.shape[:2], 1))
        cv2.imwrite(str(images / row["file_name"]), image.clip(0, 255).astype(np.uint8))
    for person in content["annotations"]:
        factor = factors[person["image_id"]]
        person["bbox"] = [factor * value for value in person["bbox"]]
        person["keypoints"] = [value if place % 3 == 2 else factor * value
                               for place, value in enumerate(person["keypoints"])]
        person["area"] *= factor ** 2
        del person["segmentation"]
    path.write_text(json.dumps(content))
    return path, images


# ---- results -----------------------------------------------------------------------------------

def circumstances(device: torch.device | str = "cpu") -> dict[str, Any]:
    """When and on what: the date, the versions, the processor and its cores that may be used."""
    return {"date": time.strftime("%Y-%m-%d"), "python": platform.python_version(),
            "torch": torch.__version__, "processor": processor(torch.device(device))}


def processor(device: torch.device) -> str:
    """The GPU's name, or the CPU's with its cores and the newest of the instructions below."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    pairs = (line.partition(":") for line in lines)
    facts = {key.strip(): value.strip() for key, _, value in pairs}
    known = [name for name in INSTRUCTIONS if name in facts.get("flags", "").split()]
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return ", ".join([facts.get("model name", platform.machine()),
                      f"{cores} core{'s' * (cores != 1)}", *known[-1:]])


def markdown_table(rows: Sequence[Sequence[str]]) -> str:
    """The first row is the head. Columns but the first are flush right."""
    head, *body = rows
    line = ["---", *["---:"] * (len(head) - 1)]
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, line, *body))


def replace_section(page: Path, name: str, text: str) -> None:
    """Put `text` between the two comments of `name` in a page, and leave the rest as it is.

    Raises UserError for a page that does not have them, OSError where it cannot be read.
    """
    begin, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->"
    before, found, rest = page.read_text(encoding="utf-8").partition(begin)
    old, closed, after = rest.partition(end)
    if not (found and closed):
        raise UserError(f"{page} has no lines '{begin.strip()}' and '{end}' around the place of "
                         f"this table: put them where it belongs")
    page.write_text(f"{before}{begin}\n{text}\n\n{end}{after}", encoding="utf-8")
