"""The fields of COCO-WholeBody are one list of joints to every reader."""
import json

import numpy as np
import pytest

from datasets.annotations.annotated_sets import AnnotatedSet
from datasets.annotations.part_fields import joint_fields, part_names
from datasets.annotations.readers import read_persons
from datasets.annotations.skeleton import load_skeleton, skeleton_from_dict
from datasets.doctor.check_records import joint_count, joint_names, num_keypoints
from datasets.doctor.raw_labels import read_raw
from processors.evaluation.ground_truth import read_ground_truth
from tests.datasets.annotations.whole_bodies import FIELDS, annotations, person
from utils.errors import UserError

WHOLE = load_skeleton("coco_wholebody")


@pytest.fixture
def people():
    rng = np.random.default_rng(0)
    return [person(rng, 1, 5), person(rng, 2, 5, unseen=["keypoints", "foot_kpts"]),
            person(rng, 3, 7, unseen=FIELDS)]


def written(folder, people):
    path = folder / "whole.json"
    path.write_text(json.dumps(annotations(people)))
    return path


def joints_of(row):
    return np.concatenate([np.reshape(row[field], (-1, 3)) for field in FIELDS])


def raw_labels(path, skeleton=WHOLE):
    return read_raw(AnnotatedSet(path, path.parent, skeleton, "", "a", "b"), "training set")


def test_all_joints_come_in_the_order_of_the_skeleton(people, tmp_path):
    path = written(tmp_path, people)
    wanted = np.stack([joints_of(row) for row in people])
    persons = read_persons(path, WHOLE)
    assert persons.keypoints == pytest.approx(wanted[:2, :, :2])       # the third has no joint
    assert persons.visibility.tolist() == (wanted[:2, :, 2] > 0).tolist()
    truth = read_ground_truth(path, 133)
    assert [row["keypoints"] for row in truth.annotations] == wanted.reshape(3, -1).tolist()
    assert raw_labels(path).keypoints == pytest.approx(wanted)
    face = WHOLE.parts["face"]
    assert persons.keypoints[0, list(face)] == pytest.approx(
        np.reshape(people[0]["face_kpts"], (-1, 3))[:, :2])


def test_num_keypoints_is_that_of_the_first_field(people, tmp_path):
    path = written(tmp_path, people)
    truth = read_ground_truth(path, 133)
    assert [row["num_keypoints"] for row in truth.annotations] == [133, 110, 0]
    assert not any(row["ignored"] for row in truth.annotations) and truth.people == 2
    assert not list(joint_count(raw_labels(path))) and not list(num_keypoints(raw_labels(path)))
    assert not list(joint_names(raw_labels(path)))
    people[0]["num_keypoints"] = 133
    (found,) = num_keypoints(raw_labels(written(tmp_path, people)))
    assert found.count == 1


def test_the_body_alone_is_read_with_its_own_skeleton(people, tmp_path):
    path = written(tmp_path, people)
    persons = read_persons(path, load_skeleton("coco"))
    assert persons.keypoints.shape == (1, 17, 2)
    assert read_ground_truth(path, 17).fields == ("keypoints",)


def test_a_long_list_stays_one_list():
    long = [{"keypoints": [1.0] * 399, "foot_kpts": [1.0] * 18}]
    assert joint_fields(long, 133) == {"keypoints": 133}
    assert joint_fields([{"keypoints": [1.0] * 51}], 17) == {"keypoints": 17}
    assert joint_fields([], 133) == {"keypoints": 133}
    names = part_names()
    assert names["foot_kpts"][0] == "left_big_toe" and names["face_kpts"][67] == "face-67"
    assert names["righthand_kpts"][-1] == "right_pinky_finger4"


@pytest.mark.parametrize("change, words", [
    (lambda row: row.pop("face_kpts"), "annotation 1 has no face_kpts"),
    (lambda row: row.update(foot_kpts=None), "annotation 1 has no foot_kpts"),
    (lambda row: row.update(lefthand_kpts=[1.0] * 60),
     "annotation 1 has 60 numbers in lefthand_kpts instead of 63"),
    (lambda row: row.update(keypoints=[1.0] * 48), "48 numbers in keypoints instead of 51"),
    (lambda row: row.update(face_kpts=["x"] * 204), "something else than numbers in face_kpts")])
def test_a_field_that_is_wrong_is_named(people, tmp_path, change, words):
    change(people[0])
    path = written(tmp_path, people)
    for read in (lambda: read_persons(path, WHOLE), lambda: read_ground_truth(path, 133)):
        with pytest.raises(UserError, match=words) as caught:
            read()
        assert "whole.json" in str(caught.value)
    assert any("1 of 3 annotations without the 399 numbers in keypoints, foot_kpts" in str(finding)
               or "not numbers" in str(finding) for finding in joint_count(raw_labels(path)))


def test_a_file_without_the_fields_says_how_many_numbers_it_has(people, tmp_path):
    bodies = [{key: value for key, value in row.items() if "kpts" not in key} for row in people]
    with pytest.raises(UserError, match="51 numbers in keypoints instead of 399, three for each"):
        read_persons(written(tmp_path, bodies), WHOLE)


def test_a_skeleton_in_another_order_is_refused(people, tmp_path):
    names = list(WHOLE.joint_names)
    names[91:112], names[112:] = names[112:], names[91:112]         # the right hand first
    other = skeleton_from_dict({"joints": names}, "right_first")
    with pytest.raises(UserError, match="in another order, first left_hand_root in the place of"):
        read_persons(written(tmp_path, people), other)
