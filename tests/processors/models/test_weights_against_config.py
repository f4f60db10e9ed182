"""First weights: what they want is said where training does otherwise."""
import re
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from configs.schema import CodecConfig, Config, DataConfig, ModelConfig
from datasets.annotations.skeleton import load_skeleton, skeleton_to_dict
from nets import build_net
from nets.pretrained import load_weights
from processors.models.load_pose_model import load_pose_model
from processors.models.weights_against_config import (
    config_for_weights,
    skeleton_for_weights,
    with_pixels_of_timm,
)
from processors.training.pose_processor import PoseProcessor
from utils.log import log

MODEL = {"type": "pose_resnet_dconv", "name": "resnet18", "width": 0.1}


@pytest.fixture
def said(caplog):
    caplog.set_level("INFO", log.name)
    return caplog


def official(tmp_path):
    names = {"backbone.": "", "head.upsample.": "deconv_layers.", "head.output.": "final_layer."}
    state = {names[ours] + key.removeprefix(ours): value
             for key, value in build_net(**MODEL).state_dict().items()
             for ours in names if key.startswith(ours)}
    torch.save(state, tmp_path / "official.pth")
    return str(tmp_path / "official.pth")


@pytest.mark.parametrize("input_format, alignment, words", [
    ("rgb_mean_std", "hrnet", ["model.input_format=bgr_mean_std", "write it into"]),
    ("alphapose", "udp", ["model.input_format=bgr_mean_std and codec.alignment=hrnet",
                          "write them into"]),
    ("bgr_mean_std", "hrnet", []),
])
def test_training_says_what_the_weights_want(tmp_path, said, input_format, alignment, words):
    path = official(tmp_path)
    config = Config(model=ModelConfig(**MODEL, pretrained=path, input_format=input_format),
                    codec=CodecConfig(alignment=alignment))
    run = SimpleNamespace(config=config, skeleton=load_skeleton("coco"))
    PoseProcessor._new_net(run, pretrained=True)
    assert "tensors loaded" in said.text
    warnings = [record.getMessage() for record in said.records if record.levelname == "WARNING"]
    assert len(warnings) == bool(words)
    assert all(word in warnings[0] and path in warnings[0] for word in words)


@pytest.mark.parametrize("word, used, words", [
    ("model.input_format=rgb_mean", "rgb_mean", "rgb_mean on the command line, which is used, but"),
    ("model={input_format: rgb_mean}", "rgb_mean", "on the command line, which is used, but"),
    ("val.nms=none", "bgr_mean_std", "rgb_mean in the YAML, but the weights .*, which is used")])
def test_the_command_line_wins_over_foreign_weights(tmp_path, said, word, used, words):
    path = official(tmp_path)
    yaml = tmp_path / "net.yaml"
    yaml.write_text(f"model: {MODEL | {'input_format': 'rgb_mean'}}\n")
    assert load_pose_model(path, config=yaml, overrides=[word]).input_format == used
    assert re.search(words, said.text) and path in said.text


@pytest.mark.parametrize("changed", [True, False])
def test_a_skeleton_file_that_changed_is_said(tmp_path, said, changed):
    file = tmp_path / "own.yaml"
    file.write_text("joints: [top, end]\nflip_pairs: []\n")
    skeleton = load_skeleton(str(file))
    config = Config(model=ModelConfig(**MODEL, num_joints=2), data=DataConfig(skeleton=str(file)))
    checkpoint = {"skeleton": skeleton_to_dict(skeleton)}
    if changed:
        file.write_text("joints: [top, end]\nflip_pairs: [[top, end]]\n")
    assert skeleton_for_weights(checkpoint, config, config.data.skeleton, "w.pth") == skeleton
    assert ("own.yaml has changed since w.pth was trained" in said.text) == changed
    file.unlink()
    assert skeleton_for_weights(checkpoint, config, config.data.skeleton, "w.pth") == skeleton


def test_a_training_from_nothing_says_nothing(said):
    run = SimpleNamespace(config=Config(model=ModelConfig(**MODEL)), skeleton=load_skeleton("coco"))
    assert PoseProcessor._new_net(run, pretrained=True).weights_report is None
    assert not said.records


def test_evaluation_says_what_it_assumes_when_it_goes_by_it(tmp_path, said):
    loaded = load_weights(build_net(**MODEL), official(tmp_path))
    config = config_for_weights(Config(model=ModelConfig(**MODEL)), loaded)
    assert config.model.input_format == "bgr_mean_std"
    assert "assumed to be of pose_resnet" in said.text


def test_the_pixels_of_timms_own_weights_are_taken_and_it_is_said(said):
    pytest.importorskip("timm")
    asked = ModelConfig(type="pose_timm", name="test_convnext.r160_in1k", pretrained=True)
    assert with_pixels_of_timm(Config(model=asked)).model.input_format == "rgb_half"
    assert "input_format is rgb_half instead of rgb_mean_std" in said.text
    for model in (replace(asked, pretrained=False), ModelConfig(pretrained=True)):
        config = Config(model=model)
        assert with_pixels_of_timm(config) is config
    with pytest.raises(ValueError, match="did you mean"):
        with_pixels_of_timm(Config(model=replace(asked, name="resnet5O", pretrained=False)))
