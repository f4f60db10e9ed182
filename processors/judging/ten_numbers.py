"""Precision and recall of matched poses, and COCO's ten numbers, by pycocotools' operations in
their order: each is equal to its own to the last digit."""
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from processors.judging.arrays import Results, TruthArrays
from processors.judging.matching import Matches, match

THRESHOLDS = np.linspace(0.5, 0.95, 10)     # OKS
RECALLS = np.linspace(0, 1, 101)
SIZES = ("all", "medium", "large")
AREA_RANGES = np.array([[0, 1e10], [32 ** 2, 96 ** 2], [96 ** 2, 1e10]])    # pixels squared
UNDEFINED = -1.0


@dataclass(frozen=True, eq=False)
class TenNumbers:
    """What COCO's evaluation gives; -1 where a number is undefined, nobody being of that size."""
    stats: np.ndarray       # (10,) AP, AP50, AP75, AP(M), AP(L), then AR of the same
    precision: np.ndarray   # (10, 101, 3) at THRESHOLDS, RECALLS, SIZES


def ten_numbers(truth: TruthArrays, results: Results, sigmas: Sequence[float],
                areas: np.ndarray | None = None) -> TenNumbers:
    """results: of images of `truth`, all numbers finite. sigmas: (K,). areas: of the poses, as in
    `match`."""
    matches = match(truth, results, sigmas, THRESHOLDS, AREA_RANGES, areas)
    precision, recall = _curves(matches, results.scores)
    return TenNumbers(np.array([_mean(curve[..., size]) for whole in (precision, recall)
                                for curve, size in ((whole, 0), (whole[:1], 0), (whole[5:6], 0),
                                                    (whole, 1), (whole, 2))]), precision)


def _curves(matches: Matches, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Highest precision at each recall or beyond, (T, R, A), and the highest recall, (T, A)."""
    order = np.argsort(-scores[matches.poses], kind="stable")
    matched, counts = matches.matched[order], ~matches.ignored[order]
    people = np.count_nonzero(~matches.people_ignored, axis=0)
    thresholds, sizes = matched.shape[1:]
    precision = np.full((thresholds, len(RECALLS), sizes), UNDEFINED)
    recall = np.full((thresholds, sizes), UNDEFINED)
    for size in np.flatnonzero(people):
        is_right, is_counted = matched[..., size].T, counts[..., size].T
        right = np.cumsum(is_right & is_counted, axis=1).astype(np.float64)
        false = np.cumsum(~is_right & is_counted, axis=1).astype(np.float64)
        recalls, precisions = right / people[size], right / (false + right + np.spacing(1))
        precisions = np.maximum.accumulate(precisions[:, ::-1], axis=1)[:, ::-1]
        recall[:, size] = recalls[:, -1] if len(order) else 0
        for threshold in range(thresholds):
            place = np.searchsorted(recalls[threshold], RECALLS)
            reached = place < len(order)
            precision[threshold, :, size] = 0
            precision[threshold, reached, size] = precisions[threshold, place[reached]]
    return precision, recall


def _mean(values: np.ndarray) -> float:
    defined = values[values > UNDEFINED]
    return float(defined.mean()) if len(defined) else UNDEFINED
