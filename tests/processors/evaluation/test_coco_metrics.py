"""From predictions to results and the ten numbers."""
import contextlib
import copy
import io
import json

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from configs.schema import CodecConfig, Config, DataConfig, ValConfig
from datasets.annotations.skeleton import load_skeleton
from processors.evaluation import results_file
from processors.evaluation.coco_metrics import COCO_METRICS, coco_metrics, table
from processors.evaluation.protocol import protocol
from processors.evaluation.results_file import write_results
from processors.models.pose_ranking import Predictions

SKELETON = load_skeleton("coco")
SIGMAS = SKELETON.sigmas


def make_truth(images: int = 8, joints: int = 17) -> dict:
    """A COCO keypoints file with people of all sizes, a crowd, and people without joints."""
    rng = np.random.default_rng(3)
    annotations = []
    for image_id in range(100, 100 + images):
        for person in range(rng.integers(1, 5)):
            x, y, w, h = *rng.uniform(0, 300, 2), *rng.uniform(20, 200, 2)
            points = rng.uniform(0, 1, (joints, 2)) * [w, h] + [x, y]
            visible = rng.integers(0, 3, joints) * (person != 3)
            keypoints = np.concatenate([points * (visible > 0)[:, None], visible[:, None]], axis=1)
            annotations.append({
                "id": len(annotations) + 1, "image_id": image_id, "category_id": 1,
                "bbox": [x, y, w, h], "area": 0.6 * w * h, "iscrowd": int(rng.random() < 0.1),
                "keypoints": keypoints.round(2).ravel().tolist(),
                "num_keypoints": int((visible > 0).sum())})
    return {"images": [{"id": i, "file_name": f"{i}.jpg"} for i in range(100, 100 + images)],
            "annotations": annotations, "categories": [{"id": 1, "name": "person"}]}


def make_predictions(truth: dict, noise: float = 4.0) -> Predictions:
    """Every person once or twice with noise, and some false ones."""
    rng = np.random.default_rng(4)
    people = [a for a in truth["annotations"] for _ in range(rng.integers(1, 3))]
    points = np.array([a["keypoints"] for a in people]).reshape(len(people), -1, 3)[..., :2]
    points = points + rng.normal(0, noise, points.shape)
    points[::7] += 150
    return Predictions(
        keypoints=points.astype(np.float32),
        joint_scores=rng.uniform(0, 1, points.shape[:2]).astype(np.float32),
        box_scores=rng.uniform(0.1, 1, len(people)).astype(np.float32),
        areas=np.array([1.5 * a["area"] for a in people], np.float32),
        image_ids=np.array([a["image_id"] for a in people]))


def to_results(*arguments, **settings) -> list[dict]:
    return results_file.to_results(*arguments, **settings).rows()


def as_file(truth: dict, folder) -> str:
    path = folder / "truth.json"
    path.write_text(json.dumps(truth))
    return str(path)


def textbook(truth_path: str, results: list[dict], image_ids=None, sigmas=SIGMAS) -> list[float]:
    """The ten numbers by pycocotools alone."""
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(truth_path)
        evaluation = COCOeval(truth, truth.loadRes(copy.deepcopy(results)), "keypoints")
        evaluation.params.kpt_oks_sigmas = np.array(sigmas)
        if image_ids is not None:
            evaluation.params.imgIds = image_ids
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return evaluation.stats.tolist()


def values(metrics) -> list[float]:
    return list(metrics.values.values())


def test_the_hrnet_rule_scores_as_written_in_its_papers():
    people = make_predictions(make_truth())
    results = to_results(people, ValConfig(nms="none", joint_score=0.4), SIGMAS, detected=True)
    expected = []
    for joints, box in zip(people.joint_scores.tolist(), people.box_scores.tolist(), strict=True):
        above = [score for score in joints if score > 0.4]
        expected.append(box * (sum(above) / len(above) if above else 0))
    assert len(results) == len(people)
    assert sorted(r["score"] for r in results) == pytest.approx(sorted(expected))


