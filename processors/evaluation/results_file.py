"""COCO results: predictions as the file that the test-dev server takes, and what one holds."""
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from configs.schema import ValConfig
from processors.evaluation.ground_truth import GroundTruth
from processors.judging.arrays import Results
from processors.models.pose_ranking import Predictions, rank_poses
from utils.errors import UserError
from utils.files import write_atomically
from utils.outputs import marked_json


def to_results(people: Predictions, val: ValConfig, sigmas: Sequence[float],
               detected: bool = False, category_id: int = 1) -> Results:
    """`rank_poses` as COCO keypoint results, in its order."""
    rows, scores = rank_poses(people, val, sigmas, detected)
    people = people.take(rows)
    joints = np.concatenate([people.keypoints, people.joint_scores[..., None]], axis=2)
    return Results(people.image_ids, joints.astype(np.float64), scores, category_id)


def write_results(results: list[dict[str, Any]], path: str | Path) -> Path:
    """Write COCO results JSON, whole or not at all; what the test-dev server takes.

    results: of `Results.rows`.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    text = marked_json(json.dumps(results, allow_nan=False, separators=(",", ":")))
    write_atomically(path, lambda file: file.write(text.encode()))
    return path


def usable_results(results: Results | list[dict[str, Any]], truth: GroundTruth, num_joints: int,
                   ) -> tuple[Results, tuple[str, ...]]:
    """The results that `truth` can judge, and a sentence for each kind that it cannot. Raises
    UserError for numbers of joints that differ, or are none."""
    if isinstance(results, Results):
        used = results.take(np.isin(results.image_ids, truth.arrays.images))
        inside = len(used)
    else:
        _ensure_joints(results, num_joints)
        images = {image["id"] for image in truth.images}
        within = [row for row in results if row["image_id"] in images]
        inside = len(within)
        used = _as_arrays([row for row in within if row["category_id"] == truth.category],
                          num_joints, truth.category)
    notes = []
    if not len(results):
        notes.append("the list of results is empty: no person was found")
    if inside < len(results):
        notes.append(f"{len(results) - inside} of {len(results)} results are for images that are "
                     f"not evaluated; they are left out")
    if len(used) < inside:
        notes.append(f"{inside - len(used)} results are not of category {truth.category}; they "
                     f"are left out")
    return used, tuple(notes)


def _ensure_joints(results: list[dict[str, Any]], num_joints: int) -> None:
    for result in results:
        if len(result["keypoints"]) != 3 * num_joints:
            raise UserError(f"a result of image {result['image_id']} has "
                            f"{len(result['keypoints'])} numbers in keypoints and the skeleton "
                            f"needs {3 * num_joints}: evaluate with the skeleton it was made for")


def _as_arrays(rows: list[dict[str, Any]], num_joints: int, category: int) -> Results:
    joints = np.array([row["keypoints"] for row in rows], np.float64)
    found = Results(np.array([row["image_id"] for row in rows], np.int64),
                    joints.reshape(-1, num_joints, 3),
                    np.array([row["score"] for row in rows], np.float64), category)
    odd = ~(np.isfinite(found.keypoints).all(axis=(1, 2)) & np.isfinite(found.scores))
    if odd.any():       # pycocotools takes a NaN for a match
        raise UserError(f"a result of image {found.image_ids[odd.argmax()]} has NaN or infinity in "
                        f"keypoints or score: correct or remove it")
    return found
