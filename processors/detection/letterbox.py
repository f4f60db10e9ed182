"""Letterbox: an image scaled into a detector's input without changing its shape, the rest grey.

The rules are those of YOLOv5, whose boxes depend on every rounding here.
"""
from dataclasses import dataclass

import cv2
import numpy as np

GREY = 114


@dataclass(frozen=True)
class Letterbox:
    """Where an image lies in the network input; all sizes are (width, height) in pixels."""
    source: tuple[int, int]
    resized: tuple[int, int]            # the image in the input
    gain: tuple[float, float]           # input pixels per image pixel, x and y
    pad: tuple[float, float]            # half of the grey in x and y; may end in .5
    output: tuple[int, int]             # the network input

    @property
    def borders(self) -> tuple[int, int, int, int]:
        """Grey pixels (left, top, right, bottom); an odd one is at the right or the bottom."""
        (x, y), (width, height) = self.pad, self.resized
        left, top = int(x), int(y)
        return left, top, self.output[0] - width - left, self.output[1] - height - top

    def apply(self, image: np.ndarray) -> np.ndarray:
        """(H, W, 3) uint8 -> (height, width, 3) uint8 of `output`."""
        assert image.shape[1::-1] == self.source
        if self.resized != self.source:
            image = cv2.resize(image, self.resized, interpolation=cv2.INTER_LINEAR)
        left, top, right, bottom = self.borders
        return cv2.copyMakeBorder(image, top, bottom, left, right, cv2.BORDER_CONSTANT,
                                  value=(GREY, GREY, GREY))

    def to_image(self, boxes: np.ndarray, exact: bool = False) -> np.ndarray:
        """Boxes (N, 4) xyxy in input pixels -> (N, 4) float32 xyxy in image pixels, cut to it.

        YOLOv5's detections use gain and padding worked out anew from the two sizes, which is
        off by up to half an input pixel; `exact` uses those that `apply` used.
        """
        gain, pad = self.gain, self.pad
        if not exact:
            (out_width, out_height), (width, height) = self.output, self.source
            ratio = min(out_width / width, out_height / height)
            gain = (ratio, ratio)
            pad = ((out_width - width * ratio) / 2, (out_height - height * ratio) / 2)
        pads, gains = np.array(pad * 2, np.float32), np.array(gain * 2, np.float32)
        boxes = (np.asarray(boxes, np.float32) - pads) / gains
        return np.clip(boxes, 0, np.array(self.source * 2, np.float32))


def plan_letterbox(source: tuple[int, int], target: tuple[int, int] = (640, 640),
                   stride: int = 32, minimum: bool = True, scale_up: bool = True,
                   stretch: bool = False) -> Letterbox:
    """How an image of the size `source` fits into `target`; sizes are (width, height).

    minimum: pad only to the next multiple of `stride`, so that the output is the smallest
    rectangle the network takes. scale_up: enlarge small images. stretch: fill all of `target`
    and change the shape of the image.
    """
    gain_x, gain_y = target[0] / source[0], target[1] / source[1]
    if stretch:
        return Letterbox(source=source, resized=target, gain=(gain_x, gain_y), pad=(0.0, 0.0),
                         output=target)
    gain = min(gain_x, gain_y) if scale_up else min(gain_x, gain_y, 1.0)
    # a sliver keeps one pixel
    width, height = max(round(source[0] * gain), 1), max(round(source[1] * gain), 1)
    spare_x, spare_y = target[0] - width, target[1] - height
    if minimum:
        spare_x, spare_y = spare_x % stride, spare_y % stride
    return Letterbox(source=source, resized=(width, height), gain=(gain, gain),
                     pad=(spare_x / 2, spare_y / 2), output=(width + spare_x, height + spare_y))