def test_results_are_plain_numbers_in_coco_form():
    people = make_predictions(make_truth())
    results = json.loads(json.dumps(to_results(people, ValConfig(), SIGMAS, category_id=3)))
    first = results[0]
    assert set(first) == {"image_id", "category_id", "keypoints", "score"}
    assert isinstance(first["image_id"], int) and first["category_id"] == 3
    rows = np.array(first["keypoints"]).reshape(17, 3)
    source = [i for i, points in enumerate(people.keypoints) if np.array_equal(points, rows[:, :2])]
    assert np.abs(rows[:, 2] - people.joint_scores[source[0]]).max() <= 5.1e-9


def test_nms_takes_the_better_of_two_equal_poses():
    points = np.tile(np.random.default_rng(0).uniform(0, 50, (1, 17, 2)), (3, 1, 1))
    people = Predictions(points, np.ones((3, 17)), np.array([0.5, 0.9, 0.7]), np.full(3, 2500.0),
                         np.array([1, 1, 2]))
    assert [r["score"] for r in to_results(people, ValConfig(), SIGMAS)] == [0.9, 0.7]
    assert len(to_results(people, ValConfig(nms="soft_oks"), SIGMAS)) == 3
    assert [r["score"] for r in to_results(people, ValConfig(nms="none"), SIGMAS)] == [.9, .5, .7]


def test_the_threshold_of_the_nms_is_the_configs():
    people = make_predictions(make_truth(), noise=6)
    kept = [len(to_results(people, ValConfig(nms_threshold=t), SIGMAS)) for t in (0.0, 0.5, 1.0)]
    assert kept[0] < kept[1] < kept[2] == len(people)


def test_the_order_of_predictions_changes_nothing_not_even_with_equal_scores(tmp_path):
    truth = make_truth()
    people = make_predictions(truth, noise=1.0)
    people.joint_scores[:] = 0.5
    people.box_scores[:] = 0.75     # every score is equal, so ties decide who is suppressed
    results = to_results(people, ValConfig(nms_threshold=0.5), SIGMAS)
    assert len(results) < len(people)
    for seed in range(3):
        order = np.random.default_rng(seed).permutation(len(people))
        shuffled = to_results(people.take(order), ValConfig(nms_threshold=0.5), SIGMAS)
        assert shuffled == results
    path = as_file(truth, tmp_path)
    assert values(coco_metrics(path, results, SIGMAS)) == values(
        coco_metrics(path, shuffled, SIGMAS))


def test_two_processes_give_the_results_of_one():
    people = make_predictions(make_truth())
    order = np.concatenate([np.arange(0, len(people), 2), np.arange(1, len(people), 2)])
    assert to_results(people.take(order), ValConfig(), SIGMAS) == to_results(
        people, ValConfig(), SIGMAS)


def test_predictions_that_are_no_numbers_are_left_out_and_said(caplog):
    people = make_predictions(make_truth())
    expected = to_results(people.take(np.arange(3, len(people))), ValConfig(), SIGMAS)
    people.keypoints[0, 3, 1] = np.nan
    people.joint_scores[1, 0] = np.inf
    people.box_scores[2] = np.nan
    with caplog.at_level("WARNING", logger="simplepose"):
        assert to_results(people, ValConfig(), SIGMAS) == expected
    assert f"3 of {len(people)} predictions" in caplog.text


def test_no_prediction_gives_no_result():
    nobody = make_predictions(make_truth()).take(np.zeros(0, int))
    for nms in ("oks", "soft_oks", "none"):
        assert to_results(nobody, ValConfig(nms=nms), SIGMAS) == []


def test_results_are_written_whole_or_not_at_all(tmp_path):
    results = to_results(make_predictions(make_truth()), ValConfig(), SIGMAS)
    path = write_results(results, tmp_path / "new folder" / "results.json")
    assert json.loads(path.read_text()) == results
    with pytest.raises(ValueError):
        write_results([{**results[0], "score": float("nan")}], path)
    assert json.loads(path.read_text()) == results
    assert [file.name for file in path.parent.iterdir()] == ["results.json"]


def test_ten_numbers_are_those_of_pycocotools(tmp_path, capsys):
    truth = make_truth(images=30)
    path = as_file(truth, tmp_path)
    results = to_results(make_predictions(truth), ValConfig(), SIGMAS)
    metrics = coco_metrics(path, results, SIGMAS)
    assert capsys.readouterr().out == ""
    assert tuple(metrics.values) == COCO_METRICS
    assert 0.1 < metrics["AP"] < 0.9 and metrics["AP(M)"] != metrics["AP(L)"]
    assert values(metrics) == textbook(path, results)
    assert metrics.precision.shape == (10, 101, 3)
    assert metrics.precision[:, :, 0].mean() == pytest.approx(metrics["AP"])
    assert metrics.precision[5, :, 0].mean() == pytest.approx(metrics["AP75"])


