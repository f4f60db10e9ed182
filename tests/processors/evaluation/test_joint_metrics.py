"""Numbers by hand on a small set, pairing by box and by OKS, and what is refused beforehand."""
import json
import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from configs.loader import ConfigError, with_overrides
from configs.schema import Config
from configs.scores import Metric
from datasets.annotations.skeleton import load_skeleton, skeleton_from_dict
from datasets.synthetic.data_set import ensure_synthetic
from processors.evaluation import evaluation as evaluation_module
from processors.evaluation.coco_metrics import COCO_METRICS as TEN
from processors.evaluation.coco_metrics import table
from processors.evaluation.evaluation import Evaluation
from processors.evaluation.ground_truth import GroundTruth
from processors.evaluation.joint_error import UNDEFINED
from processors.evaluation.joint_metrics import (
    JOINT_METRICS,
    Evaluated,
    ensure_metrics,
    joint_table,
    scores_of,
)
from processors.evaluation.matched_people import match_by_oks, match_by_row
from processors.evaluation.protocol import protocol
from processors.judging.arrays import Results
from processors.models.pose_ranking import Predictions
from processors.runtime.parallel import OneProcess
from tests.processors.drawn_sets import settings

STICK = skeleton_from_dict({"joints": ["left_shoulder", "right_hip", "right_shoulder", "left_hip"]},
                           "stick")
PLACES = np.array([[10.0, 10], [40, 50], [40, 10], [10, 50]])       # the torso is 50 long


def person(number, image=1, shift=0.0, visible=(2, 2, 2, 2), **more):
    table = np.column_stack([PLACES + shift, visible])
    return {"row": number, "image_id": image, "category_id": 1, "iscrowd": 0, "area": 5000.0,
            "num_keypoints": int(np.count_nonzero(visible)), "keypoints": table.ravel().tolist(),
            "bbox": [0 + shift, 0 + shift, 50, 100], "has_box": True, "ignored": False,
            "empty": False, **more}


def predictions(points, images):
    points = np.array(points, np.float32)
    n = len(points)
    return Predictions(points, np.ones(points.shape[:2], np.float32), np.ones(n, np.float32),
                       np.full(n, 5000.0, np.float32), np.array(images))


def result(points, image=1, score=0.5):
    table = np.column_stack([points, np.ones(len(points))])
    return {"image_id": image, "category_id": 1, "keypoints": table.ravel().tolist(),
            "score": score}


def arrays(rows):
    return Results(np.array([row["image_id"] for row in rows], np.int64),
                   np.array([row["keypoints"] for row in rows]).reshape(-1, len(PLACES), 3),
                   np.array([row["score"] for row in rows]), category=1)


def evaluated(people, annotations=(), results=(), images=(), skeleton=STICK):
    return Evaluated(people, skeleton, truth(images, annotations), arrays(results))


def truth(images, annotations):
    numbered = [{**row, "id": number} for number, row in enumerate(annotations, 1)]
    return GroundTruth("val.json", list(images), numbered, category=1)


def values(names, found):
    return {name: score.value for name, score in scores_of(names, found).items()}


@pytest.fixture
def two_people():
    """One with a joint 6 right and 8 down of its place (10 px), one not found; image 2 is empty."""
    annotations = [person(7, bbox_head=[0, 0, 30, 40]), person(9, image=2, shift=100.0)]
    found = PLACES + [[6.0, 8], [0, 0], [0, 0], [0, 0]]
    return match_by_row(annotations, predictions([found], [1]), np.array([7]), 4)


def test_all_numbers_of_a_small_set_by_hand(two_people):
    # found: 4 joints at 10, 0, 0, 0 pixels; longer side 100, torso 50, head 0.6 * 50 = 30
    found = values(["pck", "pck_torso", "pckh", "epe", "nme"], evaluated(two_people))
    assert found == pytest.approx({
        "PCK@0.05": 3 / 8, "PCK@0.1": 4 / 8, "PCK@0.2": 4 / 8,
        "torso PCK@0.05": 3 / 8, "torso PCK@0.1": 3 / 8, "torso PCK@0.2": 4 / 8,
        "PCKh@0.5": 1.0, "PCKh@0.1": 3 / 4,     # the other person has no head box: not counted
        "EPE": 10 / 4, "NME": 10 / 4 / np.sqrt(5000)})
    # joint 0: share 0 below 10 px, 1/2 from there; thresholds 0, 30/19, ...: 13 of 20 are above
    auc = scores_of(["auc"], evaluated(two_people))["AUC"]
    assert auc.joints == pytest.approx([(13 - 0.5) / 19 / 2, 0.5, 0.5, 0.5])
    assert auc.value == pytest.approx(np.mean(auc.joints))


