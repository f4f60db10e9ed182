"""COCO results: predictions as rows of the file that the test-dev server takes, and that file."""
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from configs.schema import ValConfig
from processors.models.pose_ranking import Predictions, rank_poses
from utils.files import write_atomically
from utils.outputs import marked_json


def to_results(people: Predictions, val: ValConfig, sigmas: Sequence[float],
               detected: bool = False, category_id: int = 1) -> list[dict]:
    """`rank_poses` as COCO keypoint results, ready for JSON; in its order. The third column of
    `keypoints` is the joint's score."""
    rows, scores = rank_poses(people, val, sigmas, detected)
    people = people.take(rows)
    joints = np.concatenate([people.keypoints, people.joint_scores[..., None]], axis=2)
    table = joints.reshape(len(people), np.prod(joints.shape[1:])).astype(np.float64).tolist()
    return [{"image_id": image_id, "category_id": category_id, "keypoints": row, "score": score}
            for image_id, row, score in zip(people.image_ids.tolist(), table, scores.tolist(),
                                            strict=True)]


def write_results(results: list[dict], path: str | Path) -> Path:
    """Write COCO results JSON, whole or not at all; what the test-dev server takes."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    text = marked_json(json.dumps(results, allow_nan=False, separators=(",", ":")))
    write_atomically(path, lambda file: file.write(text.encode()))
    return path
