"""`main.py check`: exit status, pictures, page, and the upper bound of AP."""
import json
from dataclasses import replace

import cv2
import numpy as np
import pytest

import main
from configs.loader import load_config
from configs.schema import CodecConfig, Config, DataConfig
from datasets.annotations import coco_file
from datasets.annotations.skeleton import load_skeleton
from processors.evaluation.upper_bound import upper_bound
from processors.jobs import check
from processors.reports.training_sheet import heatmap_overlay
from utils.json_file import read_json

YAML = """
model_name: drawn
data: {train_ann_path: d/train.json, val_ann_path: d/val.json, train_img_root: d/train,
       val_img_root: d/val, synthetic_train: 6, synthetic_val: 4, num_workers: 0}
codec: {input_size: [96, 128]}
augment: {dropout: 1.0, half_body: 0.5, perspective: 0.2}
"""
COCO = load_skeleton("coco")


@pytest.fixture
def recipe(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "run.yaml").write_text(YAML, encoding="utf-8")
    return tmp_path


def test_clean_data_is_status_0_with_a_page_that_needs_nothing_else(recipe, capsys):
    assert main.main(["check", "run.yaml", "--report", "page"]) == 0
    assert "nothing wrong found" in capsys.readouterr().out
    page = (recipe / "page" / "doctor.html").read_text(encoding="utf-8")
    assert page.count("data:image/png;base64,") == 3 and page.count("data:image/jpeg") == 1
    assert "http" not in page and "$" not in page and "Left out" not in page
    assert "--paper" in page        # the style of the other report has come along
    for name in ("sizes.png", "poses.png", "visibility.png", "training.jpg"):
        picture = cv2.imread(str(recipe / "page" / name))
        assert min(picture.shape[:2]) > 200 and picture.std() > 10


def test_each_annotation_file_is_parsed_once(recipe, monkeypatch):
    parsed = []
    monkeypatch.setattr(coco_file, "read_json",
                        lambda path, name: parsed.append(path.name) or read_json(path, name))
    assert main.main(["check", "run.yaml", "--report", "page"]) == 0
    assert sorted(parsed) == ["train.json", "val.json"]


def test_broken_data_is_status_1_and_the_page_says_why_a_part_is_missing(recipe, capsys):
    assert main.main(["check", "run.yaml"]) == 0
    (recipe / "d" / "val.json").write_text("{", encoding="utf-8")
    (recipe / "d" / "train" / "000000000002.jpg").unlink()
    assert main.main(["check", "run.yaml", "data.synthetic_val=0", "--report", "page"]) == 1
    out = capsys.readouterr().out
    assert "val.json" in out and "not JSON" in out and "000000000002.jpg" in out
    page = (recipe / "page" / "doctor.html").read_text(encoding="utf-8")
    assert "Left out" in page and "finding wrong" in page
    assert (recipe / "page" / "training.jpg").is_file()     # the other images will do


def test_a_wrong_setting_is_status_2(recipe, capsys):
    assert main.main(["check", "run.yaml", "data.skeleton=cow"]) == 2
    assert capsys.readouterr().err.startswith("error: ")


@pytest.mark.parametrize("alignment", ["hrnet", "dark", "udp"])
def test_perfect_heatmaps_reach_nearly_1_on_real_people(shared, alignment):
    coco = shared / "data" / "coco"
    config = Config(codec=CodecConfig(alignment=alignment), data=DataConfig(
        val_ann_path=str(coco / "annotations/person_keypoints_val2017.json"),
        val_img_root=str(coco / "val2017")))
    bound = upper_bound(config, COCO)
    assert bound.metrics["AP"] > 0.98 and bound.metrics["AP50"] > 0.999
    assert 40 <= bound.outside <= 48 and bound.labelled == 3289
    assert bound.metrics.people == bound.metrics.detections == 323


def test_a_coarser_way_has_a_lower_bound(recipe):
    assert main.main(["check", "run.yaml"]) == 0
    config = load_config("run.yaml")
    fine = upper_bound(config, COCO).metrics["AP"]
    coarse = replace(config, codec=replace(config.codec, input_size=(32, 32), decoder="argmax"))
    assert fine > 0.99 and upper_bound(coarse, COCO).metrics["AP"] < fine - 0.05


def test_heatmaps_glow_where_they_are_high():
    crop = np.full((64, 48, 3), 100, np.uint8)
    heatmaps = np.zeros((2, 16, 12), np.float32)
    heatmaps[1, 4, 8] = 1
    shown = heatmap_overlay(crop, heatmaps)
    y, x = np.unravel_index(shown[..., 0].argmax(), (64, 48))
    assert abs(y - 17.5) <= 2 and abs(x - 33.5) <= 2 and shown[60, 4].tolist() == [75, 75, 75]


def test_labels_made_twice_give_sigmas_in_text_and_page(recipe, capsys):
    assert main.main(["check", "run.yaml", "data.synthetic_train=24"]) == 0
    content = json.loads((recipe / "d" / "train.json").read_text(encoding="utf-8"))
    for row in content["annotations"]:
        row["keypoints"][0::3] = [x + 2 * (v > 0) for x, v in zip(
            row["keypoints"][0::3], row["keypoints"][2::3], strict=True)]
    (recipe / "again.json").write_text(json.dumps(content), encoding="utf-8")
    words = ["check", "run.yaml", "--repeated", "again.json"]
    assert main.main([*words, "--report", "page"]) == 0
    out = capsys.readouterr().out
    assert "whom again.json labels again" in out and "- [nose, 0.0" in out
    page = (recipe / "page" / "doctor.html").read_text(encoding="utf-8")
    assert "<h2>Sigmas</h2>" in page and "- [nose, 0.0" in page
    assert main.main([*words[:3], "run.yaml"]) == 2


def test_the_upper_bound_is_that_of_the_people_chosen_by_debug(recipe):
    assert main.main(["check", "run.yaml"]) == 0
    config = load_config("run.yaml", ["data.debug=2"])
    bound = upper_bound(config, COCO)
    assert bound.metrics.people == bound.metrics.detections == 2 and bound.metrics["AP"] > 0.9


def test_a_report_that_cannot_be_written_is_said_before_the_work(recipe, capsys, monkeypatch):
    monkeypatch.setattr(check, "examine", None)
    (recipe / "page").write_text("mine")
    assert main.main(["check", "run.yaml", "--report", "page"]) == 2
    assert "--report" in capsys.readouterr().err and (recipe / "page").read_text() == "mine"
