"""COCO's keypoint evaluation by pycocotools, made safe for incomplete files.

`read_ground_truth` and `usable_results` bring both sides into a form that pycocotools takes
without failing; `run_evaluation` is the evaluation.
"""
import contextlib
import io
import json
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from datasets.annotations.category import annotation_rows, category_ids
from utils.errors import UserError
from utils.oks import AREA_OF_BOX

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


def read_ground_truth(ground_truth: COCO | str | Path, num_joints: int,
                      image_ids: Iterable[int] | None = None, name: str = "the ground truth",
                      ) -> tuple[COCO, tuple[str, ...]]:
    """A copy of the annotations of the evaluated images with every field pycocotools reads.

    name: of a COCO object in messages. Also gives the notes: one sentence for everything that had
    to be filled in. Annotations are numbered anew from 1, because pycocotools takes a person with
    the id 0 for no match. Raises ValueError for numbers that are none: pycocotools takes a NaN
    for a match.
    """
    dataset = read_dataset(ground_truth)
    name = name if isinstance(ground_truth, COCO) else str(ground_truth)
    category = person_category(dataset.get("categories") or [])
    known = {image["id"] for image in dataset["images"]}
    wanted = known if image_ids is None else {int(i) for i in image_ids}
    notes = []
    if wanted - known:
        notes.append(f"{len(wanted - known)} of the {len(wanted)} images to evaluate are not in "
                     f"{name}; they are left out")
    annotations, no_area = [], 0
    for source in annotation_rows(dataset, name):
        if source["image_id"] in wanted and source.get("category_id", category) == category:
            no_area += source.get("area") is None
            annotations.append(_complete(source, category, num_joints, name))
    for number, annotation in enumerate(annotations, start=1):
        annotation["id"] = number
    if no_area:
        notes.append(f"{no_area} annotations have no area; {AREA_OF_BOX} * width * height of the "
                     f"box is used, so AP is comparable only with the same rule")
    if not any(a["num_keypoints"] for a in annotations):
        notes.append(f"no person of the evaluated images has labelled joints in {name}; "
                     f"all numbers are undefined (-1)")
    images = [image for image in dataset["images"] if image["id"] in wanted]
    return as_coco(images, annotations, category), tuple(notes)


def read_dataset(ground_truth: COCO | str | Path) -> dict:
    """The content of a COCO JSON or object. Raises FileNotFoundError or ValueError."""
    if isinstance(ground_truth, COCO):
        return ground_truth.dataset
    path = Path(ground_truth)
    if not path.is_file():
        raise FileNotFoundError(f"annotation file {path} does not exist: "
                                f"set data.val_ann_path to a COCO keypoints JSON")
    try:
        dataset = json.loads(path.read_bytes())
    except ValueError as error:
        raise UserError(f"{path} is not valid JSON ({error}): get the file again") from error
    if not isinstance(dataset, dict) or "images" not in dataset:
        raise UserError(f"{path} has no list of images: "
                         f"give a COCO keypoints JSON with images, annotations and categories")
    return dataset


def person_category(categories: list[dict]) -> int:
    """Id of the category to judge, 1 for a file without categories. Where data.category chooses
    one, processors/evaluation/evaluation.py has left only that one in the content."""
    return category_ids(categories)[0] if categories else 1


def _complete(source: dict, category: int, num_joints: int, name: str) -> dict:
    """One annotation with the fields pycocotools needs, all of them defined.

    Nobody without labelled joints is judged, whatever num_keypoints says: pycocotools would
    compare a pose with the box.
    """
    joints = _numbers(source, "keypoints", name)
    if joints is None:
        joints = np.zeros(3 * num_joints)
    if len(joints) != 3 * num_joints:
        raise UserError(f"{name} has people with {len(joints) // 3} joints and the skeleton has "
                         f"{num_joints}: set data.skeleton to the skeleton of this file")
    table = joints.reshape(-1, 3)
    labelled = table[table[:, 2] > 0, :2]
    box, area = _numbers(source, "bbox", name, 4), _numbers(source, "area", name, 1)
    crowd = _numbers(source, "iscrowd", name, 1)
    if box is None:
        low, high = (labelled.min(0), labelled.max(0)) if len(labelled) else (np.zeros(2),) * 2
        box = np.concatenate([low, high - low])
    return {"image_id": source["image_id"], "category_id": category, "keypoints": joints.tolist(),
            "num_keypoints": 0 if source.get("num_keypoints") == 0 else len(labelled),
            "bbox": box.tolist(),
            "area": float(AREA_OF_BOX * box[2] * box[3] if area is None else area[0]),
            "iscrowd": int(crowd is not None and crowd[0] != 0)}


def _numbers(source: dict, key: str, name: str, count: int | None = None) -> np.ndarray | None:
    """A field of `count` finite numbers, (count,) float64; None if it is missing or empty."""
    value = source.get(key)
    if value is None or value == []:
        return None
    try:
        numbers = np.array(value, np.float64).reshape(-1)
    except (TypeError, ValueError):
        numbers = np.array([np.nan])
    if not np.isfinite(numbers).all() or len(numbers) != (count or len(numbers)):
        raise UserError(f"{name}: {key} of annotation {source.get('id', 'without id')} must be "
                         f"{count or 'only'} finite number{'s' * (count != 1)}; correct or remove "
                         f"it")
    return numbers


def usable_results(results: list[dict], truth: COCO, num_joints: int
                   ) -> tuple[list[dict], tuple[str, ...]]:
    """The results that `truth` can judge, and a sentence for each kind that it cannot."""
    for result in results:
        if len(result["keypoints"]) != 3 * num_joints:
            raise UserError(f"a result of image {result['image_id']} has "
                             f"{len(result['keypoints'])} numbers in keypoints and the skeleton "
                             f"needs {3 * num_joints}: evaluate with the skeleton it was made for")
    images, category = set(truth.getImgIds()), truth.dataset["categories"][0]["id"]
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

    truth: of `read_ground_truth`. results: of `usable_results`.
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
    x, y = joints[:, 0::3], joints[:, 1::3]
    low = np.stack([x.min(1), y.min(1)], axis=1)
    return np.concatenate([low, np.stack([x.max(1), y.max(1)], axis=1) - low], axis=1).tolist()


def as_coco(images: list[dict], annotations: list[dict], category: int) -> COCO:
    """A COCO object of these parts, with one category."""
    coco = COCO()
    coco.dataset = {"images": images, "annotations": annotations,
                    "categories": [{"id": category, "name": "person"}]}
    with contextlib.redirect_stdout(io.StringIO()):
        coco.createIndex()
    return coco
