"""Person: what a prediction says of one person."""
from dataclasses import dataclass

import numpy as np


@dataclass
class Person:
    keypoints: np.ndarray   # (K, 2) float32, image pixels
    scores: np.ndarray      # (K,) float32, of the joints
    box: np.ndarray         # (4,) float32, xywh, image pixels
    score: float            # of the whole pose
    id: int | None = None   # in videos: the same person has the same one
    visibility: np.ndarray | None = None    # (K, 3) float32, probabilities of COCO's v: absent,
    #                         hidden, visible; None of networks without model.visibility
