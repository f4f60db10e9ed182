"""The comparison with YOLO-pose without ultralytics: its tree, its results file, the judging."""
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks import yolo_pose
from benchmarks.yolo import trees
from benchmarks.yolo.judged import numbers, of_labelled_boxes, overlaps, results_of
from configs.loader import load_config
from datasets.annotations.skeleton import load_skeleton, skeleton_from_dict
from datasets.imports.write_coco import Notes
from datasets.imports.yolo import read_yolo
from processors.evaluation.ground_truth import read_ground_truth
from processors.proposal.machine import this_machine
from utils.errors import UserError

PAIR = skeleton_from_dict({"name": "pair", "joints": ["a", "b"]}, Path("pair.yaml"))


@pytest.fixture
def truth(tmp_path):
    """Two people in one picture, with boxes of 100 x 50 pixels, and one in another."""
    people = [{"id": number + 1, "image_id": image, "category_id": 1, "iscrowd": 0, "area": 5000,
               "bbox": [x, 0, 100, 50], "num_keypoints": 2, "keypoints": [x, 0, 2, x + 90, 40, 2]}
              for number, (image, x) in enumerate([(7, 0), (7, 200), (8, 0)])]
    images = [{"id": 7, "file_name": "val/a.jpg", "width": 320, "height": 60},
              {"id": 8, "file_name": "val/b.jpg", "width": 320, "height": 60}]
    path = tmp_path / "val.json"
    path.write_text(json.dumps({"images": images, "annotations": people,
                                "categories": [{"id": 1, "name": "person"}]}))
    return read_ground_truth(path, 2)


def found(name, x, score, shift=0.0):
    """A pose as YOLO finds it, its first joint `shift` pixels beside."""
    return {"file_name": name, "bbox": [x, 0, 100, 50], "score": score,
            "keypoints": [x + shift, 0, 0.9, x + 90, 40, 0.9]}


def test_what_yolo_found_becomes_results_with_ids(truth):
    row, = results_of([found("b.jpg", 0, 0.5)], truth)
    assert row == {"image_id": 8, "category_id": 1, "bbox": [0, 0, 100, 50], "score": 0.5,
                   "keypoints": [0, 0, 0.9, 90, 40, 0.9]}


def test_each_labelled_box_gets_the_pose_that_overlaps_most_however_unsure(truth):
    results = results_of([found("a.jpg", 30, 0.9), found("a.jpg", 10, 0.01),
                          found("a.jpg", 210, 0.3), found("b.jpg", 150, 0.9)], truth)
    taken = of_labelled_boxes(results, truth)
    assert sorted(row["bbox"][0] for row in taken) == [10, 210]     # 30: second best; 150: nobody
    both = results_of([found("a.jpg", 0, 0.9) | {"bbox": [0, 0, 300, 50]}], truth)
    assert of_labelled_boxes(both, truth) == both       # once, not for each of the two


def test_overlaps_are_intersection_over_union():
    shares = overlaps(np.array([[0, 0, 10, 10], [5, 0, 10, 10.0]]), np.array([[0, 0, 10, 10.0]]))
    assert shares == pytest.approx(np.array([[1], [1 / 3]]))


def test_pck_is_by_the_longer_side_and_who_is_not_found_has_nothing_right(truth):
    results = results_of([found("a.jpg", 0, 0.9, shift=3), found("a.jpg", 200, 0.8, shift=1)],
                         truth)
    scores = numbers(results, truth, PAIR)
    # joint a: 3 and 1 of 100 pixels beside; b: exact in two of three
    assert scores["PCK@0.02"] == pytest.approx((1 / 3 + 2 / 3) / 2, abs=1e-4)
    assert scores["PCK@0.05"] == scores["PCK@0.1"] == pytest.approx(2 / 3, abs=1e-4)
    assert 0.6 < scores["AP"] < 0.7


def test_a_tree_is_read_by_import_as_it_was_written(tmp_path, monkeypatch):
    monkeypatch.setattr(trees, "LIZARDS", {"train": (0, 2), "val": (5, 3)})
    data = trees.ensure_tree(tmp_path / "tree", trees.write_lizards)
    assert trees.ensure_tree(tmp_path / "tree", pytest.fail) == data      # it is there
    draw = trees.runpy.run_path(str(trees.ROOT / "docs" / "draw_lizards.py"))
    skeleton = skeleton_from_dict({"name": "lizard", "joints": draw["NAMES"]}, data)
    images, _ = read_yolo(data, skeleton, None, Notes())
    assert [image.split for image in images].count("val") == 3
    last = next(image for image in images if image.name.endswith("0007.jpg"))
    _, drawn = draw["draw_picture"](np.random.default_rng(7), most=2)
    for person, lizard in zip(last.persons, drawn, strict=True):     # exactly as drawn
        assert person.joints[:, :2] == pytest.approx(lizard.joints, abs=1e-3)
        assert (person.joints[:, 2] == 1).tolist() == lizard.hidden.tolist()
        assert person.box == pytest.approx(lizard.box, abs=1e-3)
    said = trees.yaml.safe_load(data.read_text())
    assert said["flip_idx"][:3] == [0, 2, 1] and said["kpt_shape"] == [9, 3]


