import contextlib
import hashlib
import io
import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

import datasets.synthetic.data_set as synthetic
from configs.schema import DataConfig
from datasets.annotations.skeleton import load_skeleton
from datasets.synthetic.body import GEAR, random_person
from datasets.synthetic.data_set import ensure_synthetic, write_synthetic
from datasets.synthetic.scene import draw_scene

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """(folder of the images, annotation file) of a set that has some of everything."""
    folder = tmp_path_factory.mktemp("drawn")
    write_synthetic(folder / "images", folder / "people.json", 80, seed=5)
    return folder / "images", folder / "people.json"


@pytest.fixture(scope="module")
def coco(drawn):
    with contextlib.redirect_stdout(io.StringIO()):
        return COCO(str(drawn[1]))


def _keypoints(annotation):
    return np.array(annotation["keypoints"], float).reshape(-1, 3)


def _digest(folder):
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return [(path.name, hashlib.sha256(path.read_bytes()).hexdigest()) for path in files]


def test_a_seed_gives_the_same_bytes_in_every_process(tmp_path):
    for name, seed in (("a", 1), ("other", 2)):
        write_synthetic(tmp_path / name, tmp_path / name / "p.json", 6, seed)
    code = ("import sys; from pathlib import Path;"
            "from datasets.synthetic.data_set import write_synthetic;"
            "folder = Path(sys.argv[1]); write_synthetic(folder, folder / 'p.json', 6, 1)")
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "b")], check=True, cwd=ROOT,
                   env=os.environ | {"PYTHONHASHSEED": "7", "PYTHONPATH": str(ROOT)})
    assert _digest(tmp_path / "a") == _digest(tmp_path / "b")
    same = set(_digest(tmp_path / "a")) & set(_digest(tmp_path / "other"))
    assert len(_digest(tmp_path / "a")) == 7 and not same


def test_more_images_begin_with_the_same_ones(tmp_path, drawn):
    write_synthetic(tmp_path, tmp_path / "p.json", 3, seed=5)
    for name in ("000000000001.jpg", "000000000003.jpg"):
        assert (tmp_path / name).read_bytes() == (drawn[0] / name).read_bytes()


def test_images_are_what_the_annotations_say(drawn, coco):
    assert sorted(coco.imgs) == list(range(1, 81))
    for image in coco.imgs.values():
        assert image["file_name"] == f"{image['id']:012d}.jpg"
        pixels = cv2.imread(str(drawn[0] / image["file_name"]))
        assert pixels.shape == (image["height"], image["width"], 3)
        assert 240 <= min(pixels.shape[:2]) and max(pixels.shape[:2]) <= 480
    assert len(list(drawn[0].iterdir())) == 80


def test_annotations_are_valid_coco(coco):
    category, = coco.cats.values()
    skeleton = load_skeleton("coco")
    assert category["name"] == "person" and category["keypoints"] == list(skeleton.joint_names)
    assert category["skeleton"][0] == [a + 1 for a in skeleton.limbs[0]]
    for annotation in coco.anns.values():
        image = coco.imgs[annotation["image_id"]]
        x, y, w, h = annotation["bbox"]
        assert x >= 0 and y >= 0 and x + w <= image["width"] and y + h <= image["height"]
        drawn = int(coco.annToMask(annotation).sum())
        assert 0.1 * w * h < drawn + w + h <= 1.1 * w * h + w + h
        assert annotation["area"] == pytest.approx(0.53 * w * h)


def test_there_is_some_of_everything(coco):
    annotations = list(coco.anns.values())
    labelled = [a for a in annotations if a["num_keypoints"]]
    assert any(a["iscrowd"] for a in annotations)
    assert any(not a["iscrowd"] and not a["num_keypoints"] for a in annotations)
    per_image = Counter(a["image_id"] for a in labelled)
    assert min(per_image.values()) == 1 and max(per_image.values()) >= 4
    heights = [max(a["bbox"][2:]) for a in labelled]
    assert min(heights) < 90 and max(heights) > 240
    seen = Counter(np.concatenate([_keypoints(a)[:, 2] for a in labelled]))
    assert set(seen) == {0, 1, 2} and seen[2] > 0.6 * seen.total()
    assert min(seen[0], seen[1]) > 0.03 * seen.total()


def test_joints_keep_to_the_rules_of_coco(coco):
    for annotation in coco.anns.values():
        keypoints = _keypoints(annotation)
        labelled = keypoints[:, 2] > 0
        assert annotation["num_keypoints"] == labelled.sum()
        assert (keypoints[~labelled] == 0).all()
        x, y, w, h = annotation["bbox"]
        inside = (keypoints[labelled, :2] >= (x - 1, y - 1)) & (
            keypoints[labelled, :2] <= (x + w, y + h))
        assert inside.all()


