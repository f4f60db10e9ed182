"""Geometry: from a person's box in an image to the network's input, and back.

The four numbers between them are HRNet's: `center` in image pixels and `scale`, the padded
box size / 200. All functions take single items or stacks of them, and equal the official code of
the convention (`utils/alignment.py`) they are asked for.
"""
import math
from collections.abc import Callable, Sequence

import numpy as np

from utils.alignment import Alignment, get_alignment
from utils.errors import UserError

SCALE_UNIT = 200.0       # image pixels per unit of scale
SHORTEST_SIDE = 0.01     # image pixels; a box without extent becomes a tiny crop, not x / 0


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


def affine_matrix(center: np.ndarray, scale: np.ndarray, rotation: float | np.ndarray = 0.0,
                  output_size: tuple[int, int] = (192, 256), inverse: bool = False,
                  alignment: str = "hrnet", flip: bool = False) -> np.ndarray:
    """Affine from image pixels to pixels of the crop or heatmap.

    center, scale: (..., 2) of `box_to_center_scale`. rotation: (...) degrees; positive turns
    the picture counter-clockwise. output_size: (width, height). inverse: from output to image.
    flip: the crop mirrored after the warp, x' = width - 1 - x. Returns (..., 2, 3) float64.
    Raises ValueError for a center or scale that is not finite.
    """
    rules = get_alignment(alignment)
    center, scale = np.asarray(center, np.float64), np.asarray(scale, np.float64)
    if not np.isfinite(center.sum() + scale.sum()):
        raise UserError("a box has a center or scale that is NaN or infinite: remove boxes "
                         "that are not finite before they are cropped")
    if center.ndim == 1 and np.ndim(rotation) == 0:     # a loader's one sample: floats are quick
        angle = math.radians(rotation)
        (x, y), (scale_x, scale_y) = center.tolist(), scale.tolist()
        entries = _affine(x, y, scale_x, scale_y, math.sin(angle), math.cos(angle),
                          output_size, rules, flip, max, _round32)
        matrix = np.array(entries).reshape(2, 3)
    else:
        angles = np.radians(rotation)
        entries = _affine(center[..., 0], center[..., 1], scale[..., 0], scale[..., 1],
                          np.sin(angles), np.cos(angles), output_size, rules, flip, np.maximum,
                          _round32_array)
        matrix = _matrix(*entries)
    return invert_affine(matrix) if inverse else matrix


def _affine(x, y, scale_x, scale_y, sin, cos, output_size: tuple[int, int], rules: Alignment,
            flip: bool, largest: Callable, round32: Callable) -> tuple:
    """The six entries, row by row, of floats or of arrays with the functions for them."""
    shortest = largest(SHORTEST_SIDE, 1e-6 * largest(abs(x), abs(y)))
    # width and height in the image that become the output; the width counts for both unless
    # the convention scales each axis
    width = height = largest(scale_x * SCALE_UNIT - rules.source_length, shortest)
    if rules.per_axis:
        height = largest(scale_y * SCALE_UNIT - rules.source_length, shortest)
    # three points of the image: the center, one above it, and one to the left of that
    above_x, above_y = round32(x + sin * height / 2), round32(y - cos * height / 2)
    left_x, left_y = round32(above_x - cos * width / 2), round32(above_y - sin * width / 2)
    # and where they belong in the output solve for the affine
    target_width = output_size[0] - rules.target_length
    target_height = output_size[1] - rules.target_length
    up_x, up_y, diagonal_x, diagonal_y = above_x - x, above_y - y, left_x - x, left_y - y
    area = up_x * diagonal_y - up_y * diagonal_x
    half_x = target_width / 2 / area
    half_y = (target_height if rules.per_axis else target_width) / 2 / area
    xx, xy = half_x * up_y, -half_x * up_x
    yx, yy = half_y * (up_y - diagonal_y), half_y * (diagonal_x - up_x)
    x_offset = target_width / 2 - xx * x - xy * y
    y_offset = target_height / 2 - yx * x - yy * y
    if flip:
        xx, xy, x_offset = -xx, -xy, output_size[0] - 1 - x_offset
    return xx, xy, x_offset, yx, yy, y_offset


def _round32(value: float) -> float:
    """Rounded to float32, as the official points are; it shows on boxes of one pixel."""
    return float(np.float32(value))


def _round32_array(value: np.ndarray) -> np.ndarray:
    return np.asarray(value, np.float32).astype(np.float64)


def _matrix(*entries: np.ndarray) -> np.ndarray:
    """Six numbers or arrays (...), row by row -> (..., 2, 3) float64."""
    matrix = np.empty(np.broadcast_shapes(*(np.shape(entry) for entry in entries)) + (6,))
    for i, entry in enumerate(entries):
        matrix[..., i] = entry
    return matrix.reshape(matrix.shape[:-1] + (2, 3))


def invert_affine(matrix: np.ndarray) -> np.ndarray:
    """(..., 2, 3) affines -> the affines that undo them, float64."""
    matrix = np.asarray(matrix, np.float64)
    (xx, xy, x_offset), (yx, yy, y_offset) = np.moveaxis(matrix, (-2, -1), (0, 1))
    area = xx * yy - xy * yx
    return _matrix(yy / area, -xy / area, (xy * y_offset - yy * x_offset) / area,
                   -yx / area, xx / area, (yx * x_offset - xx * y_offset) / area)


def apply_affine(points: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Map points (..., 2) by one affine (2, 3), or (N, ..., 2) by N affines (N, 2, 3).

    Returns float64 of the shape of points.
    """
    points, matrix = np.asarray(points, np.float64), np.asarray(matrix, np.float64)
    lead = matrix.shape[:-2]
    matrix = matrix.reshape(lead + (1,) * (points.ndim - 1 - len(lead)) + (2, 3))
    return (matrix[..., :2] @ points[..., None])[..., 0] + matrix[..., 2]
