"""The doctor: silent on clean data, and one planted fault at a time is the one that it names."""
import copy
import json
import os
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from configs.schema import Config, DataConfig, ValConfig
from datasets.annotations.annotated_sets import AnnotatedSet
from datasets.doctor.check_images import same_people
from datasets.doctor.examine import CHECKS, examine
from datasets.doctor.finding import is_serious
from datasets.doctor.raw_labels import read_raw
from tests.datasets.doctor import planted_faults as planted
from tests.datasets.doctor.planted_faults import FAULTS, NOTES
from tests.datasets.doctor.sets import COCO, Sets, draw
from tests.datasets.doctor.subtle_faults import SUBTLE_FAULTS, SUBTLE_NOTES


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    return draw(tmp_path_factory.mktemp("drawn"), train=36, val=20)


def test_nothing_is_wrong_with_drawn_people(sets):
    diagnosis = sets.diagnose()
    assert diagnosis.findings == () and not diagnosis.serious
    assert "nothing wrong found" in str(diagnosis)
    assert f"36 images, {len(sets.train['annotations'])} annotations" in str(diagnosis)


def test_nothing_is_wrong_with_real_people(shared, tmp_path):
    coco = shared / "data" / "coco"
    train, val = (json.loads((coco / f"annotations/person_keypoints_{name}2017.json").read_bytes())
                  for name in ("train", "val"))
    sets = Sets(train, val, tmp_path, coco / "train2017", coco / "val2017")
    assert sets.found() == []


@pytest.mark.parametrize("plant", FAULTS + SUBTLE_FAULTS, ids=lambda plant: plant.__name__)
def test_a_planted_fault_is_the_one_that_is_named(sets, plant):
    check, count, words = plant(sets)
    diagnosis = sets.diagnose()
    assert [finding.check for finding in diagnosis.findings] == [check], str(diagnosis)
    if count is not None:
        assert diagnosis.findings[0].count == count
    assert words in str(diagnosis)
    assert diagnosis.serious == (plant not in NOTES | SUBTLE_NOTES)


def test_every_check_has_its_fault(sets, drawn):
    planted = {plant(copy.deepcopy(replace(sets, folder=_folder(sets.folder, number))))[0]
               for number, plant in enumerate(FAULTS + SUBTLE_FAULTS)}
    assert planted == {*CHECKS, "file", "category", "overlap", "sigmas", "num_joints"}


def _folder(parent: Path, number: int) -> Path:
    (parent / str(number)).mkdir()
    return parent / str(number)


# ---- several faults, and files that are none ---------------------------------------------------

def test_a_link_that_leads_nowhere_hides_no_image_of_both_sets(sets):
    check, count, _ = planted.same_photograph(sets)
    (sets.train_root / "nowhere.jpg").symlink_to("not_there.jpg")
    assert sets.found() == [(check, count)]


def test_it_goes_on_after_the_first_fault(sets):
    plants = (planted.no_image, planted.lost_annotation, planted.joint_outside, planted.short_row,
              planted.person_twice, planted.other_num_joints)
    assert {plant(sets)[0] for plant in plants} == {check for check, _ in sets.found()}


@pytest.mark.parametrize("content, words", [
    ("{", "is not JSON"), ("[]", "holds no images"), ("{}", "no list of images"),
    (None, "does not exist"),
    ('{"images": [1], "annotations": [2, {"image_id": 1, "category_id": {}}], "categories": [3]}',
     "1 of 1 images lack"),
    ('{"images": [{"id": 1, "file_name": "a", "width": 9, "height": 0}], "categories": [{"id": 1}],'
     ' "annotations": [{"image_id": [], "category_id": 1, "bbox": "x", "keypoints": {}}]}',
     "a width and a height above 0")])
def test_a_file_that_is_none_is_told_of(sets, content, words):
    sets.diagnose()
    path = sets.folder / "train.json"
    path.unlink() if content is None else path.write_text(content, encoding="utf-8")
    data = DataConfig(train_ann_path=str(path), val_ann_path=str(sets.folder / "val.json"),
                      train_img_root=str(sets.train_root), val_img_root=str(sets.val_root))
    diagnosis = examine(Config(data=data), COCO)
    assert diagnosis.serious and words in str(diagnosis)


# ---- what is no fault --------------------------------------------------------------------------

def pairs_right_first(sets):
    sets.skeleton = replace(COCO, flip_pairs=tuple((b, a) for a, b in COCO.flip_pairs))


def joint_at_the_border(sets):
    sets.persons[0]["keypoints"][:2] = -0.01 * 320, 50


def hand_wide_area(sets):
    for row in sets.train["annotations"]:
        row["area"] = 1.6 * row["bbox"][2] * row["bbox"][3]


