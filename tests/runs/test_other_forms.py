"""CrowdPose's and MPII's own annotation files train and are judged with no code of their own."""
import json

import numpy as np
import pytest

import main
from datasets.synthetic.data_set import write_synthetic
from processors.training import pose_processor
from tests.runs.small_run import small_net

CROWDPOSE = ("left_shoulder", "right_shoulder", "left_elbow", "right_elbow", "left_wrist",
             "right_wrist", "left_hip", "right_hip", "left_knee", "right_knee", "left_ankle",
             "right_ankle", "head", "neck")
MPII = ("right_ankle", "right_knee", "right_hip", "left_hip", "left_knee", "left_ankle", "pelvis",
        "thorax", "upper_neck", "head_top", "right_wrist", "right_elbow", "right_shoulder",
        "left_shoulder", "left_elbow", "left_wrist")
CROWDING = (0.0, 0.0, 0.3, 0.5, 0.9, 0.9)


@pytest.fixture
def drawn(tmp_path):
    """Images of drawn people, and their rows by COCO's seventeen joints."""
    write_synthetic(tmp_path / "images", tmp_path / "coco.json", len(CROWDING), seed=3)
    return tmp_path, json.loads((tmp_path / "coco.json").read_text())


def settings(folder, skeleton, joints, *more):
    values = {"data.skeleton": skeleton, "model.num_joints": joints, "data.synthetic_train": 0,
              "data.synthetic_val": 0, "data.batch_size": 4, "data.num_workers": 0,
              "codec.input_size": [64, 64], "optim.epochs": 1, "optim.warmup_epochs": 0,
              "optim.amp": False, "val.weight_path": folder / "weights"}
    values |= {f"data.{split}_{key}": folder / file for split in ("train", "val")
               for key, file in (("ann_path", f"{skeleton}.json"), ("img_root", "images"))}
    return ["configs/quickstart.yaml", *(f"{key}={value}" for key, value in values.items()), *more]


def numbers(folder):
    lines = (folder / "weights" / "metrics.jsonl").read_text().splitlines()
    return next(row for row in map(json.loads, reversed(lines)) if "AP" in row)


def test_crowdpose(drawn, monkeypatch, capsys):
    """As its authors write it: no info, no area, crowdIndex in the images, `head` for head_top."""
    folder, content = drawn
    names = content["categories"][0]["keypoints"]
    for image, crowding in zip(content["images"], CROWDING, strict=True):
        image["crowdIndex"] = crowding
    for row in content["annotations"]:
        table = np.reshape(row["keypoints"], (17, 3))
        own = [table[names.index(name)].tolist() if name in names else [0, 0, 0]
               for name in CROWDPOSE]
        own[12] = table[0].tolist()
        row["keypoints"] = sum(own, [])
        row["num_keypoints"] = sum(v > 0 for _, _, v in own)
        del row["area"]
    category = {"supercategory": "person", "id": 1, "name": "person",
                "keypoints": list(CROWDPOSE), "skeleton": [[16, 14], [14, 12]]}
    (folder / "crowdpose.json").write_text(json.dumps({
        "images": content["images"], "annotations": content["annotations"],
        "categories": [category]}))
    monkeypatch.setattr(pose_processor, "build_net", small_net)
    words = settings(folder, "crowdpose", 14, "val.metrics=[coco, crowdpose, pck]")
    assert main.main(["check", *words]) == 1        # it is trained and judged on the same images
    said = capsys.readouterr().out
    assert said.count("WRONG") == 1 and "head is head_top" in said and "have no area" in said
    assert "6 of 6 validation images" in said and "neck: never labelled" in said
    assert main.main(["train", *words]) == 0
    found = numbers(folder)
    assert {"AP", "AP easy", "AP medium", "AP hard", "PCK@0.1"} <= set(found)
    assert min(found["AP easy"], found["AP medium"], found["AP hard"]) >= 0
    results = json.loads((folder / "weights" / "quickstart_results.json").read_text())
    assert {len(row["keypoints"]) for row in results} == {42}


def test_mpii(drawn, monkeypatch):
    folder, content = drawn
    names = content["categories"][0]["keypoints"]
    images = {row["id"]: row["file_name"] for row in content["images"]}
    rows = []
    for row in content["annotations"]:
        table, (x, y, w, h) = np.reshape(row["keypoints"], (17, 3)), row["bbox"]
        own = [table[names.index(name)] if name in names else np.zeros(3) for name in MPII]
        rows.append({"image": images[row["image_id"]], "scale": h / 200,
                     "center": [x + w / 2 + 1, y + h / 2 + 1],
                     "joints": [[px + 1, py + 1] if v else [-1, -1] for px, py, v in own],
                     "joints_vis": [int(v > 0) for _, _, v in own],
                     "head_rect": [x + 1, y + 1, x + w / 4 + 1, y + h / 8 + 1]})
    (folder / "train.json").write_text(json.dumps(rows))
    assert main.main(["import", "--from", "mpii", str(folder / "train.json"), "--skeleton", "mpii",
                      "--images", str(folder / "images"), "--out", str(folder / "mpii.json")]) == 0
    monkeypatch.setattr(pose_processor, "build_net", small_net)
    words = settings(folder, "mpii", 16, "val.metrics=[coco, pckh]")
    assert main.main(["train", *words]) == 0
    found = numbers(folder)
    assert found["AP"] >= 0 and 0 <= found["PCKh@0.1"] <= found["PCKh@0.5"] <= 1
    results = json.loads((folder / "weights" / "quickstart_results.json").read_text())
    assert {len(row["keypoints"]) for row in results} == {48}
