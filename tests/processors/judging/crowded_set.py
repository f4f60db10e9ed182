"""Annotations and results with everything that makes judging hard, and what pycocotools says."""
import contextlib
import copy
import io

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

AREAS = (0.0, 32.0 ** 2, 96.0 ** 2, 5e9)      # no size, limits of sizes, an error


def crowded_set(seed: int, joints: int, ties: bool, images: int = 12) -> tuple[dict, list[dict]]:
    """Up to 8 people in an image and up to 5 poses for each, so that some images have more than
    20.

    There are crowds, people without labelled joints, some with few, people whose num_keypoints is
    0 all the same, images without people or poses, things of another category, and ids in no
    order. ties: coordinates and scores have few values, and people and poses come twice.
    """
    rng = np.random.default_rng(seed)
    ids = rng.choice(10 ** 12, images, replace=False).tolist()
    annotations = []
    for image_id in ids[1:]:
        for _ in range(rng.integers(0, 9)):
            twice = ties and rng.random() < 0.3
            annotations += [_person(rng, image_id, joints, ties)] * (1 + twice)
    annotations = [{**row, "id": number} for number, row in enumerate(annotations, 1)]
    rng.shuffle(annotations)
    results = [_pose(rng, row, ties) for row in annotations for _ in range(rng.integers(0, 6))
               if row["image_id"] != ids[2]]
    results += [copy.deepcopy(row) for row in results if ties and rng.random() < 0.2]
    rng.shuffle(results)
    return {"images": [{"id": i, "file_name": f"{i}.jpg", "width": 640, "height": 480}
                       for i in rng.permutation(ids).tolist()], "annotations": annotations,
            "categories": [{"id": 3, "name": "dog"}, {"id": 7, "name": "person"}]}, results


def _person(rng: np.random.Generator, image_id: int, joints: int, ties: bool) -> dict:
    corner, size = rng.uniform(0, 200, 2), rng.uniform(10, 250, 2)
    visibility = rng.integers(0, 3, joints) * (rng.random() > 0.1)
    if rng.random() < 0.3:
        visibility *= rng.random(joints) < 0.2
    points = (rng.uniform(0, 1, (joints, 2)) * size + corner) * (visibility > 0)[:, None]
    table = np.column_stack([points.round(-1) if ties else points, visibility])
    area = float(rng.choice(AREAS)) if rng.random() < 0.2 else float(0.6 * size.prod())
    return {"image_id": image_id, "category_id": 7 if rng.random() > 0.1 else 3, "area": area,
            "iscrowd": int(rng.random() < 0.15), "bbox": [*corner.tolist(), *size.tolist()],
            "keypoints": table.ravel().tolist(),
            "num_keypoints": int((visibility > 0).sum()) * int(rng.random() > 0.05)}


def _pose(rng: np.random.Generator, person: dict, ties: bool) -> dict:
    table = np.array(person["keypoints"]).reshape(-1, 3)
    table[:, :2] += rng.normal(0, rng.choice([0, 2, 5, 20, 80]), (len(table), 2))
    table = (table.round(-1) if ties else table).astype(np.float32).astype(float)
    return {"image_id": person["image_id"], "category_id": person["category_id"],
            "keypoints": table.ravel().tolist(),
            "score": float(rng.integers(0, 5)) / 4 if ties else float(rng.random())}


def by_pycocotools_alone(content: dict, results: list[dict], sigmas, category: int = 7) -> COCOeval:
    """After its evaluate, accumulate and summarize, as its own demo calls them."""
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = copy.deepcopy(content)
        truth.createIndex()
        done = COCOeval(truth, truth.loadRes(copy.deepcopy(results)), "keypoints")
        done.params.kpt_oks_sigmas, done.params.catIds = np.array(sigmas), [category]
        done.evaluate(), done.accumulate(), done.summarize()
    return done
