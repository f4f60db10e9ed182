"""Augmentation: draws the view of a person (centre, scale, rotation, flip, tilt) from a generator.

The distributions are those of HRNet and SimpleBaselines: scale and rotation are clipped
normals, half body shows the upper or the lower part of a person with many visible joints. Box
errors are AlphaPose's. Nothing here touches pixels: a view becomes one matrix and one warp
(datasets/crops/warp.py), colours change on the device (processors/runtime/colour_augment.py).
"""
import random
from dataclasses import dataclass, replace

import numpy as np

from configs.schema import AugmentConfig
from datasets.annotations.skeleton import Skeleton
from utils.geometry import SCALE_UNIT, CropGeometry

HALF_BODY_PADDING = 1.5     # the whole body has 1.25
WHOLE, UPPER, LOWER = range(3)      # what of a person a view shows

# AlphaPose's box errors (DPG): shifts of the left, top, right and bottom edge in box sizes
EDGE_MEAN = np.array([-0.0142, 0.0043, 0.0154, -0.0013])
EDGE_STD = np.array([0.1158, 0.0680, 0.1337, 0.0711])
EDGE_CUT = 3.0              # standard deviations; AlphaPose has no limit, but a pack needs one
WHOLE_BOX = 0.85            # in the other cases a part of the box, 0.85 to 1 of its size
SHORTEST_BOX = 2.0          # image pixels

WEAKENED = ("rotation", "scale", "half_body", "box_jitter", "perspective", "brightness",
            "contrast", "saturation", "hue", "grey", "blur", "dropout")


# Of the hard view of people without labels: factors of what a recipe turns and scales by, as far as
# it does, for how far people turn is known best by who wrote it; and the least of changes after
# which everybody can still tell where a joint is, or guess it from the others.
HARDER = {"rotation": 2.0, "rotation_prob": 2.0, "scale": 1.6}
HARDEST = {"rotation": 180.0, "rotation_prob": 1.0, "scale": 0.5}
AT_LEAST = {"brightness": 0.4, "contrast": 0.4, "saturation": 0.4, "grey": 0.1, "blur": 0.2,
            "dropout": 0.7, "dropout_count": 5}


@dataclass(frozen=True)
class View:
    """The part of an image that becomes a crop."""
    center: np.ndarray      # (2,) float32, image pixels
    scale: np.ndarray       # (2,) float32, padded size / 200
    rotation: float = 0.0   # degrees, positive turns the picture counter-clockwise
    flip: bool = False      # mirror the crop
    tilt: tuple[float, float] = (0.0, 0.0)  # perspective: what is right and below shrinks
    part: int = WHOLE


@dataclass(frozen=True)
class Subject:
    """Who is looked at: one person of a data set."""
    box: np.ndarray             # (4,) xywh, image pixels
    view: View                  # of the whole person without augmentation
    keypoints: np.ndarray       # (K, 2) image pixels
    visibility: np.ndarray      # (K,) above 0 = labelled
    image_size: np.ndarray      # (width, height)


def weakened(config: AugmentConfig) -> AugmentConfig:
    """The augmentation of the last epochs of a run."""
    return replace(config, **{name: getattr(config, name) * config.weak for name in WEAKENED})


def strengthened(config: AugmentConfig) -> AugmentConfig:
    """The augmentation of the hard view of people without labels. Nothing in it needs joints, as
    half bodies do, and one affine leads from the easy view to it, which perspective would bend."""
    harder = {name: max(getattr(config, name),
                        min(getattr(config, name) * factor, HARDEST[name]))
              for name, factor in HARDER.items()}
    least = {name: max(getattr(config, name), value) for name, value in AT_LEAST.items()}
    return replace(config, **harder, **least, half_body=0.0, perspective=0.0)


def sample_generator(seed: int, epoch: int, index: int) -> random.Random:
    """The generator of one sample. Python's: numpy's takes five times as long to make, which is
    a tenth of a millisecond just after an image was decoded."""
    return random.Random((seed << 80) + (epoch << 40) + index)


