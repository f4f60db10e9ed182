"""What finding people costs beside the bare network: letterbox, scaling, NMS, boxes.

    python benchmarks/detector_speed.py [--weights yolov5n.pt] [--ann persons.json --images folder]

YOLOv5n on single images and on batches, one thread, CPU seconds, medians of runs that take turns.
Without --weights the network is a random one; on most images it finds more than trained ones do,
so the NMS has more to do.
"""
import argparse
import json
import sys
import tempfile
from pathlib import Path

import cv2
import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.common import add_images, example_set, medians, say
from configs.schema import DetectorConfig
from datasets.crops.images import read_image
from nets.detectors.yolov5 import YOLOv5
from processors.detection.person_detector import PersonDetector, build_detector
from processors.runtime.parallel import use

BAR = 1.25
BATCH = 8


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    add_images(parser)
    parser.add_argument("--weights", type=Path, help="a YOLOv5 weights file")
    parser.add_argument("--repeats", type=int, default=15)
    options = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    use(torch.device("cpu"))        # as predict does
    with tempfile.TemporaryDirectory() as folder:
        ann, root, kind = example_set(options, Path(folder))
        images = same_shape(ann, root)
        weights = options.weights or random_weights(Path(folder) / "random.pth")
        detector = build_detector(DetectorConfig(weights=str(weights), batch_size=BATCH))
    good = True
    for size in (1, BATCH):
        batches = [images[start:start + size] for start in range(0, BATCH, size)]
        good &= judge(detector, batches, f"batch of {size}", options.repeats, kind)
    return 0 if good else 1


def judge(detector: PersonDetector, batches: list[list[np.ndarray]], name: str, repeats: int,
          kind: str) -> bool:
    ready = [pixels(detector, batch) for batch in batches]

    @torch.inference_mode()
    def bare() -> None:
        for batch in ready:
            detector.network.net(batch)

    seconds = medians({"bare": bare, "whole": lambda: [detector(batch) for batch in batches]},
                      repeats)
    found = sum(len(people.boxes) for batch in batches for people in detector(batch))
    return say("detector_speed", f"detector / network, {name}", seconds["whole"] / seconds["bare"],
               at_most=BAR, images=kind, boxes_an_image=round(found / BATCH, 1),
               ms_an_image=round(1e3 * seconds["whole"] / BATCH, 1))


def pixels(detector: PersonDetector, images: list[np.ndarray]) -> torch.Tensor:
    """(B, 3, H, W) as the network takes it."""
    prepared = np.stack([detector.prepare(image).pixels for image in images])
    return torch.from_numpy(prepared).permute(0, 3, 1, 2).to(detector.network.dtype) / 255


def same_shape(ann: Path, root: Path) -> list[np.ndarray]:
    """BATCH images of one shape, which the detector takes together: some come twice if need be."""
    shapes: dict[tuple, list[str]] = {}
    for row in json.loads(ann.read_bytes())["images"]:
        shapes.setdefault((row["height"], row["width"]), []).append(row["file_name"])
    names = max(shapes.values(), key=len)
    return [read_image(root / names[i % len(names)]) for i in range(BATCH)]


def random_weights(path: Path) -> Path:
    """A YOLOv5n with one class."""
    torch.manual_seed(0)
    net = YOLOv5("yolov5n", num_classes=1)
    for output in net.detect.m:
        torch.nn.init.normal_(output.weight, std=1.0)
        torch.nn.init.normal_(output.bias, std=1.0)
    torch.save(net.state_dict(), path)
    return path


if __name__ == "__main__":
    sys.exit(main())
