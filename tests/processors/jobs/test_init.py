"""A YAML from labels: twelve sets of different kinds, and what is wrong with labels or words."""
import json
import re

import cv2
import numpy as np
import pytest

import main
from configs.loader import load_config
from datasets.annotations.skeleton import load_skeleton
from processors.jobs import init
from processors.proposal import machine
from processors.proposal.machine import Machine
from tests.processors.jobs.label_files import KINDS, made, spoilt, written

PAIRS = {"animals": [(1, 2), (3, 4)], "cards": [], "faces": [(0, 1), (3, 4)],
         "hands": [], "one joint": [], "film": [], "two folders": [],
         "tall": [(1, 2)], "wide": [], "tiny": []}
ROTATIONS = {"animals": 90, "cards": 90, "upside down": 90, "one joint": 40}
UNMIRRORED = {"hands", "tiny", "cards", "film"}     # go round one way, or few that are numbered
SHORT = ["optim.epochs=1", "optim.warmup_epochs=0", "optim.freeze_epochs=0", "data.num_workers=0",
         "data.debug=6"]


@pytest.fixture(autouse=True)
def two_cores(monkeypatch):
    """Two cores."""
    monkeypatch.setattr(init, "this_machine", lambda: Machine("", 16, 2))


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_of_labels_makes_a_yaml_that_fits_them_and_says_why(tmp_path, name):
    assert made(tmp_path, written(KINDS[name], tmp_path)) == 0
    config = load_config(tmp_path / "my.yaml")
    skeleton = load_skeleton(config.data.skeleton)
    width, height = config.codec.input_size
    assert skeleton.num_joints == config.model.num_joints == len(KINDS[name].shape)
    pairs = PAIRS.get(name, load_skeleton("coco").flip_pairs)
    assert [*map(tuple, skeleton.flip_pairs)] == [*pairs]
    assert config.augment.rotation == ROTATIONS.get(name, 30)
    assert config.augment.flip == (0 if name in UNMIRRORED else 0.5)
    assert config.val.flip_test == (name not in UNMIRRORED)
    assert (config.augment.half_body > 0) == (name in ("people", "upside down"))
    assert width > 2 * height if name == "wide" else height > 2 * width if name in (
        "tall", "two folders") else max(width, height) <= 2 * min(width, height)
    assert (width == height) == (name in ("animals", "cards", "upside down", "one joint"))
    assert skeleton.limbs or name == "one joint"
    ensure_each_line_says_why((tmp_path / "my.yaml").read_text().splitlines())


def ensure_each_line_says_why(lines):
    for before, line in zip(["", *lines], lines, strict=False):
        if re.match(r" *\w+: *\S", line):
            assert re.search(r" # \w", line) or before.lstrip().startswith("# "), line
        assert len(line) <= 100 or "/" in line


@pytest.mark.parametrize("name", [pytest.param(name, marks=() if name == "film" else
                                               pytest.mark.slow) for name in KINDS])
def test_training_runs_at_once_and_from_another_folder(tmp_path, name, monkeypatch):
    (tmp_path / "elsewhere").mkdir()
    source = written(KINDS[name], tmp_path)
    monkeypatch.chdir(tmp_path)
    assert main.main(["init", str(source.relative_to(tmp_path)), "--out", "my.yaml"]) == 0
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert main.main(["train", "../my.yaml", *SHORT]) == 0
    assert (tmp_path / "weights" / "my_best.pth").is_file()
    assert not list((tmp_path / "elsewhere").iterdir())


def names_in(path) -> set[str]:
    return {image["file_name"] for image in json.loads(path.read_text())["images"]}


