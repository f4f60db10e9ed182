"""Person detectors: images in, boxes of people out, whatever network is inside."""
import hashlib
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from configs.checks import ensure_ranges
from configs.schema import DetectorConfig
from nets.detectors.torchvision import class_names, load_torchvision_detector
from nets.detectors.yolov5 import SIZES, STRIDES, fuse, set_precision
from nets.detectors.yolov5_weights import load_yolov5
from nets.zoo.weights_by_name import find_weights
from processors.detection.box_nms import select_boxes
from processors.detection.classes import class_numbers
from processors.detection.letterbox import plan_letterbox
from processors.detection.onnx_detector import OnnxDetector
from processors.detection.prepared import Prepared
from processors.runtime.precision import amp_dtype, autocast
from utils.errors import UserError
from utils.rgb import as_rgb


class Detections(NamedTuple):
    """The people in an image, best first."""
    boxes: np.ndarray       # (N, 4) float32, xywh, image pixels, inside the image
    scores: np.ndarray      # (N,) float32


class PersonDetector:
    """`detector(images)` gives the people of each image; made by `build_detector`.

    The two halves can be called apart: `prepare` one image (on the CPU, in any thread; large
    images shrink there), then `find` the people in many.
    """

    def __init__(self, config: DetectorConfig, device: torch.device):
        self.config, self.device = config, device
        is_onnx = config.weights.lower().endswith(".onnx")
        self.network = (OnnxDetector if is_onnx else DETECTORS[config.type])(config, device)

    def __call__(self, images: Sequence[np.ndarray]) -> list[Detections]:
        """Images of any sizes: (H, W, 3) uint8 RGB; grey, RGBA and 16 bits will do (`as_rgb`)."""
        return self.find([self.prepare(image) for image in images])

    def prepare(self, image: np.ndarray) -> Prepared:
        return self.network.prepare(as_rgb(image))

    @torch.inference_mode()
    def find(self, images: Sequence[Prepared]) -> list[Detections]:
        """The people of prepared images, in their order.

        Only images of one shape go through the network together, so that no image is padded
        because of another one and the boxes do not depend on the company.
        """
        places: dict[tuple, list[int]] = {}
        for place, image in enumerate(images):
            places.setdefault(image.pixels.shape, []).append(place)
        found: dict[int, Detections] = {}
        for same in places.values():
            for start in range(0, len(same), self.config.batch_size):
                batch = same[start:start + self.config.batch_size]
                results = self.network.find([images[place] for place in batch])
                for place, (corners, scores) in zip(batch, results, strict=True):
                    found[place] = _people(corners, scores)
        return [found[place] for place in range(len(images))]

    def identity(self) -> dict[str, Any]:
        """What the boxes depend on, as plain values."""
        weights = Path(self.config.weights)
        digest = hashlib.sha256(weights.read_bytes()).hexdigest() if weights.is_file() else ""
        return {**asdict(self.config), "weights": digest, "device": self.device.type}


def _people(corners: np.ndarray, scores: np.ndarray) -> Detections:
    """Boxes xyxy -> xywh; those that the edge of the image left without size are dropped."""
    sizes = corners[:, 2:] - corners[:, :2]
    real = (sizes > 0).all(1)
    return Detections(np.concatenate((corners[:, :2], sizes), 1)[real], scores[real])