def few_persons_without_ankle(sets):
    """Nine persons cannot tell that a joint is never labelled."""
    planted.invisible_joint(sets)
    keep = [row["id"] for row in sets.persons[:9]]
    sets.train["annotations"] = [row for row in sets.train["annotations"] if row["id"] in keep]


def person_beside_the_box(sets):
    """Two thirds of the joints outside of the box are seen in COCO."""
    row = next(row for row in sets.persons if row["num_keypoints"] == 17)
    x, y, w, h = row["bbox"]
    row["bbox"], row["area"] = [x, y, 0.3 * w, h], 0.15 * w * h
    joints = [[x + 0.1 * w, y + 0.5 * h, 2]] * 2 + [
        [x + 0.5 * w, y + 0.5 * h + i, 2] for i in range(4)]
    row["keypoints"] = sum(joints, []) + [0] * 33
    row["num_keypoints"] = 6


def some_hidden_with_coordinates(sets):
    row = sets.persons[0]
    row["keypoints"][2::3] = [0] * 17
    row["num_keypoints"] = 0


def face_of_one_pixel(sets):
    """Somebody far away, whose eyes and nose nobody can tell apart."""
    row = min(sets.persons, key=lambda row: row["bbox"][2] * row["bbox"][3])
    x, y, w, h = row["bbox"]
    row.update(bbox=[x, y, 20, 40], area=400, num_keypoints=5)
    row["keypoints"] = [x + 10, y + 4, 2] * 3 + [0] * 24 + [
        x + 8, y + 20, 2, x + 12, y + 20, 2] + [0] * 12


def crowd(sets):
    sets.persons[0].update(iscrowd=1, keypoints=[], bbox=[-900, 0, 5, 5], area=0)


HARMLESS = [pairs_right_first, joint_at_the_border, hand_wide_area, few_persons_without_ankle,
            person_beside_the_box, some_hidden_with_coordinates, face_of_one_pixel,
            crowd]


@pytest.mark.parametrize("harmless", HARMLESS, ids=lambda plant: plant.__name__)
def test_it_is_silent_where_nothing_can_be_said(sets, harmless):
    harmless(sets)
    assert sets.found() == []


# ---- what official data sets do ----------------------------------------------------------------

def nested_keypoints(sets):
    """RHD."""
    for row in sets.train["annotations"]:
        row["keypoints"] = np.reshape(row["keypoints"], (-1, 3)).tolist()
    return None


def other_counts(sets):
    """CrowdPose counts something else, but nobody's is 0."""
    for row in sets.persons[::2]:
        row["num_keypoints"] += 1
    return "num_keypoints"


def no_ears(sets):
    """PoseTrack."""
    for row in sets.train["annotations"]:
        row["keypoints"][9:15] = [0] * 6
        row["num_keypoints"] = sum(v > 0 for v in row["keypoints"][2::3])
    return "unlabelled_joints"


def boxes_of_whole_people(sets):
    """PoseTrack: also where they leave the image."""
    for row in sets.persons[::3]:
        x, _, w, _ = row["bbox"]
        row["bbox"][0], row["bbox"][2] = -0.3 * w, x + w + 0.3 * w
        row["area"] = 0.5 * row["bbox"][2] * row["bbox"][3]
    return "boxes"


@pytest.mark.parametrize("plant", [nested_keypoints, other_counts, no_ears, boxes_of_whole_people],
                         ids=lambda plant: plant.__name__)
def test_what_harms_nobody_is_a_note_at_most(sets, plant):
    check = plant(sets)
    diagnosis = sets.diagnose()
    assert not diagnosis.serious
    assert [finding.check for finding in diagnosis.findings] == [check] * (check is not None)


def few_hidden_joints_beside_the_box(row):
    """Of somebody of whom little is seen."""
    x, y, w, _ = row["bbox"]
    beside = x - w / 2 if x > w / 2 else x + 3 / 2 * w
    row.update(keypoints=[beside, y + 9, 1, beside, y + 5, 1] + [0] * 45)


def a_face_of_few_pixels(row):
    x, y, w, _ = row["bbox"]
    face = [x + 6, y + 6, 2, x + 5, y + 4, 2, x + 7, y + 4, 2]      # left for right
    row.update(keypoints=face + [0] * 42)


def eyes_exchanged_and_shoulders_right(row):
    x, y, w, _ = row["bbox"]
    row["keypoints"][:9] = x + w / 2, y + 20, 2, x + w / 2 - 8, y + 9, 2, x + w / 2 + 8, y + 9, 2
    row["keypoints"][15:21] = x + w * 3 / 4, y + 40, 2, x + w / 4, y + 40, 2


@pytest.mark.parametrize("spoil", [few_hidden_joints_beside_the_box, a_face_of_few_pixels,
                                   eyes_exchanged_and_shoulders_right])