def test_films_stay_together_and_the_labels_stay_as_they_are(tmp_path):
    source = written(KINDS["film"], tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert made(tmp_path, source) == 0
    films = [{name.split("_")[0] for name in names_in(tmp_path / f"my_{part}.json")}
             for part in ("train", "val")]
    assert len(films[0]) == 5 and len(films[1]) == 1 and not films[0] & films[1]
    assert all(path.read_bytes() == content for path, content in before.items())
    assert {path.name for path in tmp_path.rglob("*") if path.is_file()} - {
        path.name for path in before} == {"my.yaml", "my_train.json", "my_val.json",
                                          "my_skeleton.yaml"}


def test_known_joints_have_their_own_sigmas_and_others_are_said(tmp_path):
    made(tmp_path, written(KINDS["faces"], tmp_path))
    skeleton = load_skeleton(str(tmp_path / "my_skeleton.yaml"))
    assert skeleton.sigmas[:3] == (0.025, 0.025, 0.026)
    assert skeleton.guessed_sigmas == ("mouth_l", "mouth_r")
    assert "0.067 for the others" in " ".join((tmp_path / "my.yaml").read_text().split())


def test_pretrained_weights_are_frozen_at_first_and_a_gpu_makes_more_of_it(tmp_path, monkeypatch):
    monkeypatch.setattr(init, "this_machine", lambda: Machine("H200", 140, 16))
    monkeypatch.setattr(machine, "imagenet_can_be_had", lambda name: name == "resnet50")
    assert made(tmp_path, written(KINDS["people"], tmp_path)) == 0
    config = load_config(tmp_path / "my.yaml")
    assert (config.model.name, config.model.pretrained, config.model.width) == ("resnet50", True, 1)
    assert config.gpus == (0,) and config.codec.input_size == (64, 160)     # people are small
    assert config.optim.freeze_epochs and config.optim.backbone_lr < 1 and config.optim.patience


def test_without_a_connection_it_starts_from_the_weights_at_hand(tmp_path, monkeypatch, capsys):
    """Also on a GPU; and from nothing where somebody has removed them, which is said."""
    monkeypatch.setattr(machine, "imagenet_can_be_had", lambda name: False)
    source = written(KINDS["people"], tmp_path)
    for number, device in enumerate(("", "H200")):
        monkeypatch.setattr(init, "this_machine", lambda device=device: Machine(device, 16, 2))
        assert main.main(["init", str(source), "--out", str(tmp_path / f"{number}.yaml")]) == 0
        model = load_config(tmp_path / f"{number}.yaml").model
        assert (model.pretrained, model.level, model.name) == (machine.SHIPPED, -2, "resnet18")
    monkeypatch.setattr(machine, "place_of", lambda row: tmp_path / "nowhere.pth")
    assert main.main(["init", str(source), "--out", str(tmp_path / "2.yaml")]) == 0
    assert load_config(tmp_path / "2.yaml").model.pretrained is False
    said = capsys.readouterr()
    assert "training starts from nothing" in said.out + said.err


def test_what_is_there_is_not_replaced(tmp_path, capsys):
    source = written(KINDS["film"], tmp_path)
    for name in ("my.yaml", "my_skeleton.yaml", "my_val.json"):
        (tmp_path / name).write_text("mine")
        assert made(tmp_path, source) == 2
        assert f"--out: {name} in {tmp_path} would be replaced" in capsys.readouterr().err
        assert (tmp_path / name).read_text() == "mine"
        (tmp_path / name).unlink()
    (tmp_path / "my.yaml").symlink_to("elsewhere.yaml")
    assert made(tmp_path, source) == 2 and "my.yaml is a link" in capsys.readouterr().err
    assert not (tmp_path / "elsewhere.yaml").exists()
    (tmp_path / "my.yaml").unlink()
    assert not (tmp_path / "my.yaml").exists() and not (tmp_path / "my_train.json").exists()
    assert main.main(["init", str(source), "--out", str(tmp_path / "my.json")]) == 2
    assert "ends in .yaml" in capsys.readouterr().err


def without_people(content):
    content["annotations"] = []


def without_joints(content):
    for row in content["annotations"]:
        row["keypoints"] = []
    del content["categories"][0]["keypoints"]


def all_unlabelled(content):
    for row in content["annotations"]:
        row["keypoints"] = [0] * 51


def one_image(content):
    content["images"] = content["images"][:1]


def elsewhere(content):
    for row in content["images"]:
        row["file_name"] = f"x{row['file_name']}"


def two_categories(content):
    content["categories"][0]["name"] = "cat"
    content["categories"].append({**content["categories"][0], "id": 4, "name": "dog"})
    content["annotations"][0]["category_id"] = 4


def a_child(content):
    two_categories(content)
    content["categories"][0]["name"], content["categories"][1]["name"] = "person", "child"


@pytest.mark.parametrize("change, words", [
    (without_people, "fewer than two images"), (without_joints, "has no keypoints"),
    (all_unlabelled, "fewer than two images"), (one_image, "fewer than two images"),
    (elsewhere, "none of the 24 images"), (two_categories, "classes cat, dog: take one by"),
    (a_child, "classes child, person: take one by --category")])
def test_labels_of_no_use_are_one_sentence_and_leave_nothing(tmp_path, capsys, change, words):
    assert made(tmp_path, spoilt(tmp_path, change)) == 2
    assert words in capsys.readouterr().err and not list(tmp_path.glob("my*"))


def without_boxes(content):
    for row in content["annotations"]:
        del row["bbox"]


def negative(content):
    for row in content["annotations"][:3]:
        row["bbox"][2] *= -1


def mixed_joints(content):
    for row in content["annotations"][:3]:
        row["keypoints"] = row["keypoints"][:-3]


def images_missing(content):
    for row in content["images"][:3]:
        row["file_name"] = f"x{row['file_name']}"


@pytest.mark.parametrize("change, words", [
    (without_boxes, "boxes made around the joints"), (negative, "3 boxes made around the joints"),
    (mixed_joints, "3 annotations with 16 joints in the place of 17 left out"),
    (images_missing, "3 images that are not there left out")])
def test_labels_with_faults_are_mended_or_left_out_and_counted(tmp_path, capsys, change, words):
    assert made(tmp_path, spoilt(tmp_path, change)) == 0
    assert words in capsys.readouterr().out
    assert load_config(tmp_path / "my.yaml")


def test_category_takes_one_and_unknown_labels_ask_for_the_tool(tmp_path, capsys):
    assert made(tmp_path, spoilt(tmp_path, two_categories), "--category", "cat") == 0
    (tmp_path / "empty").mkdir()
    for words in ([tmp_path / "empty"], [tmp_path / "none.json"]):
        assert main.main(["init", *map(str, words), "--out", str(tmp_path / "b.yaml")]) == 2
    err = capsys.readouterr().err
    assert "say it by --from" in err and "none.json does not exist" in err


def test_a_broken_image_is_named(tmp_path, capsys):
    source = written(KINDS["people"], tmp_path)
    (tmp_path / "images" / "003.png").write_bytes(b"no image")
    cv2.imwrite(str(tmp_path / "images" / "004.png"), np.zeros((9, 9, 3), np.uint8))
    assert made(tmp_path, source) == 0
    out = capsys.readouterr().out
    assert "003.png" in out and "004.png has 9x9 pixels" in out


def test_a_skeleton_may_be_given_where_the_labels_bring_none(tmp_path, capsys, monkeypatch):
    written(KINDS["cards"], tmp_path).unlink()
    monkeypatch.chdir(tmp_path)
    assert made(tmp_path, "labels") == 2
    assert "give it by --skeleton" in capsys.readouterr().err
    (tmp_path / "card.yaml").write_text("joints: [a, b, c, d]\nflip_pairs: [[a, b], [c, d]]\n")
    assert made(tmp_path, "labels", "--skeleton", "card.yaml") == 0
    assert load_config("my.yaml").data.skeleton == str(tmp_path / "card.yaml")
    assert not (tmp_path / "my_skeleton.yaml").exists()


def in_another_order(content):
    names = content["categories"][0]["keypoints"]
    names[:] = names[::-1]
    for row in content["annotations"]:
        row["keypoints"] = np.reshape(row["keypoints"], (-1, 3))[::-1].ravel().tolist()


def test_known_joints_in_another_order_have_a_skeleton_of_their_own(tmp_path):
    assert made(tmp_path, spoilt(tmp_path, in_another_order)) == 0
    skeleton, coco = load_skeleton(str(tmp_path / "my_skeleton.yaml")), load_skeleton("coco")
    assert skeleton.sigmas == coco.sigmas[::-1]
    assert {frozenset(16 - joint for joint in pair) for pair in skeleton.flip_pairs} == {
        *map(frozenset, coco.flip_pairs)}
    assert len(skeleton.upper_body) == len(coco.upper_body) and (
        load_config(tmp_path / "my.yaml").augment.half_body)


def test_joints_that_nobody_has_are_said(tmp_path, capsys):
    def faceless(content):
        for row in content["annotations"]:
            row["keypoints"][:6] = [0] * 6
    assert made(tmp_path, spoilt(tmp_path, faceless)) == 0
    words = " ".join((tmp_path / "my.yaml").read_text().replace("#", "").split())
    assert "has nose, left_eye labelled: nothing is learned" in capsys.readouterr().out
    assert "nobody has nose, left_eye labelled" in words


def test_a_lone_joint_without_a_box_is_looked_for_in_the_whole_picture(tmp_path, capsys):
    def nose_alone(content):
        content["categories"][0]["keypoints"] = ["nose"]
        for row in content["annotations"]:
            row["keypoints"] = row["keypoints"][:3]
            del row["bbox"]
        content["annotations"].append({**content["annotations"][0], "id": 999})
    assert made(tmp_path, spoilt(tmp_path, nose_alone)) == 0
    out = capsys.readouterr().out
    assert "boxes of whole pictures, for one joint has no size" in out
    assert "2 persons without a box, with one joint, left out: label boxes" in out
    rows = [row for part in ("train", "val")
            for row in json.loads((tmp_path / f"my_{part}.json").read_text())["annotations"]]
    assert {tuple(row["bbox"]) for row in rows} == {(0, 0, 200, 160)} and len(rows) == 23


def test_a_second_yaml_does_not_exchange_the_data_of_one_that_was_moved(tmp_path, capsys):
    source = written(KINDS["people"], tmp_path)
    assert made(tmp_path, source) == 0
    (tmp_path / "my.yaml").rename(tmp_path / "mine.yaml")
    before = (tmp_path / "my_train.json").read_bytes()
    assert made(tmp_path, source) == 2
    assert "my_train.json, my_val.json" in capsys.readouterr().err
    assert (tmp_path / "my_train.json").read_bytes() == before


def test_what_fails_late_leaves_nothing_in_the_way(tmp_path, monkeypatch):
    source = written(KINDS["people"], tmp_path)
    with monkeypatch.context() as failing:
        failing.setattr(init, "facts_of", lambda *_: (_ for _ in ()).throw(OSError("disk")))
        assert made(tmp_path, source) != 0 and not list(tmp_path.glob("my*"))
    assert made(tmp_path, source) == 0


def test_commands_that_are_shown_can_be_typed(tmp_path, capsys):
    folder = tmp_path / "a b"
    folder.mkdir()
    assert made(folder, written(KINDS["people"], folder)) == 0
    for text in (capsys.readouterr().out, (folder / "my.yaml").read_text()):
        assert f"python main.py train '{folder}/my.yaml'" in text