def test_each_joint_has_its_own_number(two_people):
    scores = scores_of(["pck", "epe"], evaluated(two_people))
    assert scores["PCK@0.05"].joints.tolist() == [0, 0.5, 0.5, 0.5]
    assert scores["EPE"].joints.tolist() == [10, 0, 0, 0]


def test_pckh_leaves_pelvis_and_thorax_out_of_the_mean_and_weighs_joints_by_their_number():
    mpii = load_skeleton("mpii")
    points = np.tile(np.arange(16.0)[:, None], 2)
    visible = np.full(16, 2)
    tables = [np.column_stack([points, visible]) for _ in range(2)]
    tables[1][1:, 2] = 0        # the second person has the right ankle only
    annotations = [{"row": i, "image_id": 1, "has_box": False, "bbox_head": [0, 0, 3, 4],
                    "keypoints": table.ravel().tolist()} for i, table in enumerate(tables)]
    wrong = points.copy()
    for name in ("pelvis", "thorax", "right_ankle"):
        wrong[mpii.joint_names.index(name)] += 50
    people = match_by_row(annotations, predictions([wrong, wrong], [1, 1]), np.array([0, 1]), 16)
    scores = scores_of(["pckh"], evaluated(people, skeleton=mpii))
    assert scores["PCKh@0.5"].value == pytest.approx(13 / 15)       # 14 + 1 joints, 2 wrong
    assert scores["PCKh@0.5"].joints[mpii.joint_names.index("pelvis")] == 0


def test_nobody_with_labels_gives_undefined_numbers_and_no_nan():
    nobody = [person(1, visible=(0, 0, 0, 0)), person(2, iscrowd=1)]
    people = match_by_row(nobody, predictions([PLACES], [1]), np.array([1]), 4)
    names = [name for name in JOINT_METRICS if name != "crowdpose"]
    assert set(values(names, evaluated(people)).values()) == {UNDEFINED}


def test_a_person_without_boxes_counts_where_no_box_is_needed():
    people = match_by_row([person(1, has_box=False)], predictions([PLACES + 3], [1]),
                          np.array([1]), 4)
    found = values(["pck", "epe", "nme"], evaluated(people))
    assert found["PCK@0.2"] == found["NME"] == UNDEFINED
    assert found["EPE"] == pytest.approx(np.hypot(3, 3))


def test_predictions_that_are_not_finite_are_wrong_and_not_averaged():
    broken = PLACES.copy()
    broken[0] = np.nan
    people = match_by_row([person(1)], predictions([broken], [1]), np.array([1]), 4)
    assert values(["pck", "epe"], evaluated(people)) == {
        "PCK@0.05": 0.75, "PCK@0.1": 0.75, "PCK@0.2": 0.75, "EPE": 0.0}


# ---- pairing

def test_by_row_the_order_and_the_id_do_not_count():
    annotations = [person(1, id=7), person(2, shift=5.0, id=7), person(5, image=2, id=7, shift=9.0)]
    points = [PLACES + 9, PLACES + 5, PLACES]
    people = match_by_row(annotations, predictions(points, [2, 1, 1]), np.array([5, 2, 1]), 4)
    np.testing.assert_array_equal(people.predicted, people.truth)


def test_by_oks_the_best_pairs_come_first_and_each_pose_serves_once():
    annotations = [person(1), person(2, shift=6.0), person(3, shift=400.0)]
    results = [result(PLACES + 5, score=0.1), result(PLACES + 2, score=0.9),
               result(PLACES + 7, score=0.5), result(PLACES, image=2)]
    people = match_by_oks(annotations, arrays(results), STICK.sigmas)
    # 5 and 7 are equally near to the second person, which takes the first of them; the first
    # person keeps the one at 2, although the second would like it, too
    np.testing.assert_allclose(people.predicted[0], PLACES + 2)
    np.testing.assert_allclose(people.predicted[1], PLACES + 5)
    assert np.isnan(people.predicted[2]).all() and people.found == 2


def test_by_oks_one_pose_is_not_two_people():
    people = match_by_oks([person(1), person(2, shift=6.0)], arrays([result(PLACES + 2)]),
                          STICK.sigmas)
    np.testing.assert_allclose(people.predicted[0], PLACES + 2)
    assert np.isnan(people.predicted[1]).all()


