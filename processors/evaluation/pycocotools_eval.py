"""COCO's keypoint evaluation by pycocotools.

`usable_results` brings the results into a form that it takes without failing, as ground_truth.py
does for the other side; `run_evaluation` is the evaluation.
"""
import contextlib
import io
from collections.abc import Sequence

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from processors.evaluation.ground_truth import GroundTruth, as_coco
from utils.errors import UserError

MATCH = 0.1     # lowest OKS at which a pose is matched to a person, where joints are compared
SIZES = ("all", "medium", "large")      # pycocotools' area ranges for keypoints, in its order


class KeypointEval(COCOeval):
    """pycocotools' evaluation; only the double loop over pairs is replaced, bit for bit."""

    def computeOks(self, imgId: int, catId: int) -> np.ndarray | list:
        people = self._gts[imgId, catId]
        found = sorted(self._dts[imgId, catId], key=lambda d: -d["score"])
        found = found[:self.params.maxDets[-1]]
        if not people or not found:
            return []
        falloff = (self.params.kpt_oks_sigmas * 2) ** 2
        joints = np.array([d["keypoints"] for d in found], np.float64)
        x, y = joints[:, 0::3], joints[:, 1::3]
        oks = np.zeros((len(found), len(people)))
        for column, person in enumerate(people):
            target = np.array(person["keypoints"], np.float64)
            labelled = target[2::3] > 0
            if labelled.any():
                dx, dy = x - target[0::3], y - target[1::3]
            else:       # people without joints: distance from the box, doubled to each side
                left, top, width, height = person["bbox"]
                dx = np.maximum(0, left - width - x) + np.maximum(0, x - (left + width * 2))
                dy = np.maximum(0, top - height - y) + np.maximum(0, y - (top + height * 2))
                labelled[:] = True
            e = (dx ** 2 + dy ** 2) / falloff / (person["area"] + np.spacing(1)) / 2
            e = np.ascontiguousarray(e[:, labelled])
            oks[:, column] = np.exp(-e).sum(axis=1) / e.shape[1]
        return oks


def usable_results(results: list[dict], truth: GroundTruth, num_joints: int,
                   ) -> tuple[list[dict], tuple[str, ...]]:
    """The results that `truth` can judge, and a sentence for each kind that it cannot."""
    for result in results:
        if len(result["keypoints"]) != 3 * num_joints:
            raise UserError(f"a result of image {result['image_id']} has "
                             f"{len(result['keypoints'])} numbers in keypoints and the skeleton "
                             f"needs {3 * num_joints}: evaluate with the skeleton it was made for")
    images, category = {image["id"] for image in truth.images}, truth.category
    inside = [r for r in results if r["image_id"] in images]
    used = [r for r in inside if r["category_id"] == category]
    notes = []
    if not results:
        notes.append("the list of results is empty: no person was found")
    if len(inside) < len(results):
        notes.append(f"{len(results) - len(inside)} of {len(results)} results are for images that "
                     f"are not evaluated; they are left out")
    if len(used) < len(inside):
        notes.append(f"{len(inside) - len(used)} results are not of category {category}; "
                     f"they are left out")
    return used, tuple(notes)


def start_evaluation(truth: COCO, results: list[dict], sigmas: Sequence[float]) -> KeypointEval:
    """An evaluation that has not run yet; result number i gets the id i + 1.

    truth: of `GroundTruth.coco`. results: of `usable_results`.
    """
    found = [{**r, "id": number, "bbox": box, "area": box[2] * box[3], "iscrowd": 0}
             for number, (r, box) in enumerate(zip(results, _boxes(results), strict=True), 1)]
    detected = as_coco(truth.dataset["images"], found, truth.dataset["categories"][0]["id"])
    evaluation = KeypointEval(truth, detected, "keypoints")
    evaluation.params.kpt_oks_sigmas = np.asarray(sigmas, np.float64)
    return evaluation


def run_evaluation(truth: COCO, results: list[dict], sigmas: Sequence[float]) -> KeypointEval:
    """pycocotools' evaluate, accumulate and summarize, without its prints.

    `.stats` holds the ten numbers in official order, -1 where one is undefined.
    """
    evaluation = start_evaluation(truth, results, sigmas)
    with contextlib.redirect_stdout(io.StringIO()):
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return evaluation


def _boxes(results: list[dict]) -> list[list[float]]:
    """The box around all joints of each result; its area sorts false positives by size."""
    if not results:
        return []
    joints = np.array([r["keypoints"] for r in results], np.float64)
    points = joints.reshape(len(results), -1, 3)[..., :2]
    return np.concatenate([points.min(axis=1), np.ptp(points, axis=1)], axis=1).tolist()
