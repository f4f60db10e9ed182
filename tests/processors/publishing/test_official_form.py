"""export --form: files that the code of others reads, written by the rules of outputs."""
import json
from dataclasses import replace

import pytest
import torch

from configs.schema import CodecConfig, Config, ModelConfig
from main import main
from nets.pretrained import load_weights
from processors.models.load_pose_model import load_pose_model
from processors.publishing.official_form import export_form
from tests.processors.pose_checkpoints import small_config, write_checkpoint
from utils.errors import UserError

RESNET = ModelConfig(type="pose_resnet_dconv", name="resnet18", input_format="bgr_mean_std")


@pytest.fixture(scope="module")
def resnet(tmp_path_factory):
    return write_checkpoint(tmp_path_factory.mktemp("run") / "r.pth",
                            replace(small_config(), model=RESNET))


@pytest.fixture(scope="module")
def vit(tmp_path_factory):
    config = Config(model=ModelConfig(type="pose_vit", name="s", head="simple"),
                    codec=CodecConfig(input_size=(48, 64), alignment="udp"))
    return write_checkpoint(tmp_path_factory.mktemp("run") / "v.pth", config)


def test_a_state_dict_for_the_official_code(resnet, tmp_path, capsys):
    out = tmp_path / "official.pth"
    assert main(["export", "--weights", str(resnet), "--form", "simplebaselines", "--out",
                 str(out)]) == 0
    state = torch.load(out, weights_only=True)
    assert {"conv1.weight", "layer4.1.bn2.running_var", "deconv_layers.6.weight",
            "final_layer.bias"} <= state.keys() and "backbone" not in " ".join(state)
    network = load_pose_model(resnet).network
    wanted = {key: value.clone() for key, value in network.state_dict().items()}
    torch.nn.init.zeros_(network.head.output.weight)
    assert load_weights(network, out).source == "pose_resnet"
    assert all(torch.equal(value, wanted[key]) for key, value in network.state_dict().items())
    export_form(resnet, out, "simplebaselines")     # what is ours is replaced
    assert "want" not in capsys.readouterr().out


def test_mmposes_files_hold_a_state_dict_and_other_pixels_are_said(resnet, tmp_path, capsys):
    out = tmp_path / "official.pth"
    export_form(resnet, out, "mmpose")
    stored = torch.load(out, weights_only=True)
    assert stored.keys() == {"meta", "state_dict"}
    assert "backbone.conv1.weight" in stored["state_dict"]
    said = capsys.readouterr().out
    assert "want model.input_format bgr_mean_std (it assumes rgb_mean_std)" in said
    assert "an input of 64x96" in said


def test_a_folder_for_transformers(vit, tmp_path):
    out = tmp_path / "hf"
    for _ in range(2):      # what is ours is replaced
        export_form(vit, out, "vitpose_hf")
    config = json.loads((out / "config.json").read_text())
    assert config["architectures"] == ["VitPoseForPoseEstimation"]
    assert config["use_simple_decoder"] is True and config["id2label"]["0"] == "nose"
    assert config["backbone_config"] == {
        "model_type": "vitpose_backbone", "image_size": [64, 48], "patch_size": [16, 16],
        "hidden_size": 384, "num_hidden_layers": 12, "num_attention_heads": 12,
        "layer_norm_eps": 1e-6, "out_features": ["stage12"], "out_indices": [12]}
    pixels = json.loads((out / "preprocessor_config.json").read_text())
    assert pixels["size"] == {"height": 64, "width": 48} and pixels["image_mean"][0] == 0.485
    network = load_pose_model(vit).network
    wanted = network(torch.ones(1, 3, 64, 48))
    torch.nn.init.zeros_(network.head.output.weight)
    assert load_weights(network, out).source == "vitpose"
    assert torch.allclose(network(torch.ones(1, 3, 64, 48)), wanted, rtol=0, atol=1e-6)


def test_pixels_that_transformers_cannot_make_are_refused_and_nothing_is_written(vit, tmp_path):
    with pytest.raises(UserError, match="RGB pixels, and these weights want .* bgr_mean_std"):
        export_form(vit, tmp_path / "hf", "vitpose_hf",
                    overrides=["model.input_format=bgr_mean_std"])
    assert not (tmp_path / "hf").exists()


def test_what_is_not_ours_stays_and_names_must_fit(resnet, vit, tmp_path):
    other = tmp_path / "other.pth"
    torch.save({"a": torch.zeros(1)}, other)
    for weights, out, form, sentence in (
            (resnet, other, "mmpose", "is no file of this project"),
            (resnet, resnet, "mmpose", "would be overwritten"),
            (resnet, tmp_path / "x.onnx", "mmpose", "ends in .pth"),
            (vit, tmp_path / "x.pth", "vitpose_hf", "is a folder"),
            (resnet, tmp_path / "x", "vitpose_hf", "no place for model.type"),
            (tmp_path / "n.onnx", tmp_path / "x.pth", "mmpose", "is an ONNX file")):
        with pytest.raises(UserError, match=sentence):
            export_form(weights, out, form)
    (tmp_path / "hf").mkdir()
    (tmp_path / "hf" / "config.json").write_text("{}")
    with pytest.raises(UserError, match="config.json is there already"):
        export_form(vit, tmp_path / "hf", "vitpose_hf")


@pytest.mark.parametrize("words", [["--decode"], ["--opset", "17"]])
def test_options_of_onnx_files_are_refused(words, capsys):
    assert main(["export", "--weights", "w", "--out", "o.pth", "--form", "mmpose", *words]) == 2
    assert "are of ONNX files" in capsys.readouterr().err
