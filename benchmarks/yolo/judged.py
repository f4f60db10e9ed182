"""Poses of either side, judged alike: COCO's AP, and PCK at fine thresholds."""
from collections import defaultdict
from typing import Any

import numpy as np

from datasets.annotations.skeleton import Skeleton
from processors.evaluation.coco_metrics import coco_metrics
from processors.evaluation.ground_truth import GroundTruth
from processors.evaluation.joint_error import joint_distances, longer_side, mean_of_defined, pck
from processors.evaluation.matched_people import labelled_people, match_by_oks
from processors.evaluation.results_file import usable_results

PCK_AT = (0.02, 0.05, 0.1)      # of the longer side of the labelled box

Rows = list[dict[str, Any]]     # COCO results


def results_of(found: Rows, truth: GroundTruth) -> Rows:
    """What yolo_side.py wrote, as COCO results: pictures by their ids."""
    ids = {image["file_name"].rsplit("/", 1)[-1]: image["id"] for image in truth.images}
    return [{"image_id": ids[row["file_name"]], "category_id": truth.category,
             **{key: row[key] for key in ("bbox", "score", "keypoints")}} for row in found]


def of_labelled_boxes(results: Rows, truth: GroundTruth) -> Rows:
    """For each labelled person the pose of the box that overlaps theirs most, by falling overlap;
    nobody's box is given to two."""
    poses, people = defaultdict(list), defaultdict(list)
    for row in results:
        poses[row["image_id"]].append(row)
    for person in labelled_people(truth.annotations):
        people[person["image_id"]].append(person["bbox"])
    taken = []
    for image_id, boxes in people.items():
        if found := poses[image_id]:
            overlap = overlaps(np.array([row["bbox"] for row in found]), np.array(boxes))
            while overlap.size and overlap.max() > 0:
                pose, person = np.unravel_index(overlap.argmax(), overlap.shape)
                overlap[pose], overlap[:, person] = 0, 0
                taken.append(found[pose])
    return taken


def overlaps(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(N, M) intersection over union of boxes (N, 4) and (M, 4), xywh."""
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum((a[:, :2] + a[:, 2:])[:, None], (b[:, :2] + b[:, 2:])[None])
    inside = (high - low).clip(0).prod(axis=2)
    return inside / (a[:, None, 2:].prod(axis=2) + b[None, :, 2:].prod(axis=2) - inside)


def numbers(results: Rows, truth: GroundTruth, skeleton: Skeleton) -> dict[str, float]:
    """AP and PCK; who is not found has no joint right."""
    used, _ = usable_results(results, truth, skeleton.num_joints)
    people = match_by_oks(truth.annotations, used, skeleton.sigmas)
    distances, sizes = joint_distances(people.predicted, people.truth), longer_side(people.boxes)
    shares = {f"PCK@{at:g}": mean_of_defined(pck(distances, people.labelled, sizes, at))
              for at in PCK_AT}
    return {name: round(value, 4) for name, value in {
        "AP": coco_metrics(truth, results, skeleton.sigmas)["AP"], **shares}.items()}
