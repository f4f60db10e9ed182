"""Networks with model.visibility: trained, calibrated, judged, used, swept and exported as others.

Stopped runs, several processes: tests/runs/test_visibility_runs.py.
"""
import json

import numpy as np
import pytest
import torch

import main
from configs.loader import load_config
from configs.schema import CodecConfig, Config, ModelConfig
from processors.jobs.evaluate import evaluate_weights
from processors.models.load_pose_model import load_pose_model
from processors.pose_predictor import PosePredictor
from tests.processors.pose_checkpoints import write_checkpoint
from tests.processors.training.exports import exported_both_ways
from tests.processors.training.test_simcc import SIMCC
from utils.errors import UserError

TINY = {"model.type": "pose_resnet_duc", "model.name": "resnet18", "model.width": 0.125,
        "model.visibility": True, "optim.epochs": 1}
NETS = {"heatmap": TINY, "simcc": SIMCC | TINY}
BOXES = [[5, 5, 60, 80], [2, 3, 40, 50]]


@pytest.fixture
def image():
    return np.random.default_rng(0).integers(0, 256, (90, 80, 3), dtype=np.uint8)


@pytest.fixture
def words(data):
    """The settings of `tiny` as words."""
    return ["data.num_workers=0", "optim.amp=false", *(
        f"data.{split}_{key}={data / split / name}" for split in ("train", "val")
        for key, name in (("ann_path", "people.json"), ("img_root", "images")))]


@pytest.mark.parametrize("name", NETS)
def test_it_is_trained_judged_and_used(tiny, tmp_path, image, name):
    processor = tiny(net=None, **NETS[name])
    before = processor.net.visibility.weight.clone()
    best = processor.run()
    assert not torch.equal(before, processor.net.visibility.weight)
    assert 0 <= best["visibility"] <= 1 and 0.05 <= best["temperature"] <= 20
    stored = {which: torch.load(tmp_path / "weights" / f"quickstart_{which}.pth",
                                weights_only=True) for which in ("last", "best")}
    assert stored["last"]["net"]["visibility.temperature"] == 1     # it goes on as it was
    assert stored["best"]["ema"]["visibility.temperature"].item() == pytest.approx(
        best["temperature"])
    lines = (tmp_path / "weights" / "metrics.jsonl").read_text().splitlines()
    assert json.loads(lines[-1])["visibility"] == best["visibility"]
    results = json.loads((tmp_path / "weights" / "quickstart_results.json").read_text())
    assert np.shape(results[0]["visibility"]) == (17, 3)
    for person in PosePredictor(tmp_path / "weights" / "quickstart_best.pth", device="cpu")(
            image, BOXES):
        assert person.visibility.shape == (17, 3)
        np.testing.assert_allclose(person.visibility.sum(axis=1), 1, atol=1e-6)


def test_the_best_weights_are_calibrated(tiny, tmp_path, words, capsys):
    """Judged again, they ask for a temperature of 1; all else is as the run has said."""
    processor = tiny(net=None, **TINY)
    best = processor.run()
    capsys.readouterr()
    again = evaluate_weights(load_config("configs/quickstart.yaml", words),
                             tmp_path / "weights" / "quickstart_best.pth",
                             report=tmp_path / "report")[""]
    assert again["temperature"] == pytest.approx(1, abs=1e-3)
    assert {name: again[name] for name in ("AP", "AR", "visibility")} == {
        name: best[name] for name in ("AP", "AR", "visibility")}
    said = capsys.readouterr().out
    assert "visibility by joint:" in said and "of hidden" in said
    page = (tmp_path / "report" / "report.html").read_text()
    assert "<h2>Visibility</h2>" in page and "<th>v as h</th>" in page


def test_detected_boxes_and_the_rule_of_its_own(tiny, data, tmp_path):
    processor = tiny(net=None, **TINY | {"val.score_rule": "visibility"})
    assert np.isfinite(processor.run()["AP"])
    truth = json.loads((data / "val" / "people.json").read_text())
    rows = [{"image_id": row["image_id"], "category_id": 1, "bbox": row["bbox"], "score": 0.9}
            for row in truth["annotations"]]
    (tmp_path / "boxes.json").write_text(json.dumps(rows))
    found = tiny(net=None, **TINY | {"val.boxes": tmp_path / "boxes.json", "resume": False}).run()
    assert -1 <= found["visibility"] <= 1


def test_a_sweep_judges_it_too(tiny, tmp_path):
    processor = tiny(net=None, **TINY)
    swept = processor.evaluation.sweep(processor.net, tmp_path)
    assert all(0 <= metrics["visibility"] <= 1 for metrics in swept.values())


@pytest.mark.slow
@pytest.mark.parametrize("name", NETS)
def test_it_is_exported(tiny, tmp_path, words, image, name):
    pytest.importorskip("onnxscript")
    pytest.importorskip("onnxruntime")
    tiny(net=None, **NETS[name] | {"val.flip_test": False}).run()
    weights = tmp_path / "weights" / "quickstart_best.pth"
    wanted = PosePredictor(weights, device="cpu")(image, BOXES)
    for decode, out, names in exported_both_ways(weights, tmp_path):
        assert names == ["keypoints", "scores", "visibility"] if decode else (
            ["visibility", "simcc_x", "simcc_y"] if name == "simcc" else ["visibility", "heatmaps"])
        for one, other in zip(PosePredictor(out, device="cpu")(image, BOXES), wanted, strict=True):
            np.testing.assert_allclose(one.scores, other.scores, atol=1e-4)
            np.testing.assert_allclose(one.visibility, other.visibility, atol=1e-5)
            assert (np.abs(one.keypoints - other.keypoints) < 0.01).mean() > 0.9
    judged = load_config("configs/quickstart.yaml", [*words, "val.flip_test=false"])
    evaluated = evaluate_weights(judged, tmp_path / "net0.onnx")[""]
    assert evaluated["temperature"] == pytest.approx(1, abs=1e-2)


def test_what_does_not_tell_it_is_refused_where_it_is_asked_for(tiny, tmp_path):
    tiny(net=None, **TINY | {"model.visibility": False}).run()
    weights = tmp_path / "weights" / "quickstart_best.pth"
    with pytest.raises(UserError, match="has no visibility output for this network"):
        load_pose_model(weights, overrides=["model.visibility=true"])
    with pytest.raises(UserError, match="val.score_rule is visibility, but model.visibility is fa"):
        load_pose_model(weights, overrides=["val.score_rule=visibility"])
    with pytest.raises(UserError, match="val.score_rule is visibility, but"):
        tiny(net=None, **TINY | {"model.visibility": False, "val.score_rule": "visibility"})


def test_it_can_be_left_out(tiny, tmp_path, image):
    tiny(net=None, **TINY).run()
    weights = tmp_path / "weights" / "quickstart_best.pth"
    model = load_pose_model(weights, overrides=["model.visibility=false"])
    assert PosePredictor(model)(image, BOXES)[0].visibility is None


def test_other_forms_go_without_it(tmp_path, capsys):
    config = Config(model=ModelConfig(type="pose_resnet_dconv", name="resnet18", visibility=True),
                    codec=CodecConfig(input_size=(64, 64)))
    weights = write_checkpoint(tmp_path / "net.pth", config)
    out = tmp_path / "theirs.pth"
    assert main.main(["export", "--weights", str(weights), "--form", "simplebaselines",
                      "--out", str(out)]) == 0
    assert "the visibility output was left out" in capsys.readouterr().out
    assert not [key for key in torch.load(out, weights_only=True) if "visibility" in key]
