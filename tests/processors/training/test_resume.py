from dataclasses import fields, replace
from pathlib import Path

import pytest

from configs.loader import ConfigError, config_from_dict, config_to_dict
from configs.schema import CodecConfig, Config
from processors.training.resume import FIXED, JUDGED_BY, check_same_run, judged_otherwise
from utils.log import log

PATH = Path("weights/pose_last.pth")


@pytest.fixture
def said(caplog):
    caplog.set_level("INFO", log.name)
    return caplog


def stored(steps: int = 5, **settings) -> dict:
    config = config_to_dict(config_from_dict(settings, "test"))
    return {"config": config, "steps_per_epoch": steps, "optimizer": {}, "best": {"epoch": 1}}


def test_the_same_run_goes_on_in_silence(said):
    check_same_run(stored(), Config(), 5, PATH)
    check_same_run(stored(resume=True), Config(), 5, PATH)
    assert said.text == ""


@pytest.mark.parametrize("key, value", [
    ("model.type", "pose_resnet_dconv"), ("model.name", "resnet18"), ("model.num_joints", 16),
    ("model.reduction", True), ("model.width", 0.5), ("optim.optimizer", "sgd"),
    ("data.batch_size", 64), ("model.head", "simple"), ("model.level", 2),
    ("optim.layer_decay", 0.5), ("optim.backbone_lr", 0.1), ("codec.split", 3),
    ("model.softmax", True), ("model.visibility", True)])
def test_what_the_state_depends_on_must_stay(key, value):
    section, name = key.split(".")
    with pytest.raises(ValueError, match=f"{PATH} cannot go on with {key} = .*resume=false"):
        check_same_run(stored(**{section: {name: value}}), Config(), 5, PATH)
    assert key in FIXED


def test_every_fixed_key_is_tried_above():
    assert len(FIXED) == 14


def test_a_network_that_is_built_for_an_input_size_keeps_it():
    model = {"type": "pose_vit", "name": "s"}
    config = config_from_dict({"model": model}, "test")
    before = stored(model=model, codec={"input_size": [288, 384]})
    with pytest.raises(ValueError, match="cannot go on with codec.input_size"):
        check_same_run(before, config, 5, PATH)


def test_another_number_of_steps_is_other_data():
    with pytest.raises(ValueError, match="made with 7 steps an epoch, the data now give 5"):
        check_same_run(stored(7), Config(), 5, PATH)


@pytest.mark.parametrize("settings, words", [
    ({"optim": {"lr": 0.1}}, "optim.lr was 0.1, is 0.001"), ({"seed": 4}, "seed was 4, is 0"),
    ({"optim": {"milestones": [3]}}, "optim.milestones was [3], is [120, 160]"),
    ({"gpus": [0, 1]}, "gpus was [0, 1], is []"), ({"optim": {"epochs": 5}}, "was 5, is 180")])
def test_other_changes_are_said(said, settings, words):
    check_same_run(stored(**settings), Config(), 5, PATH)
    assert said.messages == [f"changed since the checkpoint: {words}"] or words in said.text


def test_averaging_that_begins_late_is_said(said):
    config = Config()
    check_same_run(stored(), replace(config, optim=replace(config.optim, ema=0.9)), 5, PATH)
    assert "averaging (optim.ema) begins at the checkpoint's weights" in said.text


def test_a_checkpoint_from_before_a_setting_existed_has_its_default(said):
    state = stored()
    del state["config"]["log"], state["config"]["optim"]["ema"]
    check_same_run(state, Config(), 5, PATH)
    assert said.text == ""


def test_settings_of_another_version_are_one_sentence():
    state = stored()
    state["config"]["optim"]["nesterov"] = True
    with pytest.raises(ConfigError, match=f"^{PATH}: there is no key optim.nesterov"):
        check_same_run(state, Config(), 5, PATH)


def test_a_network_without_its_run_is_one_sentence():
    with pytest.raises(ValueError, match=f"^{PATH} holds a network only"):
        check_same_run({"ema": {}, "config": {}, "step": 3}, Config(), 5, PATH)


@pytest.mark.parametrize("settings, keys", [
    ({}, []), ({"optim": {"lr": 0.1}, "val": {"interval": 3, "metrics": ["coco", "pck"]}}, []),
    ({"val": {"boxes": "boxes.json"}}, ["val.boxes"]),
    ({"data": {"val_ann_path": "other.json"}}, ["data.val_ann_path"]),
    ({"codec": {"decoder": "quarter", "input_size": [64, 64]}},
     ["codec.input_size", "codec.decoder"]),
    ({"data": {"exif": "obey"}}, ["data.exif"]), ({"data": {"exif": "ignore"}}, []),
    ({"data": {"bits": 12}}, ["data.bits"]),
    ({"data": {"skeleton": "crowdpose"}}, ["data.skeleton"])])
def test_what_scores_depend_on_is_found(settings, keys):
    assert judged_otherwise(stored(**settings), Config(), {}, PATH) == keys


def test_another_skeleton_file_of_the_same_name_is_found_and_said(said):
    state = stored() | {"skeleton": {"joints": ["nose"]}}
    assert judged_otherwise(state, Config(), {"joints": ["nose"]}, PATH) == []
    assert not said.text
    assert judged_otherwise(state, Config(), {"joints": ["ear"]}, PATH) == ["data.skeleton"]
    first, second = said.messages
    assert first == "changed since the checkpoint: the file of the skeleton coco"
    assert second.startswith("evaluations are judged by other settings now (data.skeleton)")
    assert not judged_otherwise(state | {"best": {}}, Config(), {"joints": ["ear"]}, PATH)


def test_all_settings_of_the_codec_are_among_them():
    assert {f"codec.{field.name}" for field in fields(CodecConfig)} <= set(JUDGED_BY)
