"""Left and right in a YAML from labels: pairs by names, by the people, or not to be told."""
import json
from dataclasses import replace

import numpy as np
import pytest

import main
from configs.loader import load_config
from datasets.annotations.skeleton import load_skeleton
from datasets.doctor import check_left_right
from tests.processors.jobs.label_files import KINDS, made, spoilt, written


def exchanged_names(content):       # what is called the left hip is the left ankle, in everybody
    names = content["categories"][0]["keypoints"]
    names[11], names[15] = names[15], names[11]


def test_pairs_of_names_that_the_people_contradict_are_mended_and_said(tmp_path):
    assert made(tmp_path, spoilt(tmp_path, exchanged_names)) == 0
    skeleton = load_skeleton(str(tmp_path / "my_skeleton.yaml"))
    assert {(11, 12), (15, 16)} <= {*skeleton.flip_pairs}
    words = " ".join((tmp_path / "my.yaml").read_text().replace("#", "").split())
    assert "as the people's shapes tell, against their names" in words


@pytest.mark.parametrize("judged", [4, 24])
def test_check_agrees_with_what_init_mended(tmp_path, capsys, judged):
    """Though names tell otherwise; where few people settle nothing it says that only these tell."""
    assert made(tmp_path, spoilt(tmp_path, exchanged_names)) == 0
    whole = json.loads((tmp_path / "my_train.json").read_text())
    part = json.loads((tmp_path / "my_val.json").read_text())
    if judged == 24:
        part["annotations"] += whole["annotations"]
        part["images"] += whole["images"]
        for number, row in enumerate(part["annotations"]):
            row["id"] = number
        (tmp_path / "my_val.json").write_text(json.dumps(part))
    main.main(["check", str(tmp_path / "my.yaml")])
    said = [line for line in capsys.readouterr().out.splitlines() if "flip_pairs of" in line]
    assert len(said) == (judged == 4)
    assert all("as names tell, which these people do not settle" in line for line in said)


def numbered(content):
    content["categories"][0]["keypoints"] = [f"q{number}" for number in range(17)]
    content["categories"][0].pop("skeleton", None)


def in_another_language(content):
    numbered(content)
    names = load_skeleton("coco").joint_names
    content["categories"][0]["keypoints"] = [
        name.replace("left", "sol").replace("right", "sag") for name in names]


def seen_from_both_sides(content):
    """Every other one from behind, so that no way round is more frequent."""
    for row in content["annotations"][::2]:
        joints, (x, _, width, _) = np.reshape(row["keypoints"], (-1, 3)), row["bbox"]
        joints[:, 0] = np.where(joints[:, 2] > 0, 2 * x + width - joints[:, 0], 0)
        row["keypoints"] = joints.ravel().tolist()


def numbered_from_both_sides(content):
    numbered(content)
    seen_from_both_sides(content)


@pytest.mark.parametrize("change, said", [
    (numbered, "q1 and q2, q3 and q4, "), (in_another_language, "sol_eye and sag_eye, "),
    (numbered_from_both_sides, "numbered joints may be")])
def test_pairs_that_there_may_be_are_not_mirrored_and_said(
        tmp_path, capsys, monkeypatch, change, said):
    """Too few people to be sure, names that do not tell, or people who tell nothing."""
    monkeypatch.setattr(check_left_right, "CERTAIN", 1e9)
    assert made(tmp_path, spoilt(tmp_path, change)) == 0
    config = load_config(tmp_path / "my.yaml")
    assert not load_skeleton(config.data.skeleton).flip_pairs and config.augment.flip == 0
    assert f"nothing is mirrored in training: {said}" in capsys.readouterr().out
    words = " ".join((tmp_path / "my.yaml").read_text().replace("#", "").split())
    assert f"mirrored: never: {said}" in words


def test_sides_in_two_spellings_are_a_pair_and_those_without_one_are_named(tmp_path):
    def mixed(content):
        names = content["categories"][0]["keypoints"]
        names[1:3], names[13:15] = ["Eye_L", "r_eye"], ["left_knee", "right_patella"]
    assert made(tmp_path, spoilt(tmp_path, mixed)) == 0
    text = " ".join((tmp_path / "my.yaml").read_text().replace("#", "").split())
    pairs = load_skeleton(str(tmp_path / "my_skeleton.yaml")).flip_pairs
    assert (1, 2) in pairs and (13, 14) not in pairs
    assert "never: nothing is the other side of left_knee, right_patella" in text


def half_in_another_language(content):
    in_another_language(content)
    content["categories"][0]["keypoints"][1:3] = ["left_eye", "right_eye"]


def test_a_pair_that_is_known_does_not_hide_those_that_are_not(tmp_path, capsys):
    assert made(tmp_path, spoilt(tmp_path, half_in_another_language)) == 0
    config = load_config(tmp_path / "my.yaml")
    assert load_skeleton(config.data.skeleton).flip_pairs == ((1, 2),) and config.augment.flip == 0
    said = capsys.readouterr().out
    assert "sol_ear and sag_ear" in said and "left_eye and" not in said


@pytest.mark.parametrize("persons, pairs", [(130, ((0, 1), (2, 3))), (60, ())])
def test_many_people_tell_the_pairs_of_numbered_joints(tmp_path, persons, pairs):
    assert made(tmp_path, written(replace(KINDS["cards"], persons=persons), tmp_path)) == 0
    config = load_config(tmp_path / "my.yaml")
    assert load_skeleton(config.data.skeleton).flip_pairs == pairs
    assert (config.augment.flip, config.val.flip_test) == ((0.5, True) if pairs else (0, False))


def test_labels_that_call_no_pair_what_names_call_one_are_said(tmp_path):
    path = written(KINDS["cards"], tmp_path)
    path.write_text(f"{path.read_text()}\nkpt_names: {{0: [left_top, right_top, right_low, "
                    f"left_low]}}\nflip_idx: [0, 1, 2, 3]\n")
    assert made(tmp_path, path) == 0
    assert "as names tell, against the labels" in " ".join(
        (tmp_path / "my.yaml").read_text().replace("#", "").split())