def test_truth_as_prediction_is_perfect(tmp_path):
    truth = make_truth()
    results = [{"image_id": a["image_id"], "category_id": 1, "keypoints": a["keypoints"],
                "score": 0.5} for a in truth["annotations"] if a["num_keypoints"]]
    assert values(coco_metrics(as_file(truth, tmp_path), results, SIGMAS)) == [1.0] * 10


def test_only_the_named_images_are_judged(tmp_path):
    truth = make_truth()
    path = as_file(truth, tmp_path)
    results = to_results(make_predictions(truth), ValConfig(), SIGMAS)
    some = [101, 102, 105]
    metrics = coco_metrics(path, results, SIGMAS, image_ids=some)
    assert values(metrics) == textbook(path, results, image_ids=some)
    assert metrics.images == 3 and metrics.detections < len(results)
    assert values(metrics) != values(coco_metrics(path, results, SIGMAS))


def test_results_of_other_images_or_categories_are_left_out_and_said(tmp_path, caplog):
    truth = make_truth()
    path = as_file(truth, tmp_path)
    results = to_results(make_predictions(truth), ValConfig(), SIGMAS)
    more = [{**results[0], "image_id": 9}, {**results[1], "category_id": 5}]
    with caplog.at_level("WARNING", logger="simplepose"):
        metrics = coco_metrics(path, results + more, SIGMAS)
    assert values(metrics) == values(coco_metrics(path, results, SIGMAS))
    assert len(metrics.notes) == 2 and all(note in caplog.text for note in metrics.notes)
    missing = coco_metrics(path, results, SIGMAS, image_ids=[101, 4, 5])
    assert missing.images == 1 and "2 of the 3 images" in missing.notes[0]


def test_an_empty_list_of_results_is_zero(tmp_path):
    metrics = coco_metrics(as_file(make_truth(), tmp_path), [], SIGMAS)
    assert values(metrics) == [0.0] * 10
    assert "empty" in metrics.notes[0]


@pytest.mark.parametrize("people", ["none", "no joints", "no images"])
def test_nobody_to_find_is_undefined_and_not_a_crash(tmp_path, people):
    truth = make_truth()
    results = to_results(make_predictions(truth), ValConfig(), SIGMAS)
    if people == "no joints":
        truth["annotations"] = [{**a, "keypoints": [0] * 51, "num_keypoints": 0}
                                for a in truth["annotations"]]
    else:
        truth["annotations"] = []
    if people == "no images":
        truth["images"] = []
    metrics = coco_metrics(as_file(truth, tmp_path), results, SIGMAS)
    assert values(metrics) == [-1.0] * 10
    assert any("undefined" in note for note in metrics.notes)
    assert table(metrics).splitlines()[1].split() == ["-"] * 10


def test_a_skeleton_of_another_size(tmp_path):
    truth, sigmas = make_truth(joints=14), np.linspace(0.02, 0.1, 14)
    path = as_file(truth, tmp_path)
    results = to_results(make_predictions(truth), ValConfig(), sigmas)
    metrics = coco_metrics(path, results, sigmas)
    assert 0 < metrics["AP"] < 1
    assert values(metrics) == textbook(path, results, sigmas=sigmas)
    with pytest.raises(ValueError, match="has 42 numbers in .* instead of 51.*data.skeleton"):
        coco_metrics(path, results, SIGMAS)
    with pytest.raises(ValueError, match="has 42 numbers.*needs 51"):
        coco_metrics(as_file(make_truth(), tmp_path), results, SIGMAS)


def test_golden_results(shared):
    """SimplePose's small network on COCO val: AP .5133 (DARK) and .5069 (quarter)."""
    truth = shared / "data/coco/annotations/person_keypoints_val2017.json"
    expected = json.loads((shared / "data/golden/ap_by_pycocotools.json").read_text())
    for name, numbers in expected["simplepose_coco_val_gtboxes_flip"].items():
        file = shared / f"data/golden/simplepose_coco_val_gtboxes_flip_{name}_results.json"
        metrics = coco_metrics(truth, json.loads(file.read_text()), SIGMAS)
        assert values(metrics) == pytest.approx(numbers, abs=1e-4)


