"""What a training sample costs, as ratios to bare `cv2.imread` of the same images.

    python benchmarks/data_speed.py [--ann persons.json --images folder]

One JSON line for each bar. Everything is CPU time of one thread, so other programs on the
machine matter little; repeats and kinds are interleaved, and the median of each counts.
Without --ann it uses the real images of the tests, or drawn ones where those are not there; the
bars are for photographs.
"""
import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import torch

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.common import add_images, example_set, say
from configs.schema import AugmentConfig
from datasets.annotations.skeleton import load_skeleton
from datasets.coco import MSCOCO
from datasets.pack_writer import write_pack
from datasets.sample import Batch, collate
from processors.runtime.colour_augment import augment_colour
from processors.runtime.normalise import normalise
from utils.heatmap_codec import HeatmapCodec

GEOMETRY = {"rotation": 45.0, "scale": 0.35, "half_body": 0.3}      # HRNet's
COLOUR = {"brightness": 0.3, "contrast": 0.3, "saturation": 0.3, "hue": 10.0, "grey": 0.1,
          "blur": 0.1, "dropout": 0.5}
BARS = {"jpeg": 1.25, "pack_jpeg": 0.42, "pack_raw": 0.22, "device": 0.35}
CODEC = HeatmapCodec()
BATCH = 64
BLOCK = 16      # samples in a row of one kind, as a worker has them
STEPS = 6       # batches in a row on the device


def seconds(function: Callable[[], object]) -> float:
    start = time.thread_time()
    function()
    return time.thread_time() - start


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    add_images(parser)
    parser.add_argument("--persons", type=int, default=200, help="use at most so many")
    parser.add_argument("--repeats", type=int, default=7)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(0)
    with tempfile.TemporaryDirectory() as folder:
        *where, kind = example_set(arguments, Path(folder))
        times = measure(*where, arguments, Path(folder))
    base = times.pop("imread")
    good = True
    for name, value in times.items():
        good &= say("data_speed", f"{name} / imread, {kind} images", value / base,
                    at_most=None if kind == "drawn" else BARS[name],
                    us=round(1e6 * value), imread_us=round(1e6 * base))
    return 0 if good else 1


def measure(ann: Path, root: Path, arguments: argparse.Namespace, folder: Path,
            ) -> dict[str, float]:
    """Seconds a sample: the median over repeats of each block, or of all batches."""
    common = {"skeleton": load_skeleton("coco"), "debug": arguments.persons}
    augment = AugmentConfig(**GEOMETRY)
    plain = MSCOCO(ann, root, **common)
    for form in ("jpeg", "raw"):
        write_pack(folder / form, plain, augment, form, num_workers=2)
    packs = {f"pack_{form}": MSCOCO(ann, root, augment=augment,
                                    pack=folder / form, **common) for form in ("jpeg", "raw")}
    images = MSCOCO(ann, root, augment=augment, **common)

    def imread(keys: list[tuple[int, int]]) -> None:
        for _, index in keys:
            cv2.imread(str(images.image_path(index)))

    datasets = {"jpeg": images} | packs
    found: dict[str, list[list[float]]] = {name: [] for name in ("imread", *datasets, "device")}
    shuffled = np.random.default_rng(0).permutation(len(images)).tolist()
    for repeat in range(arguments.repeats + 1):     # the first one warms up
        for times in found.values():
            times.append([])
        for first in range(0, len(images), BLOCK):
            keys = [(repeat, index) for index in shuffled[first:first + BLOCK]]
            found["imread"][-1].append(seconds(lambda keys=keys: imread(keys)))
            for name, dataset in datasets.items():
                found[name][-1].append(seconds(lambda d=dataset, keys=keys: d.__getitems__(keys)))
        batch = collate([images[repeat, i % len(images)] for i in range(BATCH)])
        memory = torch.empty_like(batch.crop, dtype=torch.float32)
        found["device"][-1] += [seconds(lambda batch=batch, m=memory: on_device(batch, m))
                                for _ in range(STEPS)]
    spent = {name: float(np.median(times[1:], axis=0).sum()) / len(images)
             for name, times in found.items()}
    return spent | {"device": float(np.median(found["device"][1:])) / BATCH}


def on_device(batch: Batch, memory: torch.Tensor) -> None:
    """What the training step does with a batch before the network, with everything on."""
    config = AugmentConfig(**GEOMETRY, **COLOUR)
    normalise(augment_colour(batch.crop, batch.draws, config, memory), "rgb_mean_std", memory)
    CODEC.encode(batch.keypoints, batch.visibility)


if __name__ == "__main__":
    sys.exit(main())
