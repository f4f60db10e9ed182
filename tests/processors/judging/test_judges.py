"""Every judge gives pycocotools' numbers, to the last digit."""
import copy
import functools
import importlib.util
import json
import sys

import numpy as np
import pytest

from processors.evaluation.coco_metrics import JUDGES, coco_metrics
from processors.evaluation.ground_truth import as_coco, read_ground_truth
from processors.evaluation.results_file import usable_results
from tests.processors.judging.crowded_set import by_pycocotools_alone, crowded_set
from utils.errors import UserError

HAS_HOTCOCO = importlib.util.find_spec("hotcoco") is not None
CASES = [(seed, joints, ties) for ties in (False, True)
         for seed, joints in enumerate((1, 4, 17, 17, 21, 133))]
judged_by = pytest.mark.parametrize("judge", [
    name if name != "hotcoco" else pytest.param(
        name, marks=pytest.mark.skipif(not HAS_HOTCOCO, reason="hotcoco is not installed"))
    for name in JUDGES])


def sigmas_of(joints: int) -> np.ndarray:
    return np.random.default_rng(joints).uniform(0.02, 0.12, joints)


@functools.cache
def case(seed, joints, ties):
    content, results = crowded_set(seed, joints, ties)
    return content, results, by_pycocotools_alone(content, results, sigmas_of(joints))


def judged(content, results, sigmas, judge):
    truth = read_ground_truth(as_coco(content["images"], copy.deepcopy(content["annotations"]), 7),
                              len(sigmas))
    return coco_metrics(truth, results, sigmas, judge=judge)


@judged_by
@pytest.mark.parametrize("seed, joints, ties", CASES)
def test_the_numbers_are_those_of_pycocotools_to_the_last_digit(seed, joints, ties, judge,
                                                                tmp_path):
    content, results, expected = case(seed, joints, ties)
    sigmas = sigmas_of(joints)
    path = tmp_path / "truth.json"
    path.write_text(json.dumps(content))
    found = coco_metrics(path, results, sigmas, judge=judge)
    assert list(found.values.values()) == expected.stats.tolist()
    assert np.array_equal(found.precision, expected.eval["precision"][:, :, 0, :, 0])
    assert 0 < found["AP"] < 1


@judged_by
def test_an_area_that_is_missing_is_the_boxs(judge):
    content, results = crowded_set(0, 17, ties=False)
    for row in content["annotations"]:
        row["area"] = 0.53 * row["bbox"][2] * row["bbox"][3]
    expected = by_pycocotools_alone(content, results, sigmas_of(17)).stats.tolist()
    for row in content["annotations"][::2]:
        del row["area"]
    content["annotations"] = [row for row in content["annotations"] if row["category_id"] == 7]
    found = judged(content, [row for row in results if row["category_id"] == 7], sigmas_of(17),
                   judge)
    assert list(found.values.values()) == expected


@judged_by
@pytest.mark.parametrize("kept", ["large", "crowds", "nobody", "no pose", "no image"])
def test_what_is_undefined_is_minus_one(kept, judge):
    content, results = crowded_set(1, 17, ties=False)
    content["annotations"] = [row for row in content["annotations"] if row["category_id"] == 7 and {
        "large": row["area"] > 96 ** 2, "crowds": row["iscrowd"], "no pose": True}.get(kept)]
    results = [row for row in results if row["category_id"] == 7 and kept != "no pose"]
    if kept == "no image":
        content["images"] = []
    found = list(judged(content, results, sigmas_of(17), judge).values.values())
    if kept == "large":
        assert found == by_pycocotools_alone(content, results, sigmas_of(17)).stats.tolist()
        assert found[3] == found[8] == -1 and min(found[:3]) > 0
    else:
        assert found == [0.0 if kept == "no pose" else -1.0] * 10


def test_arrays_and_rows_of_results_are_judged_alike():
    content, results = crowded_set(2, 17, ties=True)
    truth = read_ground_truth(as_coco(content["images"], content["annotations"], 7), 17)
    arrays, notes = usable_results(results, truth, 17)
    assert len(notes) == 1 and "not of category 7" in notes[0]
    assert arrays.rows() == [row for row in results if row["category_id"] == 7]
    for judge in ("auto", "pycocotools"):
        assert coco_metrics(truth, arrays, sigmas_of(17), judge=judge).values == coco_metrics(
            truth, results, sigmas_of(17), judge=judge).values
    some = truth.on([row["id"] for row in truth.images[:5]])
    fewer, notes = usable_results(arrays, some, 17)
    assert 0 < len(fewer) < len(arrays)
    assert f"{len(arrays) - len(fewer)} of {len(arrays)} results are for images" in notes[0]


def test_golden_results_are_judged_alike(shared):
    """SimplePose's small network on COCO val, 50 images."""
    path = shared / "data/coco/annotations/person_keypoints_val2017.json"
    truth, sigmas = read_ground_truth(path, 17), np.full(17, 0.07)
    for name in ("dark", "quarter"):
        file = shared / f"data/golden/simplepose_coco_val_gtboxes_flip_{name}_results.json"
        if file.is_file():
            results = json.loads(file.read_text())
            found = [coco_metrics(truth, results, sigmas, judge=judge).values
                     for judge in JUDGES if judge != "hotcoco" or HAS_HOTCOCO]
            assert all(values == found[0] for values in found)


def test_a_judge_that_is_not_installed_is_told_with_the_cure(monkeypatch):
    monkeypatch.setitem(sys.modules, "hotcoco", None)
    content, results = crowded_set(0, 17, ties=False)
    with pytest.raises(UserError, match="not installed: pip install hotcoco, or write auto"):
        judged(content, results, sigmas_of(17), "hotcoco")