@pytest.mark.parametrize("case, nms", [("gt", "oks"), ("det", "oks"), ("det", "soft_oks")])
def test_golden_evaluation(shared, case, nms):
    """What HRNet's own evaluation keeps, in which order, and how it scores it."""
    golden = np.load(shared / "golden/evaluate.npz")
    name = "det_soft" if nms == "soft_oks" else case
    boxes, poses = golden[f"{case}_boxes"], golden[f"{case}_preds"]
    people = Predictions(poses[..., :2], poses[..., 2], boxes[:, 5], boxes[:, 4],
                         golden[f"{case}_image_id"])
    results = to_results(people, ValConfig(nms=nms), SIGMAS, detected=True)
    kept, scores = golden[f"{name}_kept_index"], golden[f"{name}_kept_score"]
    assert len(results) == len(kept)
    images = golden[f"{case}_image_id"]
    order = np.argsort(images[kept], kind="stable")     # ours are sorted by image
    for result, index, score in zip(results, kept[order], scores[order], strict=True):
        assert result["image_id"] == images[index]
        assert np.allclose(np.reshape(result["keypoints"], (17, 3)), poses[index])
        assert result["score"] == pytest.approx(score, abs=1e-6)


def test_protocol_says_all_that_ap_depends_on():
    config = Config(data=DataConfig(val_ann_path="ann/val.json"), codec=CodecConfig(),
                    val=ValConfig(boxes="boxes/AP_H_56.json", box_score=0.25,
                                  only_images_with_boxes=True))
    words = protocol(config, "weights/net.pth")
    for part in ("ann/val.json", "boxes/AP_H_56.json", "0.25", "names only", "192x256",
                 "weights/net.pth", "mirror image", "1 px", "gauss_taylor (kernel 11)", "hrnet",
                 "exact", "joint scores above 0.2", "OKS-NMS at 0.9",
                 "judge:       arrays, equal to pycocotools"):
        assert part in words
    assert "judge:       hotcoco" in protocol(Config(val=ValConfig(judge="hotcoco")))
    for codec, kernel in ((CodecConfig(sigma=3), 17), (CodecConfig(sigma=3, blur_kernel=5), 5)):
        assert f"gauss_taylor (kernel {kernel})" in protocol(Config(codec=codec))
    dark = Config(codec=CodecConfig(alignment="dark", decoder="argmax"),
                  val=ValConfig(flip_test=False, nms="none", score_rule="alphapose"))
    words = protocol(dark)
    for part in ("ground truth", "flip test:   no", "argmax", "dark", "1.25", "NMS:         none"):
        assert part in words


def test_an_onnx_file_has_the_network_in_it():
    assert "network:     pose_resnet_duc" in protocol(Config(), "net.pth")
    words = protocol(Config(), "net.onnx")
    assert "ONNX file" in words and "pose_resnet_duc" not in words


def test_protocol_says_how_images_are_read_where_a_setting_says_it():
    assert "images:" not in protocol(Config())
    words = protocol(Config(data=DataConfig(exif="obey", bits=12)))
    assert "images:      EXIF orientation: obey (data.exif), 12 of 16 bits in use" in words


def test_protocol_of_a_sweep_says_what_is_common():
    words = protocol(Config(codec=CodecConfig(decoder="argmax"), val=ValConfig(flip_test=False)),
                     "net.pth", sweep=True)
    for part in ("with and without", "1 px", "net.pth", "ground truth",
                 "each one (gauss_taylor and vitpose with kernel 11)"):
        assert part in words
    assert "argmax" not in words and "flip test:   no" not in words


def test_table_has_a_line_for_each_evaluation(tmp_path):
    truth = make_truth()
    path = as_file(truth, tmp_path)
    metrics = coco_metrics(path, to_results(make_predictions(truth), ValConfig(), SIGMAS), SIGMAS)
    lines = table({"raw": metrics, "averaged": metrics}).splitlines()
    assert lines[0].split() == list(COCO_METRICS)
    assert lines[1].split() == ["raw"] + [f"{value:.4f}" for value in values(metrics)]
    assert lines[2].startswith("averaged") and len(set(map(len, lines))) == 1
