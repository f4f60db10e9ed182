"""COCO results: predictions as the file that the test-dev server takes, and what one holds."""
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from configs.schema import ValConfig
from datasets.annotations.part_fields import PART_FIELDS, joint_fields
from processors.evaluation.ground_truth import GroundTruth
from processors.judging.arrays import Results
from processors.models.pose_ranking import Predictions, rank_poses
from utils.errors import UserError
from utils.files import write_atomically
from utils.outputs import marked_json

# Scores of parts that rows may have beside that of the pose, as COCO-WholeBody has them
PART_SCORES = {f"{part}_score": part for part in (
    *(name.removesuffix("_kpts") for name in PART_FIELDS), "wholebody")}

def to_results(people: Predictions, val: ValConfig, sigmas: Sequence[float],
               detected: bool = False, category_id: int = 1) -> Results:
    """`rank_poses` as COCO keypoint results, in its order."""
    rows, scores = rank_poses(people, val, sigmas, detected)
    people = people.take(rows)
    joints = np.concatenate([people.keypoints, people.joint_scores[..., None]], axis=2)
    told = people.visibility.astype(np.float64) if len(people.visibility) else None
    return Results(people.image_ids, joints.astype(np.float64), scores, category_id,
                   visibility=told)


def write_results(results: list[dict[str, Any]], path: str | Path) -> Path:
    """Write COCO results JSON, whole or not at all; what the test-dev server takes.

    results: of `Results.rows`.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    text = marked_json(json.dumps(results, allow_nan=False, separators=(",", ":")))
    write_atomically(path, lambda file: file.write(text.encode()))
    return path


def in_fields(rows: list[dict[str, Any]], truth: GroundTruth) -> list[dict[str, Any]]:
    """The rows of `Results.rows` with the joints in the fields of the annotation file, as the
    evaluation that comes with it wants them."""
    if len(truth.fields) == 1 or not rows:
        return rows
    fields = joint_fields([dict.fromkeys(truth.fields)], len(rows[0]["keypoints"]) // 3)
    ends = np.cumsum([3 * count for count in fields.values()]).tolist()
    parts = dict(zip(fields, zip([0, *ends], ends, strict=False), strict=True))
    return [{**row, **{name: row["keypoints"][start:end] for name, (start, end) in parts.items()}}
            for row in rows]


def joined(rows: list[dict[str, Any]], num_joints: int) -> list[dict[str, Any]]:
    """The rows of a file with all joints in `keypoints`, in whatever fields they stand."""
    fields = joint_fields(rows, num_joints)
    return rows if len(fields) == 1 else [
        {**row, "keypoints": [number for name in fields for number in row.get(name) or []]}
        for row in rows]


def usable_results(results: Results | list[dict[str, Any]], truth: GroundTruth, num_joints: int,
                   ) -> tuple[Results, tuple[str, ...]]:
    """The results that `truth` can judge, and a sentence for each kind that it cannot. Raises
    UserError for numbers of joints that differ, or are none."""
    if isinstance(results, Results):
        used = results.take(np.isin(results.image_ids, truth.arrays.images))
        inside = len(used)
    else:
        results = joined(results, num_joints)
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
                    np.array([row["score"] for row in rows], np.float64), category,
                    {part: np.array([row.get(name, row["score"]) for row in rows], np.float64)
                     for name, part in PART_SCORES.items() if any(name in row for row in rows)})
    odd = ~np.isfinite(found.keypoints).all(axis=(1, 2))
    for scores in (found.scores, *found.part_scores.values()):
        odd |= ~np.isfinite(scores)
    if odd.any():       # pycocotools takes a NaN for a match
        raise UserError(f"a result of image {found.image_ids[odd.argmax()]} has NaN or infinity in "
                        f"keypoints or score: correct or remove it")
    return found
