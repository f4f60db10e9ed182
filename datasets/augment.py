"""Augmentation: how a person is looked at. All numbers come from the generator handed in.

The distributions are those of HRNet and SimpleBaselines: scale and rotation are clipped
normals, half body shows the upper or the lower part of a person with many visible joints.
Nothing here touches pixels; a view becomes one affine matrix (utils/geometry.py) and one warp.
"""
from dataclasses import dataclass, replace

import numpy as np

from configs.schema import AugmentConfig
from datasets.skeleton import Skeleton
from utils.alignment import get_alignment
from utils.geometry import SCALE_UNIT

HALF_BODY_PADDING = 1.5     # the whole body has 1.25


@dataclass(frozen=True)
class View:
    """The part of an image that becomes a crop."""
    center: np.ndarray      # (2,) float32, image pixels
    scale: np.ndarray       # (2,) float32, padded size / 200
    rotation: float = 0.0   # degrees, positive turns the picture counter-clockwise
    flip: bool = False      # mirror the crop


def draw_view(rng: np.random.Generator, view: View, keypoints: np.ndarray, visibility: np.ndarray,
              skeleton: Skeleton, input_size: tuple[int, int], alignment: str,
              config: AugmentConfig) -> View:
    """Half body, scale, rotation and flip, in this order.

    view: of the whole person. keypoints (K, 2) image pixels, visibility (K,). Every number is
    drawn even if it is not used, so that one setting does not change what the others draw.
    """
    try_half, prefer_upper = rng.random() < config.half_body, rng.standard_normal() < 0.5
    try_half &= np.count_nonzero(visibility) > skeleton.num_joints // 2     # 9 of COCO's 17
    scale, rotation = draw_scale(rng, config.scale), draw_rotation(rng, config)
    flip = bool(rng.random() < config.flip)
    if try_half:
        view = half_body(keypoints, visibility, skeleton, prefer_upper, input_size,
                         alignment) or view
    return replace(view, scale=view.scale * np.float32(scale), rotation=rotation, flip=flip)


def draw_scale(rng: np.random.Generator, factor: float) -> float:
    """N(1, factor) cut at 1 +- factor; above 1 the person becomes smaller in the crop."""
    return 1.0 + factor * min(max(rng.standard_normal(), -1.0), 1.0)


def draw_rotation(rng: np.random.Generator, config: AugmentConfig) -> float:
    """N(0, rotation) degrees cut at 2 factors with probability rotation_prob, otherwise 0."""
    angle = config.rotation * min(max(rng.standard_normal(), -2.0), 2.0)
    return angle if rng.random() < config.rotation_prob else 0.0


def half_body(keypoints: np.ndarray, visibility: np.ndarray, skeleton: Skeleton,
              prefer_upper: bool, input_size: tuple[int, int], alignment: str = "hrnet",
              ) -> View | None:
    """View of the visible upper or lower joints, or None where neither has two.

    The wanted half must have more than 2 visible joints; else the other is taken.
    keypoints (K, 2) image pixels, visibility (K,).
    """
    upper = [joint for joint in skeleton.upper_body if visibility[joint] > 0]
    lower = [joint for joint in skeleton.lower_body if visibility[joint] > 0]
    chosen = upper if (prefer_upper and len(upper) > 2) or len(lower) <= 2 else lower
    if len(chosen) < 2:
        return None
    points = keypoints[chosen].astype(np.float64)
    width, height = np.ptp(points, axis=0) + get_alignment(alignment).box_length
    aspect = input_size[0] / input_size[1]
    size = np.array([max(width, height * aspect), max(height, width / aspect)])
    if size[0] <= 0:    # all chosen joints on one spot
        return None
    return View(center=points.mean(axis=0).astype(np.float32),
                scale=(size / SCALE_UNIT * HALF_BODY_PADDING).astype(np.float32))
