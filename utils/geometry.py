"""Geometry: from a person's box in an image to the network's input, and back.

The four numbers between them are HRNet's: `center` in image pixels and `scale`, the padded
box size / 200. All functions take single items or stacks of them, and equal the official code of
the convention (`utils/alignment.py`) they are asked for.
"""
from collections.abc import Sequence

import numpy as np

from utils.alignment import Alignment, get_alignment

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
    center, scale = np.asarray(center, np.float64), np.asarray(scale, np.float64)
    if not (np.isfinite(center).all() and np.isfinite(scale).all()):
        raise ValueError("a box has a center or scale that is NaN or infinite: remove boxes "
                         "that are not finite before they are cropped")
    rules = get_alignment(alignment)
    source = _anchor_points(center, _source_lengths(center, scale, rules), rotation)
    size = np.asarray(output_size, np.float64) - rules.target_length
    target = _anchor_points(size / 2, size if rules.per_axis else size[[0, 0]], 0.0)
    edges = np.linalg.inv(source[..., 1:, :] - source[..., :1, :])
    linear = np.swapaxes(edges @ (target[1:] - target[:1]), -1, -2)
    offset = target[0] - (linear @ source[..., 0, :, None])[..., 0]
    matrix = np.concatenate([linear, offset[..., None]], axis=-1)
    if flip:
        matrix[..., 0, :] *= -1
        matrix[..., 0, 2] += output_size[0] - 1
    return invert_affine(matrix) if inverse else matrix


def _source_lengths(center: np.ndarray, scale: np.ndarray, rules: Alignment) -> np.ndarray:
    """(..., 2) lengths in the image that become the output; the width counts for both sides
    unless the convention scales each axis."""
    shortest = np.maximum(SHORTEST_SIDE, 1e-6 * np.abs(center).max(axis=-1, keepdims=True))
    lengths = np.maximum(scale * SCALE_UNIT - rules.source_length, shortest)
    return lengths if rules.per_axis else lengths[..., [0, 0]]


def _anchor_points(center: np.ndarray, lengths: np.ndarray, rotation: float | np.ndarray,
                   ) -> np.ndarray:
    """(..., 3, 2): the center, the point half a length above it, and half a length left of that,
    turned. Rounded to float32 as the official points are: it shows on boxes of one pixel."""
    angle = np.radians(rotation)
    up = np.stack([np.sin(angle), -np.cos(angle)], -1) * (lengths[..., 1:] / 2)
    left = np.stack([-np.cos(angle), -np.sin(angle)], -1) * (lengths[..., :1] / 2)
    middle = (center + up).astype(np.float32)
    points = np.stack(np.broadcast_arrays(center, middle, (middle + left).astype(np.float32)), -2)
    return points.astype(np.float64)


def invert_affine(matrix: np.ndarray) -> np.ndarray:
    """(..., 2, 3) affines -> the affines that undo them, float64."""
    linear = np.linalg.inv(np.asarray(matrix, np.float64)[..., :2])
    return np.concatenate([linear, -linear @ matrix[..., 2:]], axis=-1)


def apply_affine(points: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Map points (..., 2) by one affine (2, 3), or (N, ..., 2) by N affines (N, 2, 3).

    Returns float64 of the shape of points.
    """
    points, matrix = np.asarray(points, np.float64), np.asarray(matrix, np.float64)
    lead = matrix.shape[:-2]
    matrix = matrix.reshape(lead + (1,) * (points.ndim - 1 - len(lead)) + (2, 3))
    return (matrix[..., :2] @ points[..., None])[..., 0] + matrix[..., 2]


def flip_keypoints(keypoints: np.ndarray, width: int, flip_order: Sequence[int]) -> np.ndarray:
    """Joints of the mirrored picture: x' = width - 1 - x, left and right joints swapped.

    keypoints: (..., K, 2) pixels of a picture `width` wide. flip_order: `Skeleton.flip_order`
    (use it on visibilities as well). Returns a new array.
    """
    flipped = np.array(keypoints)[..., list(flip_order), :]
    flipped[..., 0] = width - 1 - flipped[..., 0]
    return flipped
