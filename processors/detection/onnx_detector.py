"""Detectors in ONNX files, as the export commands of YOLOv5, YOLOv8 to YOLO26 and YOLOX give them.

The form is told by the shape of the one output, for an input of S x S pixels and C classes:

| form | output | a row | input |
|---|---|---|---|
| YOLOv8, YOLO11, YOLO26 | (B, 4 + C, N) | box, probability of each class | RGB in 0..1, centred |
| these with nms=True, YOLO26 with nms=False | (B, M, 6) | corners, probability, class | the same |
| YOLOv5 | (B, 3 N, 5 + C) | box, of an object, of each class given one | as YOLOv8 |
| YOLOX | (B, N, 5 + C) | as YOLOv5 | BGR in 0..255, grey at the right and below |

with N places on grids of strides 8, 16 and 32, M boxes chosen among them, and boxes as centre and
size in input pixels; YOLOX mostly gives them before that, which is told by what they look like.
Pose networks of the first two rows have the numbers of their joints behind these, which are left
out. Nothing in a file is executed but its network.
"""
import ast
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from configs.schema import DetectorConfig
from processors.detection.box_nms import select_boxes
from processors.detection.classes import class_numbers
from processors.detection.letterbox import Letterbox, plan_letterbox
from processors.detection.prepared import Prepared
from processors.models.onnx_session import ImageSession

STRIDES = (8, 16, 32)
FORMS = ("YOLOv8, YOLO11 and YOLO26 (B, 4 + classes, N) or with nms=True (B, N, 6), or without NMS "
         "in it of YOLOv5 and YOLOX (B, N, 5 + classes)")
TASKS = ("detect", "pose")
CERTAIN = 1.001         # the largest probability, with half precision's rounding