def test_what_real_labels_have_is_not_wrong(sets, spoil):
    row = max(sets.persons, key=lambda row: row["num_keypoints"])
    spoil(row)
    row["num_keypoints"] = sum(v > 0 for v in row["keypoints"][2::3])
    assert sets.found() == []


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("field", ["bbox", "keypoints", "area"])
def test_numbers_that_overflow_are_told_without_a_warning(sets, field):
    for row in sets.persons:
        row[field] = 1e308 if field == "area" else [1e308] * len(row[field])
    assert {"bbox": "boxes", "keypoints": "joints_outside", "area": "areas"}[field] in dict(
        sets.found())


def test_boxes_that_are_mostly_outside_are_wrong(sets):
    for row in sets.persons[::3]:
        row["bbox"][0] = -0.9 * row["bbox"][2]
    (found,) = (finding for finding in sets.diagnose().findings if finding.check == "boxes")
    assert found.serious and "of them for the most part" in found.sentence


def test_counts_of_those_without_joints_are_wrong(sets):
    row = next(row for row in sets.train["annotations"] if not row["num_keypoints"])
    row["num_keypoints"] = 3
    assert sets.diagnose().serious


def test_people_are_found_in_another_size_without_a_look_at_the_pixels(sets):
    sets.diagnose()
    scaled = copy.deepcopy(sets.val)
    for row in scaled["images"]:
        row.update(width=row["width"] // 2, height=row["height"] // 2)
    for row in scaled["annotations"]:
        joints = np.reshape(row["keypoints"], (-1, 3))
        row["keypoints"] = np.column_stack([(joints[:, :2] / 2).round(), joints[:, 2]]
                                           ).ravel().tolist()
    (sets.folder / "half.json").write_text(json.dumps(scaled))
    val, half, train = (read_raw(AnnotatedSet(sets.folder / f"{name}.json", sets.folder, COCO, "",
                                              "", ""), name) for name in ("val", "half", "train"))
    many = {int(row) for row in val.image_rows[val.labelled.sum(axis=1) >= 10]}
    found = same_people(val, half)
    assert many <= found.keys() and all(row == other for row, other in found.items())
    assert not same_people(train, half)


def test_one_in_ten_thousand_is_named_and_not_serious():
    assert is_serious(1, 9999) and not is_serious(1, 10_000)


ODD = [None, "x" * 10 ** 5, [[1]], {}, True, float("nan"), 1e300, 10 ** 400, 2 ** 70]


@pytest.mark.parametrize("place", [(name, key) for name, keys in {
    "images": ("id", "file_name", "width"), "categories": ("id", "name", "keypoints"),
    "annotations": ("id", "image_id", "category_id", "iscrowd", "area", "bbox", "keypoints",
                    "num_keypoints")}.items() for key in keys], ids=".".join)
def test_whatever_a_field_holds_it_goes_on_and_says_it_in_few_words(sets, place):
    name, key = place
    rows = sets.train[name][:len(ODD)] or [{}]
    for number, value in enumerate(ODD):
        rows[number % len(rows)][key] = value
        text = str(sets.diagnose())
        assert max(map(len, text.splitlines())) < 900


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("number", [float("nan"), float("inf"), -float("inf"), 1e300])
def test_numbers_without_end_are_no_warnings_of_numpy(sets, number):
    one, other, third = sets.persons[:3]
    one["keypoints"][:3] = [number, 5, 2]
    other["bbox"][1], third["area"] = number, number
    assert {"boxes", "areas"} & {finding.check for finding in sets.diagnose().findings}


def test_detected_boxes_need_no_annotations(sets, tmp_path):
    boxes = tmp_path / "boxes.json"
    boxes.write_text(json.dumps([{"image_id": row["image_id"], "category_id": 1, "score": 0.9,
                                  "bbox": row["bbox"]} for row in sets.val["annotations"]]))
    sets.config = replace(sets.config, val=ValConfig(boxes=str(boxes)))
    del sets.val["annotations"]
    assert sets.found() == []


def test_the_same_fault_of_two_sets_is_said_once(sets):
    planted.eyes_with_ears(sets)
    assert [finding.where for finding in sets.diagnose().findings] == [
        "training set and validation set"]


@pytest.mark.parametrize("make, words", [
    (os.mkfifo, "^WRONG  data.train_pack: .*pack cannot be read: it is no file"),
    (Path.touch, "^WRONG  data.train_pack: .*pack.index does not exist"), (str, "nothing wrong")])
def test_a_pack_that_training_refuses_is_told(sets, tmp_path, make, words):
    """One that is still to be made is not."""
    make(tmp_path / "pack")
    data = replace(sets.config.data, train_pack=str(tmp_path / "pack"))
    sets.config = replace(sets.config, data=data)
    assert re.search(words, str(sets.diagnose()), re.MULTILINE)