class Yolov5:
    """YOLOv5 as its own detection command runs it."""

    def __init__(self, config: DetectorConfig, device: torch.device):
        if config.name and config.name not in SIZES:
            raise UserError(f"detector.name is {config.name!r}; for detector.type yolov5 choose "
                             f"one of: {', '.join(SIZES)}")
        if not config.weights:
            raise UserError("detector.weights is not set: download a file such as yolov5s.pt "
                             "from the releases of YOLOv5 (its licence is AGPL-3.0) and write its "
                             "path, or set detector.type to torchvision")
        if config.image_size % STRIDES[-1]:
            raise UserError(f"detector.image_size is {config.image_size}; write a multiple of "
                             f"{STRIDES[-1]}, such as 640")
        net = load_yolov5(config.weights, config.name)
        self.classes = class_numbers(config.classes, net.class_names, net.num_classes,
                                     config.weights)
        self.config, self.device = config, device
        self.dtype = amp_dtype(config.amp, device) or torch.float32
        self.net = set_precision(fuse(net), self.dtype).to(device)
        self.net.to(memory_format=torch.channels_last)

    def prepare(self, image: np.ndarray) -> Prepared:
        side = self.config.image_size
        letterbox = plan_letterbox(image.shape[1::-1], (side, side), STRIDES[-1])
        return Prepared(letterbox.apply(image), letterbox)

    def find(self, images: Sequence[Prepared]) -> list[tuple[np.ndarray, np.ndarray]]:
        """Images of one shape -> corners (N, 4) xyxy in image pixels and scores (N,) of each."""
        pixels = torch.from_numpy(np.stack([image.pixels for image in images])).to(self.device)
        predictions = self.net(pixels.permute(0, 3, 1, 2).to(self.dtype) / 255)
        config, results = self.config, []
        for image, rows in zip(images, predictions, strict=True):
            rows = select_boxes(rows, config.confidence, config.iou, self.classes,
                                config.max_detections, len(self.classes) > 1).cpu().numpy()
            results.append((image.letterbox.to_image(rows[:, :4]), rows[:, 4]))
        return results


class Torchvision:
    """A detector of torchvision, which scales images itself."""
    longest = 50    # times as long as wide may an image be; scaled, a sliver would be 0 wide

    def __init__(self, config: DetectorConfig, device: torch.device):
        self.device, self.dtype = device, amp_dtype(config.amp, device)
        name = config.name or "fasterrcnn_resnet50_fpn_v2"
        self.net = load_torchvision_detector(name, config.weights, config.confidence, config.iou,
                                             config.max_detections).to(device)
        names = class_names(name)
        self.classes = torch.tensor(class_numbers(config.classes, names, len(names), name),
                                    device=device)

    def prepare(self, image: np.ndarray) -> Prepared:
        width, height = size = image.shape[1::-1]
        room = (max(width, height // self.longest), max(height, width // self.longest))
        letterbox = plan_letterbox(size, room, minimum=False, scale_up=False)
        return Prepared(letterbox.apply(image), letterbox)

    def find(self, images: Sequence[Prepared]) -> list[tuple[np.ndarray, np.ndarray]]:
        """As Yolov5.find."""
        pixels = [torch.from_numpy(image.pixels).to(self.device).permute(2, 0, 1) / 255
                  for image in images]
        with autocast(self.dtype, self.device):
            results = self.net(pixels)
        found = []
        for image, result in zip(images, results, strict=True):
            person = torch.isin(result["labels"], self.classes)
            boxes, scores = (result[key][person].float().cpu().numpy()
                             for key in ("boxes", "scores"))
            found.append((image.letterbox.to_image(boxes, exact=True), scores))
        return found


DETECTORS: dict[str, type[Yolov5] | type[Torchvision]] = {
    "yolov5": Yolov5, "torchvision": Torchvision}


def build_detector(config: DetectorConfig, device: torch.device | str = "cpu") -> PersonDetector:
    """The detector of a Config's section `detector`, ready on the device.

    Raises UserError or FileNotFoundError for settings that cannot work and weights that cannot
    be read or do not fit.
    """
    ensure_ranges(config, "detector.")
    if config.type not in DETECTORS:
        raise UserError(f"detector.type is {config.type!r}; choose one of: {', '.join(DETECTORS)}")
    if config.weights:
        found = find_weights(config.weights, "detector")
        brought = dict(found.published.sections["detector"]) if found.published else {}
        if config.name:     # what the user says of a file is held against it, not passed over
            brought["name"] = config.name
        config = replace(config, **brought, weights=str(found.path))
    return PersonDetector(config, torch.device(device))
