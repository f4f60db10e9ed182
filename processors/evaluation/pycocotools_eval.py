"""COCO's keypoint evaluation by pycocotools itself, whose word is the truth."""
import contextlib
import io
from collections.abc import Sequence

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from processors.evaluation.ground_truth import as_coco
from processors.judging.arrays import Results
from processors.judging.ten_numbers import TenNumbers

MATCH = 0.1     # lowest OKS at which a pose is matched to a person, where joints are compared


def start_evaluation(truth: COCO, results: Results, sigmas: Sequence[float]) -> COCOeval:
    """An evaluation that has not run yet; result number i gets the id i + 1.

    truth: of `GroundTruth.coco`. results: of `usable_results`.
    """
    found = [{**row, "id": number, "bbox": box, "area": box[2] * box[3], "iscrowd": 0}
             for number, (row, box) in enumerate(zip(results.rows(), _boxes(results), strict=True),
                                                 1)]
    detected = as_coco(truth.dataset["images"], found, truth.dataset["categories"][0]["id"])
    evaluation = COCOeval(truth, detected, "keypoints")
    evaluation.params.kpt_oks_sigmas = np.asarray(sigmas, np.float64)
    return evaluation


def by_pycocotools(truth: COCO, results: Results, sigmas: Sequence[float]) -> TenNumbers:
    """Its evaluate, accumulate and summarize, without its prints."""
    evaluation = start_evaluation(truth, results, sigmas)
    with contextlib.redirect_stdout(io.StringIO()):
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return TenNumbers(evaluation.stats, evaluation.eval["precision"][:, :, 0, :, 0])


def _boxes(results: Results) -> list[list[float]]:
    """The box around all joints of each result; its area sorts false positives by size."""
    if not len(results):
        return []
    points = results.keypoints[..., :2]
    return np.concatenate([points.min(axis=1), np.ptp(points, axis=1)], axis=1).tolist()