def test_people_are_drawn_by_lot_without_crowds(tmp_path):
    skeleton = load_skeleton("coco")
    rows = [{"id": n, "image_id": n // 2, "iscrowd": n % 2, "bbox": [1, 2, 30, 40],
             "num_keypoints": 17, "keypoints": [5, 6, 2] * 17} for n in range(40)]
    images = [{"id": n, "file_name": f"{n}.jpg", "width": 64, "height": 48} for n in range(20)]
    path = tmp_path / "people.json"
    path.write_text(json.dumps({"images": images, "annotations": rows}))
    chosen, again, others = (trees._drawn_by_lot(path, skeleton, 8, seed) for seed in (0, 0, 1))
    assert [one.name for one in chosen] == [one.name for one in again]
    assert {one.name for one in chosen} != {one.name for one in others}
    assert len(chosen) == 8 and all(len(one.boxes) == 1 for one in chosen)
    assert chosen[0].lines().split()[:8] == [
        "0", "0.250000", "0.458333", "0.468750", "0.833333", "0.078125", "0.125000", "2"]


def test_a_command_that_is_done_is_not_run_again_and_a_failed_one_adds_its_time(tmp_path):
    command = [sys.executable, "-c", "import pathlib, sys; p = pathlib.Path(sys.argv[1]); "
               "had = p.exists(); p.touch(); sum(range(3_000_000)); sys.exit(not had)",
               str(tmp_path / "mark")]
    with pytest.raises(UserError, match="output.txt says why"):
        yolo_pose.run(command, tmp_path / "job")
    first = json.loads((tmp_path / "job" / "cpu_seconds.json").read_text())
    cost = yolo_pose.run(command, tmp_path / "job")
    second = json.loads((tmp_path / "job" / "cpu_seconds.json").read_text())
    assert not first["done"] and second["done"] and second["seconds"] > first["seconds"] > 0
    assert yolo_pose.run(["no such command"], tmp_path / "job") == cost and cost["starts"] == 2


def row(system, ap):
    scores = {"AP": ap, "PCK@0.02": 0.25, "PCK@0.05": 0.5, "PCK@0.1": 0.75}
    return {"system": system, "epochs": 100, "input": [320, 320], "cpu_minutes": 12.4,
            "parameters": 2_900_000, "GMACs": 0.85, "ultralytics": "8.4", "judged_persons": 150,
            "judged_images": 100, "labelled": scores, "found": scores | {"AP": ap / 2},
            "date": "2026-01-02", "python": "3.12", "torch": "2.9", "processor": "Abacus"}


def test_the_table_has_a_row_for_each_system():
    text = yolo_pose.report([row(yolo_pose.YOLO, 0.4), row(yolo_pose.NOTHING, 0.8)])
    assert "150 to judge by, in 100 pictures; made on 2026-01-02: Abacus" in text
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines()
             if line.startswith("|")]
    assert cells[2] == [yolo_pose.YOLO, "320x320", "2.90 M", "0.85", "100", "12.4"]
    assert cells[-3:] == [
        [yolo_pose.NOTHING, "of the labels", ".800", ".250", ".500", ".750"],
        [yolo_pose.YOLO, "of YOLO", ".200", ".250", ".500", ".750"],
        [yolo_pose.NOTHING, "of YOLO", ".400", ".250", ".500", ".750"]]


def test_ours_starts_from_nothing_in_one_row_and_as_init_writes_in_the_other(tmp_path, monkeypatch):
    monkeypatch.setattr(trees, "LIZARDS", {"train": (0, 8), "val": (50, 4)})
    this = yolo_pose.Set("lizards", tmp_path, 0, "python", 100, 320)
    trees.ensure_tree(this.data.parent, trees.write_lizards)
    nothing, proposed = (load_config(this.proposed(name))
                         for name in (yolo_pose.NOTHING, yolo_pose.PROPOSED))
    assert not nothing.model.pretrained and not nothing.optim.freeze_epochs
    assert proposed.model.pretrained == yolo_pose.init.weights_for(this_machine())
    assert this.truth.people == len(this.truth.annotations) >= 4


@pytest.mark.parametrize("python", [sys.executable, "nowhere/bin/python"])
def test_an_environment_without_ultralytics_is_told_before_anything_is_trained(
        tmp_path, monkeypatch, python):
    monkeypatch.setattr(trees, "LIZARDS", {"train": (0, 8), "val": (50, 4)})
    this = yolo_pose.Set("lizards", tmp_path, 0, python, 100, 320)
    with pytest.raises(UserError, match=f"--yolo-python {re.escape(python)} cannot import"):
        yolo_pose.rows_of(this, trees.write_lizards, tmp_path / "lines.jsonl")
    assert not list(tmp_path.iterdir())


def test_neither_the_product_nor_its_tests_import_ultralytics():
    done = subprocess.run(["git", "grep", "-lE", r"^\s*(import|from) ultralytics"],
                          cwd=yolo_pose.ROOT, capture_output=True, text=True)
    assert set(done.stdout.split()) <= {"benchmarks/yolo/yolo_side.py"}