@pytest.mark.parametrize("shift, found", [(12, 1), (15, 0)])
def test_by_oks_a_pose_too_far_off_is_nobodys(shift, found):
    # OKS exp(-2 * shift^2 / (2 * (2 * 0.067)^2 * 5000)): 0.20 and 0.08
    people = match_by_oks([person(1)], arrays([result(PLACES + shift)]), STICK.sigmas)
    assert people.found == found


def test_by_oks_only_labelled_joints_count():
    annotations = [person(1, visible=(2, 0, 0, 0))]
    far = PLACES + [[0, 0], [300, 300], [300, 300], [300, 300]]
    near = PLACES + 3.0
    people = match_by_oks(annotations, arrays([result(near), result(far)]), STICK.sigmas)
    np.testing.assert_allclose(people.predicted[0], far)


def test_nobody_found_is_all_wrong():
    people = match_by_oks([person(1)], arrays([]), STICK.sigmas)
    assert values(["pck", "epe", "auc"], evaluated(people)) == {
        "PCK@0.05": 0, "PCK@0.1": 0, "PCK@0.2": 0, "EPE": UNDEFINED, "AUC": 0}


# ---- CrowdPose

def test_ap_by_crowding_judges_each_kind_of_image_alone():
    crowding = [0.0, 0.01, 0.84, 0.85]
    images = [{"id": i, "crowdIndex": value} for i, value in enumerate(crowding)]
    annotations = [person(10 + i, image=i) for i in range(4)]
    people = match_by_row(annotations, predictions([PLACES], [0]), np.array([10]), 4)
    results = [result(PLACES, image=0), result(PLACES, image=1), result(PLACES + 500, image=2)]
    found = values(["crowdpose"], evaluated(people, annotations, results, images))
    # medium: one of two right, found first; AP is the share of the 101 recalls up to 1/2
    assert found == pytest.approx({"AP easy": 1, "AP medium": 51 / 101, "AP hard": 0}, abs=1e-6)
    images = images[:1]
    found = values(["crowdpose"], evaluated(people, annotations[:1], results[:1], images))
    assert found == {"AP easy": pytest.approx(1), "AP medium": UNDEFINED, "AP hard": UNDEFINED}


def test_ap_by_crowding_takes_the_area_from_the_box():
    annotations = [person(1, area=1e9, bbox=[0, 0, 20, 20])]    # an area that forgives all
    people = match_by_row(annotations, predictions([PLACES], [1]), np.array([1]), 4)
    found = evaluated(people, annotations, [result(PLACES + 20)], [{"id": 1, "crowdIndex": 0}])
    assert values(["crowdpose"], found)["AP easy"] == 0


# ---- what is refused

@pytest.mark.parametrize("name, part", [
    ("pckh", "bbox_head: .x, y, width, height."), ("crowdpose", "1 of 1 images in val.json have"),
    ("pck_torso", "no joint left_hip, left_shoulder, right_hip, right_shoulder")])
def test_what_a_metric_needs_is_missed_before_a_network_runs(name, part):
    lacking = truth([{"id": 1}], [person(1)])
    skeleton = replace(STICK, joint_names=("a", "b", "c", "d"))
    ensure_metrics(["pck", "epe"], lacking, skeleton)
    with pytest.raises(ValueError, match=part):
        ensure_metrics([name], lacking, skeleton)
    whole = truth([{"id": 1, "crowdIndex": 0.5}], [person(1, bbox_head=[1, 2, 3, 4])])
    ensure_metrics([name], whole, STICK)


def test_people_without_a_head_box_are_counted_aloud(caplog):
    annotations = [person(1, bbox_head=[1, 2, 3, 4]), person(2)]
    ensure_metrics(["pckh"], truth([], annotations), STICK)
    assert "1 of 2 people in val.json have no bbox_head" in caplog.text


def test_every_name_of_the_yaml_is_a_metric_and_others_are_refused():
    assert set(JOINT_METRICS) == set(Metric.__args__)
    with pytest.raises(ConfigError, match="val.metrics is 'pkc'; choose coco or pck or"):
        with_overrides(Config(), ["val.metrics=[coco,pkc]"], "test")
    config = with_overrides(Config(), ["val.metrics=pck,epe"], "test")
    assert config.val.metrics == ("pck", "epe")


# ---- in an evaluation

WANTED = "val.metrics=[coco,pck,pck_torso,epe,nme,auc]"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("drawn")
    ensure_synthetic(settings(folder).data, seed=0)
    return folder