def test_seen_joints_are_painted_where_the_annotations_say(drawn, coco):
    """Every joint of a limb carries gear in a colour of its own."""
    names = load_skeleton("coco").joint_names
    colours = {name: np.array(colour, float) for name, (colour, _) in GEAR.items()}
    right, total = Counter(), Counter()
    for annotation in coco.anns.values():
        if max(annotation["bbox"][2:]) < 120:
            continue
        image = cv2.imread(str(drawn[0] / coco.imgs[annotation["image_id"]]["file_name"]))
        for name, (x, y, v) in zip(names, _keypoints(annotation), strict=True):
            joint = name.split("_")[-1]
            if v == 2 and joint in colours:
                pixel = image[round(y), round(x), ::-1].astype(float) + 1
                likeness = {key: pixel @ c / np.linalg.norm(pixel) / np.linalg.norm(c)
                            for key, c in colours.items()}
                right[joint] += max(likeness, key=likeness.get) == joint
                total[joint] += 1
    for joint in GEAR:
        assert total[joint] > 50 and right[joint] > 0.8 * total[joint], joint


def test_left_is_on_the_right_of_a_face_that_looks_at_us():
    for seed in range(200):
        person = random_person(np.random.default_rng(seed))
        if person.turned_away:
            continue
        eyes = (person.joints["left_eye"] - person.joints["right_eye"])[:2]
        down = (person.joints["neck"] - person.joints["head_top"])[:2]
        assert eyes[0] * down[1] - eyes[1] * down[0] > 0, seed


def test_perfect_answers_score_one(coco):
    answers = [{"image_id": a["image_id"], "category_id": 1, "score": 1.0,
                "keypoints": a["keypoints"]} for a in coco.anns.values() if a["num_keypoints"]]
    with contextlib.redirect_stdout(io.StringIO()):
        judge = COCOeval(coco, coco.loadRes(answers), "keypoints")
        judge.evaluate()
        judge.accumulate()
        judge.summarize()
    assert judge.stats[0] == pytest.approx(1.0)


def _data(folder, **changes):
    values = {"train_ann_path": str(folder / "ann" / "train.json"), "synthetic_train": 4,
              "val_ann_path": str(folder / "ann" / "val.json"), "synthetic_val": 3,
              "train_img_root": str(folder / "train"), "val_img_root": str(folder / "val")}
    return DataConfig(**values | changes)


def test_ensure_draws_two_different_sets_once(tmp_path):
    ensure_synthetic(_data(tmp_path), seed=0)
    before = _digest(tmp_path)
    assert len(before) == 4 + 3 + 2 + 2     # images, annotations, marks
    assert len({digest for _, digest in before}) == len(before)
    ensure_synthetic(_data(tmp_path, synthetic_train=9), seed=1)
    assert _digest(tmp_path) == before


def test_ensure_leaves_what_nobody_asked_for(tmp_path):
    ensure_synthetic(_data(tmp_path, synthetic_train=0, synthetic_val=0), seed=0)
    assert not list(tmp_path.iterdir())
    ensure_synthetic(_data(tmp_path, synthetic_train=0), seed=0)
    assert not (tmp_path / "train").exists() and (tmp_path / "ann" / "val.json").exists()


def test_an_interrupted_set_is_made_again(tmp_path, monkeypatch):
    made = []

    def stop_at_the_third(*arguments):
        made.append(arguments)
        if len(made) == 3:
            raise KeyboardInterrupt
        return draw_scene(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(synthetic, "draw_scene", stop_at_the_third)
        with pytest.raises(KeyboardInterrupt):
            ensure_synthetic(_data(tmp_path), seed=0)
    assert len(list((tmp_path / "train").glob("*.jpg"))) == 2
    assert not list((tmp_path / "ann").iterdir())
    ensure_synthetic(_data(tmp_path), seed=0)
    assert len(json.loads((tmp_path / "ann" / "train.json").read_text())["images"]) == 4
    assert not list(tmp_path.rglob("*.tmp"))


def test_mistakes_are_named(tmp_path):
    with pytest.raises(ValueError, match="data.synthetic_val is 3 but data.val_ann_path"):
        ensure_synthetic(_data(tmp_path, val_ann_path=""), seed=0)
    with pytest.raises(ValueError, match="a folder each"):
        ensure_synthetic(_data(tmp_path, val_img_root=str(tmp_path / "train")), seed=0)
    assert not list(tmp_path.iterdir())


def test_another_skeleton_takes_its_joints_by_name(tmp_path, drawn):
    path = tmp_path / "arm.yaml"
    path.write_text("name: arm\njoints:\n  - [head_top, 0.1, 1, upper]\n"
                    "  - [left_wrist, 0.1, 1, upper]\n")
    write_synthetic(tmp_path, tmp_path / "p.json", 5, seed=5, skeleton=load_skeleton(str(path)))
    few = json.loads((tmp_path / "p.json").read_text())
    assert few["categories"][0]["keypoints"] == ["head_top", "left_wrist"]
    assert all(len(a["keypoints"]) == 6 for a in few["annotations"])
    full = json.loads(drawn[1].read_text())["annotations"]
    for a, b in zip(few["annotations"], full, strict=False):
        assert not a["num_keypoints"] or a["keypoints"][3:6] == b["keypoints"][27:30]
    path.write_text("name: dog\njoints:\n  - [tail, 0.1, 1, upper]\n")
    with pytest.raises(ValueError, match="skeleton dog: joints has tail.*names out of .*nose"):
        write_synthetic(tmp_path, tmp_path / "q.json", 1, 0, load_skeleton(str(path)))
