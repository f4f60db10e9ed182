"""Labelled people and ranked poses of a whole set as arrays: what is judged, and by what."""
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass(frozen=True, eq=False)
class TruthArrays:
    """N annotated people of M images, ordered by image and in each as in the file; K joints, image
    pixels."""
    images: np.ndarray      # (M,) int64 ids, rising
    image: np.ndarray       # (N,) int64, position in `images`, rising
    keypoints: np.ndarray   # (N, K, 2) float64
    labelled: np.ndarray    # (N, K) bool
    boxes: np.ndarray       # (N, 4) float64 xywh
    areas: np.ndarray       # (N,) float64, pixels squared
    crowd: np.ndarray       # (N,) bool, may be matched by any number of poses
    ignored: np.ndarray     # (N,) bool, matched but not counted; crowds always are


@dataclass(frozen=True, eq=False)
class Results:
    """N poses with K joints, as a results file has them in its order."""
    image_ids: np.ndarray   # (N,) int64
    keypoints: np.ndarray   # (N, K, 3) float64: x, y in image pixels and the score of the joint
    scores: np.ndarray      # (N,) float64
    category: int           # of all
    part_scores: Mapping[str, np.ndarray] = field(default_factory=dict)     # (N,) of parts that
    #                         have another score than the pose, by their names
    visibility: np.ndarray | None = None    # (N, K, 3) probabilities of COCO's v, if it is told

    def __len__(self) -> int:
        return len(self.scores)

    def take(self, rows: np.ndarray) -> "Results":
        """Those at these indices (or of this mask)."""
        return Results(self.image_ids[rows], self.keypoints[rows], self.scores[rows], self.category,
                       {part: scores[rows] for part, scores in self.part_scores.items()},
                       None if self.visibility is None else self.visibility[rows])

    def rows(self) -> list[dict[str, Any]]:
        """COCO keypoint results, ready for JSON. The scores of joints have eight digits, as many as
        float32 has, in which they come; with those of float64 the file takes a fifth longer."""
        rounded = self.keypoints.copy()
        rounded[..., 2] = rounded[..., 2].round(8)
        table = rounded.reshape(len(self), np.prod(rounded.shape[1:])).tolist()
        told = ([{}] * len(self) if self.visibility is None else
                [{"visibility": row} for row in self.visibility.round(4).tolist()])
        return [{"image_id": image_id, "category_id": self.category, "keypoints": row,
                 "score": score, **more}
                for image_id, row, score, more in zip(self.image_ids.tolist(), table,
                                                      self.scores.tolist(), told, strict=True)]
