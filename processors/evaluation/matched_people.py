"""Pairs each annotated person with one prediction, for metrics that compare joints.

A labelled person is one that COCO judges: no crowd, and at least one labelled joint.
"""
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from processors.evaluation.ground_truth import HEAD_KEY
from processors.evaluation.pycocotools_eval import MATCH
from processors.judging.arrays import Results
from processors.models.pose_ranking import Predictions
from utils.oks import oks_matrix


@dataclass(frozen=True)
class MatchedPeople:
    """N labelled people, in the order of their file, with K joints; image pixels."""
    truth: np.ndarray       # (N, K, 2) float64
    v: np.ndarray           # (N, K) float64, COCO's
    boxes: np.ndarray       # (N, 4) float64 xywh as annotated; NaN where there is none
    head_boxes: np.ndarray  # (N, 4) float64 xywh; NaN where there is none
    predicted: np.ndarray   # (N, K, 2) float64; NaN for people who were not found
    places: np.ndarray      # (N,) int64, theirs among the predictions or results; -1: not found

    @property
    def labelled(self) -> np.ndarray:
        """(N, K) bool."""
        return self.v > 0

    @property
    def found(self) -> int:
        return int(np.isfinite(self.predicted).all(axis=(1, 2)).sum())


def labelled_people(annotations: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The annotations that are judged."""
    return [row for row in annotations if not row.get("iscrowd") and (_joints(row)[:, 2] > 0).any()]


def match_by_row(annotations: Sequence[dict[str, Any]], predictions: Predictions,
                 rows: np.ndarray, num_joints: int) -> MatchedPeople:
    """Each person with what was predicted in the ground-truth box of the same annotation.

    annotations: of a GroundTruth. rows: (N,) row in the file of the annotation whose box each of
    the `predictions` was made in; these are taken as they are, nothing is suppressed. Ids would
    not do: not every file has a different one for each.
    """
    places = {row: place for place, row in enumerate(rows.tolist())}
    people = labelled_people(annotations)
    return _matched(people, [places.get(row["row"], -1) for row in people], predictions.keypoints,
                    num_joints)


def match_by_oks(annotations: Sequence[dict[str, Any]], results: Results, sigmas: Sequence[float],
                 ) -> MatchedPeople:
    """Each person with at most one of the `results` of the image, and each result with at most one
    person: the pair with the highest OKS first, down to MATCH; scores do not matter."""
    people = labelled_people(annotations)
    in_image: dict[int, list[int]] = {}
    for place, row in enumerate(people):
        in_image.setdefault(row["image_id"], []).append(place)
    keypoints = results.keypoints[..., :2]
    poses: dict[int, list[int]] = {}
    for pose, image_id in enumerate(results.image_ids.tolist()):
        poses.setdefault(image_id, []).append(pose)
    found = [-1] * len(people)
    for image, places in in_image.items():
        if image in poses:
            oks = _oks(keypoints[poses[image]], [people[place] for place in places], sigmas)
            for pose, person in _best_pairs(oks):
                found[places[person]] = poses[image][pose]
    return _matched(people, found, keypoints, len(sigmas))


def _oks(poses: np.ndarray, people: list[dict[str, Any]], sigmas: Sequence[float],
         ) -> np.ndarray:
    """(poses, people) OKS over the labelled joints, by the area of the person alone as in COCO's
    evaluation."""
    areas = 2 * np.array([row["area"] for row in people])   # oks_matrix takes half of the sum
    return oks_matrix(poses, np.stack([_joints(row) for row in people]),
                      np.zeros(len(poses)), areas, sigmas, visible_above=0)


def _best_pairs(oks: np.ndarray) -> list[tuple[int, int]]:
    """Row and column of the largest value, of the largest in the other rows and columns, ..."""
    pairs, rows, columns = [], set(), set()
    for place in np.argsort(-oks, axis=None, kind="stable").tolist():
        row, column = divmod(place, oks.shape[1])
        if oks[row, column] < MATCH:
            break
        if row not in rows and column not in columns:
            pairs.append((row, column))
            rows.add(row)
            columns.add(column)
    return pairs


def _matched(people: list[dict[str, Any]], found: list[int], keypoints: np.ndarray,
             num_joints: int) -> MatchedPeople:
    """found: place in `keypoints` (M, K, 2) for each person, -1 for none."""
    tables = np.array([_joints(row) for row in people], np.float64).reshape(-1, num_joints, 3)
    places = np.array(found, np.int64)
    predicted = np.full((len(people), num_joints, 2), np.nan)
    predicted[places >= 0] = keypoints[places[places >= 0]]
    return MatchedPeople(
        truth=tables[..., :2], v=tables[..., 2],
        boxes=_boxes([row["bbox"] if row["has_box"] else None for row in people]),
        head_boxes=_boxes([row.get(HEAD_KEY) for row in people]),
        predicted=predicted, places=places)


def _boxes(boxes: list[list[float] | None]) -> np.ndarray:
    return np.array([box or [np.nan] * 4 for box in boxes], np.float64).reshape(-1, 4)


def _joints(row: dict[str, Any]) -> np.ndarray:
    """(K, 3) of an annotation; (0, 3) without joints."""
    return np.asarray(row.get("keypoints") or [], np.float64).reshape(-1, 3)
