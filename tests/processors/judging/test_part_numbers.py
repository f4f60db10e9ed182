"""The numbers of parts are those of pycocotools on that part alone."""
import contextlib
import copy
import io

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from processors.evaluation.ground_truth import as_coco, read_ground_truth
from processors.evaluation.results_file import usable_results
from processors.judging.matching import box_areas
from processors.judging.part_numbers import part_numbers
from tests.processors.judging.crowded_set import crowded_set

PARTS = {"body": tuple(range(9)), "hand": tuple(range(9, 14)), "tail": (14, 17, 20),
         "all": tuple(range(21))}
SIGMAS = np.random.default_rng(1).uniform(0.02, 0.12, 21)


def loaded(seed, ties=False):
    """Results and people of a set, of one category, whose num_keypoints are right."""
    content, results = crowded_set(seed, 21, ties)
    people = [row | {"num_keypoints": sum(v > 0 for v in row["keypoints"][2::3])}
              for row in content["annotations"] if row["category_id"] == 7]
    results = [row for row in results if row["category_id"] == 7]
    truth = read_ground_truth(as_coco(content["images"], copy.deepcopy(people), 7), 21)
    return content["images"], people, results, truth


def cut(row, joints):
    table = np.reshape(row["keypoints"], (-1, 3))[list(joints)]
    return {**row, "keypoints": table.ravel().tolist(),
            "num_keypoints": int((table[:, 2] > 0).sum())}


def by_pycocotools(images, people, results, joints, areas):
    with contextlib.redirect_stdout(io.StringIO()):
        truth = as_coco(images, [cut(row, joints) for row in people], 7)
        found = truth.loadRes([cut(row, joints) for row in results])
        for row, area in zip(found.dataset["annotations"], areas, strict=True):
            row["area"] = area
        done = COCOeval(truth, found, "keypoints")
        done.params.kpt_oks_sigmas = SIGMAS[list(joints)]
        done.evaluate(), done.accumulate(), done.summarize()
    return done.stats.tolist()


@pytest.mark.parametrize("seed, ties", [(0, False), (1, True)])
def test_each_part_alone(seed, ties):
    images, people, results, truth = loaded(seed, ties)
    assert isinstance(truth.coco(), COCO)
    used, _ = usable_results(results, truth, 21)
    found = part_numbers(truth.arrays, used, SIGMAS, PARTS)
    areas = box_areas(used.keypoints[:, :9])
    for part, joints in PARTS.items():
        wanted = by_pycocotools(images, people, results, joints, areas)
        assert found[part].stats.tolist() == wanted and 0 < wanted[0] < 1
    assert len({ten.stats[0] for ten in found.values()}) == len(PARTS)


def test_without_a_body_all_joints_tell_the_size():
    _, _, results, truth = loaded(2)
    used, _ = usable_results(results, truth, 21)
    parts = {"hand": PARTS["hand"], "all": PARTS["all"]}
    found = part_numbers(truth.arrays, used, SIGMAS, parts)
    same = part_numbers(truth.arrays, used, SIGMAS, parts | {"body": PARTS["all"]})
    other = part_numbers(truth.arrays, used, SIGMAS, parts | {"body": PARTS["hand"]})
    assert found["hand"].stats.tolist() == same["hand"].stats.tolist()
    assert found["hand"].stats.tolist() != other["hand"].stats.tolist()     # AP(M) or AP(L)
    assert found["hand"].stats[0] == other["hand"].stats[0]


def test_no_pose_and_nobody_in_a_part():
    _, _, results, truth = loaded(0)
    nothing, _ = usable_results([], truth, 21)
    assert part_numbers(truth.arrays, nothing, SIGMAS, PARTS)["hand"].stats[0] == 0
    for row in truth.annotations:
        table = np.reshape(row["keypoints"], (-1, 3))
        table[9:14] = 0
        row["keypoints"] = table.ravel().tolist()
    truth = truth.on()      # whose arrays are made anew
    used, _ = usable_results(results, truth, 21)
    found = part_numbers(truth.arrays, used, SIGMAS, PARTS)
    assert found["hand"].stats.tolist() == [-1.0] * 10 and found["body"].stats[0] > 0
