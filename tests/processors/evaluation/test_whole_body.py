"""The six parts of COCO-WholeBody against the numbers of its own evaluation (xtcocotools)."""
import json

import numpy as np
import pytest

from configs.schema import ValConfig
from datasets.annotations.skeleton import load_skeleton
from processors.evaluation.coco_metrics import COCO_METRICS, coco_metrics, table
from processors.evaluation.ground_truth import read_ground_truth
from processors.evaluation.joint_metrics import Evaluated, with_metrics
from processors.evaluation.matched_people import match_by_oks
from processors.evaluation.results_file import (
    in_fields,
    to_results,
    usable_results,
    write_results,
)
from processors.models.pose_ranking import Predictions

WHOLE = load_skeleton("coco_wholebody")
MODES = {"bbox_keypoint__oks_nms": ValConfig(boxes="detected.json", metrics=("wholebody",)),
         "bbox__none": ValConfig(boxes="detected.json", metrics=("wholebody",), nms="none")}
EXACT = 1e-6


@pytest.fixture(scope="module")
def golden(shared):
    return shared / "golden" / "next"


@pytest.fixture(scope="module")
def truth(golden):
    return read_ground_truth(golden / "wholebody_truth.json", WHOLE.num_joints)


def predicted(golden, bare: bool) -> Predictions:
    """bare: by the score of the box alone."""
    stored = np.load(golden / "wholebody_predictions.npz")
    scores = np.ones_like(stored["keypoint_scores"]) if bare else stored["keypoint_scores"]
    return Predictions(stored["keypoints"], scores, stored["box_score"],
                       stored["padded_box_wh"].prod(axis=1), stored["image_id"])


def judged(truth, results):
    coco = coco_metrics(truth, results, WHOLE.sigmas)
    people = match_by_oks(truth.annotations, results, WHOLE.sigmas)
    return with_metrics(coco, ["coco", "wholebody"], Evaluated(people, WHOLE, truth, results))


def wanted(golden, mode):
    stats = json.loads((golden / "wholebody_stats.json").read_text())
    assert len(stats["stat_names"]) == len(COCO_METRICS)
    return {f"{part} {name}": value for part, ten in stats[mode]["stats"].items()
            for name, value in zip(COCO_METRICS, ten, strict=True)}


@pytest.mark.parametrize("mode", MODES)
def test_all_numbers_from_predictions(golden, truth, mode):
    results = to_results(predicted(golden, "none" in mode), MODES[mode], WHOLE.sigmas, True)
    kept = json.loads((golden / "wholebody_stats.json").read_text())[mode]["n_kept"]
    found = judged(truth, results).values
    expected = wanted(golden, mode)
    assert len(results) == kept and len(expected) == 60
    assert {name: found[name] for name in expected} == pytest.approx(expected, abs=EXACT, rel=0)


def test_all_numbers_from_a_file_of_results(golden, truth):
    rows = json.loads((golden / "wholebody_results.json").read_text())
    results, notes = usable_results(rows, truth, WHOLE.num_joints)
    expected = wanted(golden, "bbox_keypoint__oks_nms")
    found = judged(truth, results).values
    assert {name: found[name] for name in expected} == pytest.approx(expected, abs=EXACT, rel=0)
    assert not notes and found["AP"] == found["wholebody AP"]
    assert coco_metrics(golden / "wholebody_truth.json", rows, WHOLE.sigmas)["AP"] == found["AP"]


def test_results_are_written_in_the_fields_of_the_annotations(golden, truth, tmp_path):
    results = to_results(predicted(golden, False), MODES["bbox_keypoint__oks_nms"], WHOLE.sigmas,
                         True)
    path = write_results(in_fields(results.rows(), truth), tmp_path / "results.json")
    rows = json.loads(path.read_text())
    theirs = json.loads((golden / "wholebody_results.json").read_text())
    assert all(row.keys() == other.keys() for row, other in zip(rows, theirs, strict=True))
    again, _ = usable_results(rows, truth, WHOLE.num_joints)
    assert np.array_equal(again.keypoints[..., :2], results.keypoints[..., :2])
    assert np.abs(again.keypoints - results.keypoints).max() <= 5.1e-9      # of scores eight digits
    by_score = [sorted(some, key=lambda row: row["score"]) for some in (rows, theirs)]
    for row, other in zip(*by_score, strict=True):
        for field in truth.fields:
            assert np.reshape(row[field], (-1, 3)) == pytest.approx(
                np.reshape(other[field], (-1, 3)), abs=1e-4)


def test_a_part_may_have_a_score_of_its_own(golden, truth):
    rows = json.loads((golden / "wholebody_results.json").read_text())
    before = judged(truth, usable_results(rows, truth, 133)[0]).values
    for row in rows:
        row["foot_score"] = 1 - row["score"]
    results, _ = usable_results(rows, truth, 133)
    after = judged(truth, results).values
    changed = {name for name in before if before[name] != after[name]}
    assert "foot AP" in changed and all(name.startswith("foot ") for name in changed)
    assert results.take(np.array([3, 1])).part_scores["foot"].tolist() == [
        rows[3]["foot_score"], rows[1]["foot_score"]]
    rows[0]["face_score"] = float("nan")
    with pytest.raises(ValueError, match="NaN or infinity in keypoints or score"):
        usable_results(rows, truth, 133)


def test_the_table_has_a_line_for_each_part(golden, truth):
    results = to_results(predicted(golden, False), MODES["bbox_keypoint__oks_nms"], WHOLE.sigmas,
                         True)
    metrics = judged(truth, results)
    lines = table(metrics).splitlines()
    assert [line.split()[0] for line in lines[2:]] == [
        "body", "foot", "face", "lefthand", "righthand", "wholebody"]
    assert lines[6].split()[1:5] == ["0.8346", "1.0000", "1.0000", "-"]
    assert metrics.by_part["wholebody"][0] == metrics["wholebody AP"]
    swept = table({"argmax, flip": metrics, "quarter, flip": metrics}).splitlines()
    assert swept[2].startswith("argmax, flip, body ") and len(swept) == 1 + 2 * 7
