"""Ground truth files that lack something, and numbers that are none."""
import copy
import json

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from datasets.annotations.skeleton import load_skeleton
from processors.evaluation.coco_metrics import coco_metrics
from processors.evaluation.ground_truth import as_coco, read_ground_truth

SIGMAS = load_skeleton("coco").sigmas


def person(image_id: int, x: float, number: int, **more) -> dict:
    points = np.random.default_rng(number).uniform(0, 100, (17, 2)) + [x, 20]
    keypoints = np.concatenate([points.round(1), np.full((17, 1), 2)], axis=1)
    return {"id": number, "image_id": image_id, "category_id": 1, "num_keypoints": 17,
            "keypoints": keypoints.ravel().tolist(), "bbox": [x, 20, 100, 100], "area": 5000.0,
            "iscrowd": 0, **more}


def truth() -> dict:
    return {"images": [{"id": 1, "file_name": "a.jpg"}, {"id": 2, "file_name": "b.jpg"}],
            "annotations": [person(1, 0, 1), person(1, 300, 2), person(2, 50, 3)],
            "categories": [{"id": 1, "name": "person"}]}


def results_of(dataset: dict, noise: float = 4.0) -> list[dict]:
    rng = np.random.default_rng(5)
    return [{"image_id": a["image_id"], "category_id": a["category_id"], "score": rng.random(),
             "keypoints": (np.array(a["keypoints"]) + rng.normal(0, noise, 51)).tolist()}
            for a in dataset["annotations"]]


def numbers(dataset: dict, results: list[dict], folder) -> tuple[list[float], tuple[str, ...]]:
    path = folder / "truth.json"
    path.write_text(json.dumps(dataset))
    metrics = coco_metrics(path, results, SIGMAS)
    return list(metrics.values.values()), metrics.notes


def test_missing_area_is_taken_from_the_box_and_said_once(tmp_path):
    complete, without = truth(), truth()
    for annotation in complete["annotations"]:
        annotation["area"] = 0.53 * 100 * 100
    for annotation in without["annotations"]:
        del annotation["area"]
    results = results_of(truth())
    expected, notes = numbers(complete, results, tmp_path)
    assert notes == ()
    found, notes = numbers(without, results, tmp_path)
    assert found == expected != numbers(truth(), results, tmp_path)[0]
    assert len(notes) == 1 and "3 annotations have no area" in notes[0] and "0.53" in notes[0]


def test_an_area_of_zero_is_an_area_as_for_pycocotools(tmp_path):
    """No pose is near enough to a person without size, and it is in no range of sizes."""
    dataset = truth()
    dataset["annotations"][0]["area"] = 0
    results = results_of(truth())
    found, notes = numbers(dataset, results, tmp_path)
    coco = COCO(tmp_path / "truth.json")
    official = COCOeval(coco, coco.loadRes(copy.deepcopy(results)), "keypoints")
    official.evaluate(), official.accumulate(), official.summarize()
    assert notes == () and found == official.stats.tolist()
    assert found != numbers(truth(), results, tmp_path)[0]


@pytest.mark.parametrize("field", ["iscrowd", "num_keypoints", "bbox", "id"])
def test_other_missing_fields_are_filled_in(tmp_path, field):
    results = results_of(truth())
    expected = numbers(truth(), results, tmp_path)[0]
    without = truth()
    for annotation in without["annotations"]:
        del annotation[field]
    assert numbers(without, results, tmp_path)[0] == expected


@pytest.mark.parametrize("kind", [float, np.int64])
def test_ids_of_images_are_numbers_of_any_type(kind):
    dataset = truth()
    results = results_of(dataset)
    expected = coco_metrics(as_coco(dataset["images"], dataset["annotations"], 1), results, SIGMAS)
    others = [{**a, "image_id": kind(a["image_id"])} for a in dataset["annotations"]]
    found = coco_metrics(as_coco(dataset["images"], others, 1), results, SIGMAS)
    assert found.values == expected.values and found.people == 3


def test_annotation_number_0_is_a_person_too(tmp_path):
    dataset = truth()
    results = results_of(dataset, noise=0.0)
    dataset["annotations"][0]["id"] = 0
    assert numbers(dataset, results, tmp_path)[0][0] == 1.0


@pytest.mark.parametrize("nothing", [float("nan"), None])
def test_what_stands_beside_joints_without_label_counts_for_nothing(tmp_path, nothing):
    dataset = truth()
    for annotation in dataset["annotations"]:
        annotation["keypoints"][3:6] = [0, 0, 0]
    results = results_of(dataset)
    expected = numbers(dataset, results, tmp_path)
    for annotation in dataset["annotations"]:
        annotation["keypoints"][3:5] = [nothing, nothing]
    assert numbers(dataset, results, tmp_path) == expected
    dataset["annotations"][1]["keypoints"][5] = 1
    with pytest.raises(ValueError, match="annotation 2 has NaN or infinity in keypoints"):
        numbers(dataset, results, tmp_path)


