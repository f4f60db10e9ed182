"""The category of data.category is found, or what the file has is said."""
import json

import numpy as np
import pytest

from datasets.annotations.category import category_ids
from datasets.annotations.readers import read_detections, read_persons
from datasets.annotations.skeleton import load_skeleton
from datasets.coco import MSCOCO
from processors.evaluation.ground_truth import read_ground_truth

COCO = load_skeleton("coco")
CAT, DOG = {"id": 3, "name": "cat"}, {"id": 5, "name": "dog"}
PERSON, POSED = {"id": 7, "name": "person"}, {"id": 9, "name": "cow", "keypoints": ["a"]}


@pytest.mark.parametrize("rows, wanted, ids", [
    ([CAT, PERSON, POSED], "", (7,)), ([CAT, POSED], "", (9,)), ([CAT], "", (3,)),
    ([CAT, DOG], "dog", (5,)), ([CAT, DOG], 3, (3,)), ([CAT, DOG], "all", (3, 5)),
    ([CAT, POSED], "all", (9,)), ([POSED, PERSON], "cow", (9,)),
])
def test_categories(rows, wanted, ids):
    assert category_ids(rows, wanted) == ids


@pytest.mark.parametrize("rows, wanted, words", [
    ([CAT, DOG], "cow", r"x.json has no category 'cow'.*cat \(3\), dog \(5\)"),
    ([CAT, DOG], 1, "no category 1"), ([CAT, DOG], "", "no category named person.*or to all"),
    ([{"id": [1], "name": "person"}, {"id": None, "name": "x"}], "", "no category named person"),
    ([], "", "no category named person"), ([], "all", "no category 'all'"),
])
def test_what_a_file_has_instead(rows, wanted, words):
    with pytest.raises(ValueError, match=words):
        category_ids(rows, wanted, "x.json")


@pytest.fixture
def farm(coco_content):
    """Three of the eight persons are cows, two of them sheep."""
    coco_content["categories"] += [{"id": 4, "name": "cow"}, {"id": 6, "name": "sheep"}]
    for row, category in zip(coco_content["annotations"], [4, 1, 4, 6, 1, 6, 4], strict=False):
        row["category_id"] = category
    return coco_content


def test_only_the_category_is_trained_on_and_judged(farm, write_coco):
    files = write_coco(farm)
    counts = {name: len(MSCOCO(*files, COCO, category=name)) for name in ("", "cow", 6, "all")}
    assert counts == {"": 3, "cow": 3, 6: 2, "all": 8}
    truths = {name: read_ground_truth(files[0], 17, name) for name in ("", "cow", 6, "all")}
    assert {name: len(truth.annotations) for name, truth in truths.items()} == counts
    assert {row["category_id"] for row in truths["all"].annotations} == {1}
    assert truths[6].category == 6 and truths["cow"].category == 4


def test_detections_of_the_category(farm, write_coco, tmp_path):
    path, _ = write_coco(farm)
    rows = [{"image_id": 10, "category_id": c, "bbox": [1, 2, 30, 40], "score": 0.5}
            for c in (1, 4, 4)]
    (tmp_path / "d.json").write_text(json.dumps(rows))
    assert len(read_detections(tmp_path / "d.json", path, COCO, category="cow")) == 2
    with pytest.raises(ValueError, match="no detection of category 6.*only of 1, 4"):
        read_detections(tmp_path / "d.json", path, COCO, category="sheep")


def test_joints_in_another_order_are_refused(coco_content, write_coco):
    names = list(COCO.joint_names)
    coco_content["categories"][0]["keypoints"] = names
    path, _ = write_coco(coco_content)
    assert len(read_persons(path, COCO)) == 8
    coco_content["categories"][0]["keypoints"] = names[:5] + names[5:7][::-1] + names[7:]
    path, _ = write_coco(coco_content)
    with pytest.raises(ValueError, match="another order, first right_shoulder in the place of "
                                         "left_shoulder"):
        read_persons(path, COCO)
    coco_content["categories"][0]["keypoints"] = np.arange(17).tolist()     # other words: no matter
    assert len(read_persons(write_coco(coco_content)[0], COCO)) == 8