def evaluation_of(folder, *more):
    return Evaluation(settings(folder, *more), load_skeleton("coco"), OneProcess(()))


def moved_truth(evaluation, shift):
    """Predictions that are `shift` off, in an order of their own."""
    persons = evaluation.dataset.persons
    index = np.random.default_rng(0).permutation(len(persons))
    points = persons.keypoints[index] + np.float32(shift)
    n = len(persons)
    return Predictions(points, np.ones(points.shape[:2], np.float32), np.ones(n, np.float32),
                       np.full(n, 1e4, np.float32),
                       persons.image_ids[persons.image_rows[index]], index)


def test_with_ground_truth_boxes_each_prediction_meets_its_own_person(folder):
    evaluation = evaluation_of(folder, WANTED)
    people = moved_truth(evaluation, [3, 4])
    metrics = evaluation.judge(evaluation.to_results(people), people)
    assert tuple(metrics.values)[:10] == TEN
    assert metrics["EPE"] == pytest.approx(5, abs=1e-4)
    assert metrics["AUC"] == pytest.approx((16 - 0.5) / 19)     # 5 px is above 4 of 20 thresholds
    assert "AP75" in table(metrics) and "torso PCK@0.05" in table(metrics)
    lines = joint_table(metrics, evaluation.skeleton).splitlines()
    assert len(lines) == 18 and lines[1].split()[0] == "nose" and "5.0000" in lines[1]
    far = moved_truth(evaluation, [300, 4000])
    metrics = evaluation.judge(evaluation.to_results(far), far)
    for last in (table(metrics).splitlines()[-1], joint_table(metrics, evaluation.skeleton)):
        assert re.search(r" 4011\.\d{4} ", last + " ") and not re.search(r"-\d", last)
    assert "joints:      compared in each annotated box" in protocol(evaluation.config)


def test_with_detected_boxes_the_nearest_pose_is_the_persons(folder, tmp_path):
    content = json.loads((folder / "val" / "people.json").read_text())
    (tmp_path / "boxes.json").write_text(json.dumps([
        {"image_id": row["image_id"], "category_id": 1, "bbox": row["bbox"], "score": 0.9}
        for row in content["annotations"]]))
    by_labels = evaluation_of(folder)
    evaluation = evaluation_of(folder, WANTED, "val.nms=none",
                               f"val.boxes={tmp_path / 'boxes.json'}")
    people = moved_truth(by_labels, [1, 0])
    metrics = evaluation.judge(evaluation.to_results(people), people)
    assert metrics["EPE"] == pytest.approx(1, abs=1e-4) and metrics["PCK@0.2"] == 1
    assert "pairs of person and pose" in protocol(evaluation.config)
    half = people.take(np.arange(len(people)) % 2 == 0)
    metrics = evaluation.judge(evaluation.to_results(half), half)
    assert metrics["EPE"] == pytest.approx(1, abs=1e-4) and 0.3 < metrics["PCK@0.2"] < 0.7


def test_predictions_of_a_network_know_whose_they_are(folder, tmp_path, monkeypatch):
    met = []

    def spy(annotations, people, rows, num_joints):
        met.append((annotations, people, rows))
        return match_by_row(annotations, people, rows, num_joints)

    monkeypatch.setattr(evaluation_module, "match_by_row", spy)
    torch.manual_seed(0)
    evaluation = evaluation_of(folder, WANTED)
    metrics = evaluation.run(nn.Conv2d(3, 17, 5, 4, 2), tmp_path / "r.json")
    (annotations, people, rows), = met
    images = {row["row"]: row["image_id"] for row in annotations}
    assert sorted(rows.tolist()) == sorted(evaluation.dataset.persons.rows.tolist())
    assert [images[row] for row in rows.tolist()] == people.image_ids.tolist()
    assert 0 < metrics["EPE"] < 1000 and np.isfinite(list(metrics.values.values())).all()


def test_without_a_choice_there_are_the_ten_numbers_alone(folder):
    evaluation = evaluation_of(folder)
    people = moved_truth(evaluation, 0)
    metrics = evaluation.judge(evaluation.to_results(people), people)
    assert tuple(metrics.values) == TEN and not metrics.by_joint
    assert "joints" not in protocol(evaluation.config) and len(table(metrics).splitlines()) == 2


def test_a_metric_that_cannot_be_computed_stops_before_the_first_image(folder):
    with pytest.raises(ValueError, match="people.json.* bbox_head"):
        evaluation_of(folder, "val.metrics=pckh")
