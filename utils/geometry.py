"""Geometry: from a person's box in an image to the network's input, and back.

The four numbers between them are HRNet's: `center` in image pixels and `scale`, the padded
box size / 200. All functions take single items or stacks of them, and equal the official code of
the convention (`utils/alignment.py`) they are asked for.
"""
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from utils.alignment import ALIGNMENTS, Alignment, get_alignment
from utils.errors import UserError

SCALE_UNIT = 200.0       # image pixels per unit of scale
SHORTEST_SIDE = 0.01     # image pixels; a box without extent becomes a tiny crop, not x / 0


@dataclass(frozen=True)
class CropGeometry:
    """What every crop of a run has in common. Whoever makes, packs or reads crops takes this one
    value, so that size and pixel convention cannot come from two places.

    Raises UserError for an unknown alignment.
    """
    input_size: tuple[int, int] = (192, 256)    # of the crop, (width, height)
    alignment: str = "hrnet"                    # pixel convention of boxes and warp

    def __post_init__(self) -> None:
        object.__setattr__(self, "input_size", (self.input_size[0], self.input_size[1]))
        get_alignment(self.alignment)

    @property
    def rules(self) -> Alignment:
        return ALIGNMENTS[self.alignment]

    def center_scale(self, boxes_xywh: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """`box_to_center_scale` of boxes (..., 4)."""
        return box_to_center_scale(boxes_xywh, self.input_size, alignment=self.alignment)

    def matrix(self, center: np.ndarray, scale: np.ndarray, rotation: float | np.ndarray = 0.0,
               flip: bool = False) -> np.ndarray:
        """`affine_matrix` from image pixels to input pixels."""
        return affine_matrix(center, scale, rotation, self.input_size, alignment=self.alignment,
                             flip=flip)


def clean_box(box_xywh: Sequence[float] | np.ndarray, image_size: tuple[int, int],
              alignment: str = "hrnet", area: float | None = None) -> np.ndarray | None:
    """Cut an annotated box to its image, as the ground-truth loaders do.

    box_xywh: 4 numbers, image pixels. image_size: (width, height). area: of the annotation,
    width * height of the box if not given. Returns 4 float64, xywh (the hrnet and udp forms
    are one pixel smaller than the annotation), or None for a box that cannot be used: without
    extent or area, outside the image, or not numbers.
    """
    x, y, w, h = (float(value) for value in box_xywh)
    area = w * h if area is None else area
    left, top = max(0.0, x), max(0.0, y)
    right = min(image_size[0] - 1.0, left + max(0.0, w - 1))
    bottom = min(image_size[1] - 1.0, top + max(0.0, h - 1))
    usable = np.isfinite((x, y, w, h)).all() and w > 0 and h > 0 and area > 0
    if not usable or right < left or bottom < top:
        return None
    grow = get_alignment(alignment).clean_box_grow
    return np.array([left, top, right - left + grow, bottom - top + grow])


def box_to_center_scale(box_xywh: np.ndarray, input_size: tuple[int, int] = (192, 256),
                        padding: float = 1.25, alignment: str = "hrnet",
                        ) -> tuple[np.ndarray, np.ndarray]:
    """Widen boxes to the aspect of the input and pad them.

    box_xywh: (..., 4) image pixels. input_size: (width, height). Returns center (..., 2) image
    pixels and scale (..., 2) padded size / 200, both float32. A box whose centre x is exactly
    -1 is not padded: the official loaders take -1 for "no box", and AP depends on it.
    """
    x, y, w, h = np.moveaxis(np.asarray(box_xywh, dtype=np.float64), -1, 0)
    off = get_alignment(alignment).box_length
    center = np.stack([x + (w - off) * 0.5, y + (h - off) * 0.5], axis=-1).astype(np.float32)
    aspect = input_size[0] / input_size[1]
    size = np.stack([np.maximum(w, h * aspect), np.maximum(h, w / aspect)], axis=-1)
    scale = (size / SCALE_UNIT).astype(np.float32)
    padded = np.where(center[..., :1] == -1, scale, scale * np.float32(padding))
    return center, padded


def padded_area(scale: np.ndarray) -> np.ndarray:
    """(..., 2) scale -> (...) float64 area of the padded box, image pixels squared."""
    scale = np.asarray(scale, np.float64)
    return scale[..., 0] * scale[..., 1] * SCALE_UNIT ** 2


def affine_matrix(center: np.ndarray, scale: np.ndarray, rotation: float | np.ndarray = 0.0,
                  output_size: tuple[int, int] = (192, 256), inverse: bool = False,
                  alignment: str = "hrnet", flip: bool = False) -> np.ndarray:
    """Affine from image pixels to pixels of the crop or heatmap.

    center, scale: (..., 2) of `box_to_center_scale`. rotation: (...) degrees; positive turns
    the picture counter-clockwise. output_size: (width, height). inverse: from output to image.
    flip: the crop mirrored after the warp, x' = width - 1 - x. Returns (..., 2, 3) float64.
    Raises UserError for a center or scale that is not finite.
    """
    rules = get_alignment(alignment)
    center, scale = np.asarray(center, np.float64), np.asarray(scale, np.float64)
    if not np.isfinite(center.sum() + scale.sum()):
        raise UserError("a box has a center or scale that is NaN or infinite: remove boxes "
                        "that are not finite before they are cropped")
    if center.ndim == 1 and np.ndim(rotation) == 0:     # a loader's one sample
        matrix = np.array(_affine(center.tolist(), scale.tolist(), float(rotation), output_size,
                                  rules, flip))
    else:   # one by one: on arrays of one sample numpy takes three times as long as floats
        lead = np.broadcast_shapes(center.shape[:-1], scale.shape[:-1], np.shape(rotation))
        views = zip(np.broadcast_to(center, (*lead, 2)).reshape(-1, 2).tolist(),
                    np.broadcast_to(scale, (*lead, 2)).reshape(-1, 2).tolist(),
                    np.broadcast_to(rotation, lead).ravel().tolist(), strict=True)
        matrix = np.array([_affine(*view, output_size, rules, flip) for view in views])
        matrix = matrix.reshape(*lead, 2, 3)
    return invert_affine(matrix) if inverse else matrix


def _affine(center: list[float], scale: list[float], rotation: float,
            output_size: tuple[int, int], rules: Alignment, flip: bool,
            ) -> list[list[float]]:
    """The two rows of one affine."""
    x, y = center
    shortest = max(SHORTEST_SIDE, 1e-6 * max(abs(x), abs(y)))
    # width and height in the image that become the output; the width counts for both unless
    # the convention scales each axis
    width, height = (max(side * SCALE_UNIT - rules.source_length, shortest) for side in scale)
    height = height if rules.per_axis else width
    # three points of the image: the center, one above it, and one to the left of that. That one
    # is found from the rounded second, as officially: together they are a similarity
    angle = math.radians(rotation)
    above_x = _round32(x + math.sin(angle) * height / 2)
    above_y = _round32(y - math.cos(angle) * height / 2)
    up_x, up_y, aspect = above_x - x, above_y - y, width / height
    diagonal_x = _round32(above_x + up_y * aspect) - x
    diagonal_y = _round32(above_y - up_x * aspect) - y
    # and where they belong in the output solve for the affine
    target_width = output_size[0] - rules.target_length
    target_height = output_size[1] - rules.target_length
    area = up_x * diagonal_y - up_y * diagonal_x
    half_x = target_width / 2 / area
    half_y = (target_height if rules.per_axis else target_width) / 2 / area
    xx, xy = half_x * up_y, -half_x * up_x
    yx, yy = half_y * (up_y - diagonal_y), half_y * (diagonal_x - up_x)
    x_offset = target_width / 2 - xx * x - xy * y
    y_offset = target_height / 2 - yx * x - yy * y
    if flip:
        xx, xy, x_offset = -xx, -xy, output_size[0] - 1 - x_offset
    return [[xx, xy, x_offset], [yx, yy, y_offset]]


def _round32(value: float) -> float:
    """Rounded to float32, as the official points are; it shows on boxes of one pixel."""
    return float(np.float32(value))


def invert_affine(matrix: np.ndarray) -> np.ndarray:
    """(..., 2, 3) affines -> the affines that undo them, float64."""
    matrix = np.asarray(matrix, np.float64)
    (xx, xy, x_offset), (yx, yy, y_offset) = np.moveaxis(matrix, (-2, -1), (0, 1))
    inverse = np.array([[yy, -xy, xy * y_offset - yy * x_offset],
                        [-yx, xx, yx * x_offset - xx * y_offset]]) / (xx * yy - xy * yx)
    return np.moveaxis(inverse, (0, 1), (-2, -1))


def apply_affine(points: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Map points (..., 2) by one affine (2, 3), or (N, ..., 2) by N affines (N, 2, 3).

    Returns float64 of the shape of points.
    """
    points, matrix = np.asarray(points, np.float64), np.asarray(matrix, np.float64)
    lead = matrix.shape[:-2]
    matrix = matrix.reshape(lead + (1,) * (points.ndim - 1 - len(lead)) + (2, 3))
    return (matrix[..., :2] @ points[..., None])[..., 0] + matrix[..., 2]
