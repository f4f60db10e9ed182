"""Columns: whoever reads keypoints reads those in lists of three (RHD's form) alike."""
import json

import numpy as np
import pytest

from datasets.annotations.annotated_sets import AnnotatedSet
from datasets.annotations.readers import read_detections, read_persons
from datasets.annotations.skeleton import skeleton_from_dict
from datasets.doctor.check_records import areas, image_ids, joint_count
from datasets.doctor.raw_labels import read_raw
from datasets.imports.coco import read_coco_labels
from datasets.imports.write_coco import Notes
from processors.evaluation.ground_truth import read_ground_truth

STICK = skeleton_from_dict({"joints": ["top", "end"]}, "stick")
FLAT = [10, 5, 2, 20, 10, 1]


def written(folder, keypoints):
    path = folder / "a.json"
    path.write_text(json.dumps({
        "images": [{"id": 1, "file_name": "a.png", "width": 40, "height": 20}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [8, 4, 14, 8],
                         "area": 50, "num_keypoints": 2, "keypoints": keypoints}],
        "categories": [{"id": 1, "name": "person"}]}))
    return path


@pytest.mark.parametrize("keypoints", [FLAT, [FLAT[:3], FLAT[3:]], [[FLAT[:3], FLAT[3:]]]])
def test_nested_keypoints_are_those_of_a_flat_list_to_every_reader(tmp_path, keypoints):
    path = written(tmp_path, keypoints)
    assert read_persons(path, STICK).keypoints.tolist() == [[[10, 5], [20, 10]]]
    assert read_ground_truth(path, 2).annotations[0]["keypoints"] == FLAT
    (image,), _ = read_coco_labels(path, STICK, None, Notes())
    assert image.persons[0].joints.ravel().tolist() == FLAT
    labels = read_raw(AnnotatedSet(path, tmp_path, STICK, "", "a", "b"), "training set")
    assert np.ravel(labels.keypoints).tolist() == FLAT and not list(joint_count(labels))


@pytest.mark.parametrize("change", [{"file_name": "b.png"}, {"width": 41}])
def test_two_images_with_one_id_are_refused_by_every_reader(tmp_path, change):
    """Their persons would be looked for in the last of them. One listed again is the same."""
    path = written(tmp_path, FLAT)
    content = json.loads(path.read_text())
    part = AnnotatedSet(path, tmp_path, STICK, "", "a", "b")
    readers = (lambda: read_persons(path, STICK), lambda: read_ground_truth(path, 2),
               lambda: read_detections(boxes, path, STICK))
    boxes = tmp_path / "boxes.json"
    boxes.write_text(json.dumps([{"image_id": 1, "category_id": 1, "bbox": [0, 0, 9, 9],
                                  "score": 1}]))
    content["images"] *= 2
    path.write_text(json.dumps(content))
    for read in readers:
        read()
    assert not list(image_ids(read_raw(part, "training set")))
    content["images"][1] = content["images"][0] | change
    path.write_text(json.dumps(content))
    for read in readers:
        with pytest.raises(ValueError, match=r"1 image id used for more than one image, first 1, "):
            read()
    assert "more than one" in next(image_ids(read_raw(part, "training set"))).sentence


@pytest.mark.parametrize("area", ["big", float("nan"), float("inf"), [50], True])
def test_an_area_that_is_no_number_stops_evaluation_and_check_says_so(tmp_path, area):
    path = written(tmp_path, FLAT)
    content = json.loads(path.read_text())
    content["annotations"][0]["area"] = area
    path.write_text(json.dumps(content))
    with pytest.raises(ValueError, match="annotation 1 has .* in area"):
        read_ground_truth(path, 2)
    found, = areas(read_raw(AnnotatedSet(path, tmp_path, STICK, "", "a", "b"), "training set"))
    assert found.serious and "an area that is no finite number" in found.sentence


@pytest.mark.parametrize("score", [True, [0.9], "0.9"])
def test_a_score_is_a_number_and_nothing_like_it(tmp_path, score):
    boxes = tmp_path / "boxes.json"
    boxes.write_text(json.dumps([{"image_id": 1, "category_id": 1, "bbox": [0, 0, 9, 9],
                                  "score": score}]))
    with pytest.raises(ValueError, match="has something else than numbers in score"):
        read_detections(boxes, written(tmp_path, FLAT), STICK)
    if score != [0.9]:      # lists in lists are taken as one
        with pytest.raises(ValueError, match="has something else than numbers in keypoints"):
            read_persons(written(tmp_path, [score] * 6), STICK)


def test_a_longer_list_is_refused_with_the_way_to_take_its_first_joints(tmp_path):
    with pytest.raises(ValueError, match="has 9 numbers in keypoints instead of 6, .*which "
                                         "`import --from coco` takes out of longer lists"):
        read_persons(written(tmp_path, FLAT + [1, 1, 2]), STICK)