class OnnxDetector:
    """A detector of a file, run by onnxruntime."""

    def __init__(self, config: DetectorConfig, device: torch.device):
        """Raises FileNotFoundError or UserError for a file that is none of those above."""
        self.config = config
        if not Path(config.weights).is_file():
            raise FileNotFoundError(f"detector.weights: the file {config.weights} does not exist: "
                                    f"give the path of an ONNX file, as yolo export "
                                    f"format=onnx writes it")
        self.session = ImageSession(
            Path(config.weights), device, f"detector.weights {config.weights}",
            f"give an export of a detector, of {FORMS}")
        height, width = (side or config.image_size for side in self.session.sides)
        self.size = (width, height)
        if max(self.size) > 8192 or any(part % STRIDES[-1] for part in self.size):
            self.session.refuse(f"takes images of {width}x{height} pixels, and the sides must be "
                                f"multiples of {STRIDES[-1]} up to 8192")
        metadata = self.session.metadata
        task = metadata.get("task", TASKS[0])
        if task not in TASKS:
            self.session.refuse(f"is a network for the task {task[:40]!r}, and not for detect or "
                                f"pose")
        names = _names(metadata.get("names", ""))
        self.of_joints = _numbers_of_joints(metadata.get("kpt_shape", "")) if task == "pose" else 0
        self.is_yolox = self.is_raw = self.by_class = self.is_finished = False
        output = self._run(np.full((1, 3, height, width), 114, np.float32))
        classes = self._find_form(output, len(names))
        if names and len(names) != classes:
            self.session.refuse(f"names {len(names)} classes and gives {classes}")
        self.count = classes
        self.classes = class_numbers(config.classes, names, classes, config.weights)

    def prepare(self, image: np.ndarray) -> Prepared:
        letterbox = plan_letterbox(image.shape[1::-1], self.size, minimum=False)
        if self.is_yolox:
            letterbox = replace(letterbox, pad=(0.0, 0.0))
        return Prepared(letterbox.apply(image), letterbox)

    def find(self, images: Sequence[Prepared]) -> list[tuple[np.ndarray, np.ndarray]]:
        """As Yolov5.find."""
        pixels = np.stack([image.pixels for image in images]).transpose(0, 3, 1, 2)
        pixels = pixels[:, ::-1] if self.is_yolox else pixels / 255
        config, results = self.config, []
        for image, rows in zip(images, self._rows(self._run(pixels)), strict=True):
            found = select_boxes(rows, config.confidence, config.iou, self.classes,
                                 config.max_detections, len(self.classes) > 1).numpy()
            results.append((_to_image(image.letterbox, found[:, :4]), found[:, 4]))
        return results

    def _run(self, pixels: np.ndarray) -> Tensor:
        """(B, 3, H, W) -> the file's one output (B, rows, numbers) float32."""
        found = self.session.run(pixels)
        if len(found) != 1 or found[0].ndim != 3 or len(found[0]) != len(pixels):
            self.session.refuse(f"gives the outputs {[list(one.shape) for one in found]}")
        return found[0]

    def _find_form(self, output: Tensor, named: int) -> int:
        """Set the form by the output for a grey image; returns the number of classes. named: of
        them, as a finished output does not show it."""
        places = sum((self.size[0] // stride) * (self.size[1] // stride) for stride in STRIDES)
        rows, numbers = output.shape[1:]
        if numbers == places and rows > 4 + self.of_joints:
            self.by_class = True
            return rows - 4 - self.of_joints
        if rows in (places, 3 * places) and numbers > 5:
            self.is_yolox = rows == places
            if self.is_yolox:       # are centres beside their places, or beside 0?
                centres, (corners, strides) = output[0, :, :2], self._grid()
                shifts = centres / strides - corners
                self.is_raw = bool(centres.abs().mean() < shifts.abs().mean())
            return numbers - 5
        if numbers == 6 + self.of_joints and named:
            self.is_finished = True
            return named
        self.session.refuse(f"gives an output of the shape {tuple(output.shape)} for images of "
                            f"{self.size[0]}x{self.size[1]} pixels")

    def _rows(self, output: Tensor) -> Tensor:
        """The output in the form of YOLOv5: (B, N, 5 + C) in input pixels."""
        if self.by_class:
            boxes, scores, _ = output.transpose(1, 2).tensor_split(
                [4, output.shape[1] - self.of_joints], 2)
            output = torch.cat([boxes, torch.ones_like(boxes[..., :1]), scores], 2)
        if self.is_finished:
            low, high, score, label = output[..., :6].tensor_split([2, 4, 5], 2)
            numbers = torch.arange(self.count, dtype=label.dtype)
            output = torch.cat([(low + high) / 2, high - low, score, (label == numbers).float()], 2)
        if self.is_raw:
            corners, strides = self._grid()
            output = torch.cat([(output[..., :2] + corners) * strides,
                                output[..., 2:4].clamp(max=10).exp() * strides, output[..., 4:]], 2)
        if not (output[..., 4:] <= CERTAIN).all():      # also for NaN
            self.session.refuse("gives probabilities above 1 or NaN, so its output means something "
                                "else")
        return output

    def _grid(self) -> tuple[Tensor, Tensor]:
        """Of YOLOX's places: corner x, y in the unit of the stride (N, 2), and stride (N, 1)."""
        corners, strides = [], []
        for stride in STRIDES:
            y, x = torch.meshgrid(torch.arange(self.size[1] // stride),
                                  torch.arange(self.size[0] // stride), indexing="ij")
            corners.append(torch.stack((x, y), -1).reshape(-1, 2))
            strides.append(torch.full((x.numel(), 1), stride))
        return torch.cat(corners).float(), torch.cat(strides).float()


def _to_image(letterbox: Letterbox, boxes: np.ndarray) -> np.ndarray:
    """Corners in image pixels, by the grey that was really put around it."""
    left, top, *_ = letterbox.borders
    return replace(letterbox, pad=(float(left), float(top))).to_image(boxes, exact=True)


def _names(text: str) -> tuple[str, ...]:
    """Ultralytics' names of the classes, {0: 'person', ...} as Python writes it; () for others."""
    try:
        found = ast.literal_eval(text[:1 << 20])
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return ()
    if isinstance(found, dict):
        found = [found.get(number) for number in range(len(found))]
    known = isinstance(found, list | tuple) and all(isinstance(name, str) for name in found)
    return tuple(found) if known else ()


def _numbers_of_joints(text: str) -> int:
    """How many numbers the joints of Ultralytics' kpt_shape have, "[17, 3]"; 0 for other words."""
    found = re.fullmatch(r"[\[(](\d{1,4}), (\d)[\])]", text)
    return int(found[1]) * int(found[2]) if found else 0
