"""COCO results: predictions as rows of the file that the test-dev server takes, and that file."""
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from configs.schema import ValConfig
from processors.models.pose_ranking import Predictions, rank_poses
from utils.files import write_atomically


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


def ensure_writable(path: str | Path) -> None:
    """Raise OSError where `write_results` could not write `path`: asked before a network runs for
    an hour. Makes the folder; writes and removes a file beside it."""
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise NotADirectoryError(f"{error.filename} is a file, and the folder of the results is to "
                                 f"be there: choose another one") from error
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder: the results are to be a file of that name; "
                                f"move the folder away or choose another model_name")
    probe = path.with_name(f"{path.name}.probe")
    write_atomically(probe, lambda file: file.write(b"[]"))
    probe.unlink()


def write_results(results: list[dict], path: str | Path) -> Path:
    """Write COCO results JSON, whole or not at all; what the test-dev server takes."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(results, allow_nan=False, separators=(",", ":"))
    write_atomically(path, lambda file: file.write(text.encode()))
    return path