def draw_view(rng: random.Random, subject: Subject, skeleton: Skeleton,
              geometry: CropGeometry, config: AugmentConfig) -> View:
    """Half body or box errors, then scale, rotation, flip and perspective.

    Every number is drawn even if it is not used, so that one setting does not change what the
    others draw.
    """
    try_half, prefer_upper = rng.random() < config.half_body, rng.gauss(0, 1) < 0.5
    enough = skeleton.num_joints // 2 + 1       # 9 of COCO's 17
    try_half &= int(np.count_nonzero(subject.visibility)) >= enough
    scale, rotation = draw_scale(rng, config.scale), draw_rotation(rng, config)
    flip = rng.random() < config.flip
    tilt_x, tilt_y, *uniforms = [rng.random() for _ in range(5)]
    normals = [rng.gauss(0, 1) for _ in range(4)]
    view = (half_body(subject.keypoints, subject.visibility, skeleton, prefer_upper, geometry)
            if try_half else None)
    if view is None and config.box_jitter:
        box = jitter_box(subject.box, subject.image_size, config.box_jitter, uniforms, normals)
        view = View(*geometry.center_scale(box))
    view = view or subject.view
    tilt = (config.perspective * (2 * tilt_x - 1), config.perspective * (2 * tilt_y - 1))
    return View(view.center, view.scale * np.float32(scale), rotation, flip, tilt, view.part)


def draw_scale(rng: random.Random, factor: float) -> float:
    """N(1, factor) cut at 1 +- factor; above 1 the person becomes smaller in the crop."""
    return 1.0 + factor * min(max(rng.gauss(0, 1), -1.0), 1.0)


def draw_rotation(rng: random.Random, config: AugmentConfig) -> float:
    """N(0, rotation) degrees cut at 2 factors with probability rotation_prob, otherwise 0."""
    angle = config.rotation * min(max(rng.gauss(0, 1), -2.0), 2.0)
    return angle if rng.random() < config.rotation_prob else 0.0


def half_body(keypoints: np.ndarray, visibility: np.ndarray, skeleton: Skeleton,
              prefer_upper: bool, geometry: CropGeometry) -> View | None:
    """View of the visible upper or lower joints, or None where neither has two.

    The wanted half must have more than 2 visible joints; else the other is taken.
    keypoints (K, 2) image pixels, visibility (K,).
    """
    visible = (visibility > 0).tolist()
    upper = [joint for joint in skeleton.upper_body if visible[joint]]
    lower = [joint for joint in skeleton.lower_body if visible[joint]]
    part = UPPER if (prefer_upper and len(upper) > 2) or len(lower) <= 2 else LOWER
    chosen = upper if part == UPPER else lower
    if len(chosen) < 2:
        return None
    x, y = zip(*keypoints[chosen].tolist(), strict=True)    # lists are quicker than small arrays
    length = geometry.rules.box_length
    width, height = max(x) - min(x) + length, max(y) - min(y) + length
    aspect = geometry.input_size[0] / geometry.input_size[1]
    width, height = max(width, height * aspect), max(height, width / aspect)
    if width <= 0:      # all chosen joints on one spot
        return None
    size = HALF_BODY_PADDING / SCALE_UNIT
    return View(center=np.array([sum(x) / len(x), sum(y) / len(y)], np.float32),
                scale=np.array([width * size, height * size], np.float32), part=part)


def jitter_box(box: np.ndarray, image_size: np.ndarray, strength: float, uniforms: list[float],
               normals: list[float]) -> np.ndarray:
    """A box as a detector might give it: mostly shifted edges, sometimes a part of the box.

    box: xywh, image pixels. uniforms: which of the two, and where the part lies. normals: (4,).
    Returns xywh.
    """
    which, *place = uniforms
    if which > WHOLE_BOX:
        size = box[2:] * max(1 - strength * (1 - which), 0.0)
        return np.concatenate([box[:2] + place * (box[2:] - size), size])
    edges = shift_edges(box, image_size, strength, np.clip(normals, -EDGE_CUT, EDGE_CUT))
    return np.concatenate([edges[:2], edges[2:] - edges[:2]])


def shift_edges(boxes: np.ndarray, image_sizes: np.ndarray, strength: float,
                normals: np.ndarray) -> np.ndarray:
    """Edges (..., 4) left, top, right and bottom of boxes (..., 4) xywh, moved by normals
    (..., 4), kept inside images (..., 2) and 2 pixels apart."""
    sizes = boxes[..., 2:]
    edges = np.concatenate([boxes[..., :2], boxes[..., :2] + sizes], axis=-1)
    edges = edges + strength * (EDGE_MEAN + EDGE_STD * normals) * np.concatenate([sizes, sizes], -1)
    first = np.clip(edges[..., :2], 0, np.maximum(image_sizes - 1 - SHORTEST_BOX, 0))
    last = np.maximum(np.minimum(edges[..., 2:], image_sizes - 1), first + SHORTEST_BOX)
    return np.concatenate([first, last], axis=-1)
