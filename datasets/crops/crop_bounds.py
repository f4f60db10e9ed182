"""Crop bounds: the largest image region and the finest resolution that augmentation can sample for
a person.

A crop pack (datasets/crops/crop_pack.py) stores exactly that. Bounds, not averages: no draw may
ever look beyond the stored piece.
"""
import math
from dataclasses import dataclass

import numpy as np

from configs.schema import AugmentConfig
from datasets.annotations.skeleton import Skeleton
from datasets.crops.augment import EDGE_CUT, Subject, View, half_body, shift_edges
from utils.geometry import SCALE_UNIT, CropGeometry

MARGIN = 2      # pixels that interpolation and mirroring may look further


@dataclass(frozen=True)
class Piece:
    """A rectangle of an image, and the size it is stored at."""
    left: int
    top: int
    width: int
    height: int
    stored_width: int
    stored_height: int
    part: int       # WHOLE, UPPER or LOWER (datasets/crops/augment.py)


def pieces(subject: Subject, skeleton: Skeleton, geometry: CropGeometry, config: AugmentConfig,
           ) -> list[Piece]:
    """What of its image a person needs: the whole body, then the halves that half body may show.

    Each half has its own piece because it is looked at from nearer: one for all would have to be
    as fine as the nearest view and as wide as the farthest.
    """
    needed = [_piece(subject.view, _reach_of_boxes(subject, geometry, config), subject,
                     geometry, config)]
    if config.half_body and np.count_nonzero(subject.visibility) > skeleton.num_joints // 2:
        halves = [half_body(subject.keypoints, subject.visibility, skeleton, upper, geometry)
                  for upper in (True, False)]
        for view in {view.part: view for view in halves if view}.values():
            needed.append(_piece(view, _reach(view.center, view.center, view.scale, config),
                                 subject, geometry, config))
    return needed


def _reach_of_boxes(subject: Subject, geometry: CropGeometry, config: AugmentConfig,
                    ) -> np.ndarray:
    """Edges (4,) of what is seen of the whole body, whatever box errors are drawn."""
    view = subject.view
    reach = _reach(view.center, view.center, view.scale, config)
    if not config.box_jitter:
        return reach
    farthest = np.full(4, EDGE_CUT)
    low, high = (shift_edges(subject.box, subject.image_size, config.box_jitter, normals)
                 for normals in (-farthest, farthest))
    first, last = np.minimum(low[:2], subject.box[:2]), np.maximum(
        high[2:], subject.box[:2] + subject.box[2:])
    _, scale = geometry.center_scale(np.concatenate([first, last - first]))
    centers = (low[:2] + low[2:]) / 2 - 1, (high[:2] + high[2:]) / 2 + 1
    # the parts of the box lie around centres of their own, but inside the box: covered by these
    shifted = _reach(np.minimum(centers[0], view.center), np.maximum(centers[1], view.center),
                     scale, config)
    return np.concatenate([np.minimum(reach[:2], shifted[:2]), np.maximum(reach[2:], shifted[2:])])


def _reach(first_center: np.ndarray, last_center: np.ndarray, scale: np.ndarray,
           config: AugmentConfig) -> np.ndarray:
    """Edges (4,) left, top, right, bottom of all that is seen from centres in a rectangle."""
    grow = (1 + config.scale) / (1 - 2 * config.perspective)
    half_width, half_height = np.asarray(scale, np.float64) * SCALE_UNIT / 2 * grow
    turn = math.radians(min(2 * config.rotation, 90)) if config.rotation_prob else 0.0
    reach = np.array([_turned(half_width, half_height, turn),
                      _turned(half_height, half_width, turn)])
    return np.concatenate([first_center - reach, last_center + reach])


def _turned(along: float, across: float, turn: float) -> float:
    """Largest extent of a half rectangle `along` its first side while it turns up to `turn`."""
    if turn >= math.atan2(across, along):
        return math.hypot(along, across)        # a corner passes the axis
    return along * math.cos(turn) + across * math.sin(turn)


def _piece(view: View, edges: np.ndarray, subject: Subject, geometry: CropGeometry,
           config: AugmentConfig) -> Piece:
    """Whole pixels of the image around `edges`, stored so that the nearest view still has one
    pixel of the piece, or of the image, for each of the crop."""
    step = view.scale[0] * SCALE_UNIT / geometry.input_size[0]  # image pixels a pixel of the crop
    margin = MARGIN * max(1.0, step * (1 + config.scale))
    first = np.clip(np.floor(edges[:2] - margin), 0, subject.image_size - 1).astype(int)
    last = np.clip(np.ceil(edges[2:] + margin), first + 1, subject.image_size).astype(int)
    (left, top), (width, height) = first.tolist(), (last - first).tolist()
    step = max(1.0, step * (1 - config.scale))
    return Piece(left, top, width, height, max(1, round(width / step)),
                 max(1, round(height / step)), view.part)