def test_people_without_keypoints_are_ignored(tmp_path):
    dataset = truth()
    results = results_of(dataset)
    expected = numbers(dataset, results, tmp_path)[0]
    dataset["annotations"].append({"id": 9, "image_id": 2, "category_id": 1,
                                   "bbox": [500, 500, 9, 9]})
    assert numbers(dataset, results, tmp_path)[0] == expected


@pytest.mark.parametrize("keypoints", [None, [], [0] * 51, [5, 5, 0] * 17])
def test_nobody_is_judged_without_labelled_joints_whatever_the_file_counts(tmp_path, keypoints):
    dataset = truth()
    results = results_of(dataset)
    expected = numbers(dataset, results, tmp_path)[0]
    dataset["annotations"].append(person(2, 500, 9, keypoints=keypoints, num_keypoints=17))
    assert numbers(dataset, results, tmp_path)[0] == expected


@pytest.mark.parametrize("key, value, words", [
    ("area", float("nan"), "annotation 2 has NaN or infinity in area;"),
    ("area", "large", "annotation 2 has something else than numbers in area"),
    ("area", [1, 2], "annotation 2 has 2 numbers in area instead of 1"),
    ("area", 10 ** 400, 
     "annotation 2 has something else than numbers in area, or numbers without end;"),
    ("bbox", [0, 0, float("inf"), 5], "annotation 2 has NaN or infinity in bbox;"),
    ("bbox", [0, 0, 5], "annotation 2 has 3 numbers in bbox instead of 4"),
    ("keypoints", [float("nan"), 5, 2] * 17, "annotation 2 has NaN or infinity in keypoints;"),
    ("keypoints", "many", "annotation 2 has something else than numbers in keypoints"),
    ("iscrowd", [1, 0], "annotation 2 has an iscrowd that is neither 0 nor 1;"),
    ("iscrowd", "no", "annotation 2 has an iscrowd that is neither 0 nor 1;"),
    ("image_id", None, "annotation 2 has no image_id;"),
    ("image_id", [1], r"annotation 2 has the image_id \[1\], which is no number;")])
def test_numbers_that_are_none_are_said_with_file_and_annotation(tmp_path, key, value, words):
    """pycocotools takes NaN for a match: such a file would get a good AP."""
    dataset = truth()
    dataset["annotations"][1][key] = value
    with pytest.raises(ValueError, match=rf"truth\.json.*{words}.*correct or remove it"):
        numbers(dataset, results_of(truth()), tmp_path)


def test_what_is_written_for_a_joint_that_is_not_labelled_does_not_count(tmp_path):
    """Some tools write NaN or null there, which would make all of a person's numbers NaN."""
    plain, odd = truth(), truth()
    for dataset, value in ((plain, 0), (odd, float("nan"))):
        dataset["annotations"][1]["keypoints"][:6] = [value, value, 0, 0, value, 0]
    path = tmp_path / "odd.json"
    path.write_text(json.dumps(odd))
    assert np.isfinite(read_ground_truth(path, 17).annotations[1]["keypoints"]).all()
    assert numbers(odd, results_of(truth()), tmp_path) == numbers(
        plain, results_of(truth()), tmp_path)


def test_persons_may_have_another_category_id_beside_other_things(tmp_path):
    dataset = truth()
    results = results_of(dataset)
    expected = numbers(dataset, results, tmp_path)[0]
    dataset["categories"] = [{"id": 1, "name": "dog"}, {"id": 7, "name": "person"}]
    for annotation in dataset["annotations"]:
        annotation["category_id"] = 7
    dataset["annotations"].append({"id": 9, "image_id": 2, "category_id": 1, "area": 10.0,
                                   "bbox": [5, 5, 9, 9]})
    moved = [{**r, "category_id": 7} for r in results]
    assert numbers(dataset, moved, tmp_path)[0] == expected


def test_a_coco_object_is_not_changed():
    coco = as_coco(truth()["images"], truth()["annotations"], 1)
    del coco.dataset["annotations"][0]["area"]
    before = copy.deepcopy(coco.dataset)
    metrics = coco_metrics(coco, results_of(truth()), SIGMAS)
    assert coco.dataset == before and 0 < metrics["AP"] <= 1


@pytest.mark.parametrize("content, words", [
    (None, r"\(data.val_ann_path\) does not exist"), ("{", "is not JSON"),
    ("[]", "not a COCO annotation file"), ('{"annotations": []}', "has no list of images")])
def test_files_that_are_no_ground_truth(tmp_path, content, words):
    path = tmp_path / "truth.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises((FileNotFoundError, ValueError), match=words):
        coco_metrics(path, [], SIGMAS)


def test_results_that_are_no_numbers_are_refused(tmp_path):
    """pycocotools takes NaN for a match: such results would get a good AP."""
    for place, value in (("keypoints", float("nan")), ("score", float("inf"))):
        results = results_of(truth())
        if place == "score":
            results[2]["score"] = value
        else:
            results[2]["keypoints"][5] = value
        with pytest.raises(ValueError, match="result of image 2 has NaN or infinity in keypoints"):
            numbers(truth(), results, tmp_path)
