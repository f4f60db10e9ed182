"""load_weights: where weights come from, what they fill, and what is refused."""
import re

import numpy as np
import pytest
import torch
import torchvision

from nets import build_net
from nets.files.sources import SOURCES, WORDS
from nets.pretrained import RENAMES, load_weights
from utils.alignment import ALIGNMENTS
from utils.input_format import INPUT_FORMATS


def make(kind="pose_resnet_duc", name="resnet18", **settings):
    return build_net(type=kind, name=name, **settings)


def spelled(state, *rows):
    """Our keys in the spelling of another code base: rows of (ours, theirs)."""
    out = {}
    for key, value in state.items():
        ours, theirs = next(row for row in rows if key.startswith(row[0]))
        out[theirs + key[len(ours):]] = value
    return out


OFFICIAL = (("backbone.", ""), ("head.upsample.", "deconv_layers."),
            ("head.output.", "final_layer."))
DUC_ORIGINAL = (("backbone.", ""), ("head.upsample.", "duc_layers."),
                ("head.output.", "final_layer."))
FASTPOSE = (("backbone.", "preact."), ("head.upsample.1.", "duc1."),
            ("head.upsample.2.", "duc2."), ("head.output.", "conv_out."))
MMPOSE_0 = (("backbone.", "backbone."), ("head.upsample.", "keypoint_head.deconv_layers."),
            ("head.output.", "keypoint_head.final_layer."))
MMPOSE_1 = (("backbone.", "backbone."), ("head.upsample.", "head.deconv_layers."),
            ("head.output.", "head.final_layer."))


@pytest.mark.parametrize("kind, rows, wrapper, prefix, source, input_format, alignment", [
    ("pose_resnet_dconv", OFFICIAL, None, "", "pose_resnet", "bgr_mean_std", "hrnet"),
    ("pose_resnet_dconv", OFFICIAL, "state_dict", "module.", "pose_resnet", "bgr_mean_std",
     "hrnet"),
    ("pose_resnet_dconv", OFFICIAL, "ema", "", "original_simplepose", "rgb_mean", None),
    ("pose_resnet_duc", DUC_ORIGINAL, None, "module.", "original_simplepose", "rgb_mean", None),
    ("pose_resnet_duc", FASTPOSE, "net", "module._orig_mod.", "alphapose", "alphapose", "hrnet"),
    ("pose_resnet_duc", FASTPOSE, "model", "", "alphapose", "alphapose", "hrnet"),
    ("pose_resnet_dconv", MMPOSE_0, "state_dict", "", "mmpose", "rgb_mean_std", "hrnet"),
    ("pose_resnet_dconv", MMPOSE_1, "state_dict", "module.", "mmpose", "rgb_mean_std", "hrnet"),
    ("pose_hrnet", OFFICIAL, None, "module.", "pose_hrnet", "rgb_mean_std", "hrnet"),
    ("pose_hrnet", OFFICIAL, "ema", "", "original_simplepose", "rgb_mean", None),
    ("pose_hrnet", MMPOSE_0, None, "", "mmpose", "rgb_mean_std", "hrnet"),
])
def test_sources(kind, rows, wrapper, prefix, source, input_format, alignment):
    name = "w32" if kind == "pose_hrnet" else "resnet18"
    net = make(kind, name)
    theirs = {key: value + 1 for key, value in net.state_dict().items()}
    file = {prefix + key: value for key, value in spelled(theirs, *rows).items()}
    report = load_weights(net, {"epoch": 3, "optimizer": {}, wrapper: file} if wrapper else file)
    assert (report.source, report.input_format, report.alignment) == (source, input_format,
                                                                      alignment)
    assert (report.missed, report.left, report.reinitialised) == ((), (), ())
    assert len(report.loaded) == len(theirs)
    assert all(torch.equal(value, theirs[key]) for key, value in net.state_dict().items())


def test_a_name_under_model_is_no_wrapper():
    """HRNet's training checkpoints keep the network's name under "model"."""
    file = {"model": "pose_resnet", "state_dict": make().state_dict()}
    assert load_weights(make(), file).source == "this_project"


def test_own_checkpoint_goes_round_and_carries_its_settings(tmp_path):
    theirs = make(reduction=True)
    averaged = {key: value + 1 for key, value in theirs.state_dict().items()}
    path = tmp_path / "pose_best.pth"
    torch.save({"net": theirs.state_dict(), "ema": averaged, "step": 7, "config": {
        "model": {"input_format": "alphapose"}, "codec": {"alignment": "udp"}}}, path)
    net = make(reduction=True)
    report = load_weights(net, path)
    assert (report.source, report.input_format, report.alignment) == ("this_project", "alphapose",
                                                                      "udp")
    assert torch.equal(net.backbone.conv1.weight, averaged["backbone.conv1.weight"])
    assert str(path) in str(report)


@pytest.mark.parametrize("name, source, alignment", [
    ("DarkPose/res18_256x192.pth", "pose_resnet", "hrnet"),     # a folder says nothing
    ("w/res18_256x192_dark.pth", "darkpose_resnet", "dark"),
    ("w/DarkPose-res18.pth", "darkpose_resnet", "dark"),
    ("w/alphapose_res18.pth", "alphapose", "hrnet"),
    ("w/darker_udp_res18.pth", "pose_resnet", "hrnet"),         # whole words, of these keys
])
def test_words_in_names_of_files_tell_sources_with_equal_keys_apart(name, source, alignment):
    file = spelled(make("pose_resnet_dconv", width=0.1).state_dict(), *OFFICIAL)
    report = load_weights(make("pose_resnet_dconv", width=0.1), file, path=name)
    assert (report.source, report.alignment) == (source, alignment)


@pytest.mark.parametrize("wrapper, name, words", [
    (None, "", "pose_resnet, since nothing says otherwise.*darkpose_resnet, original_simplepose"),
    ("ema", "", 'original_simplepose, since it lies under "ema".*: pose_resnet, darkpose_resnet'),
    (None, "x_dark.pth", 'darkpose_resnet, since the file\'s name has the word "dark".*: pose_res'),
])
def test_what_the_keys_leave_open_is_said_and_the_caller_decides(wrapper, name, words):
    file = spelled(make("pose_resnet_dconv", width=0.1).state_dict(), *OFFICIAL)
    file = {wrapper: file} if wrapper else file
    net = make("pose_resnet_dconv", width=0.1)
    assert re.search(f"assumed to be of {words}", str(load_weights(net, file, path=name)))
    report = load_weights(net, file, path=name, source="alphapose")
    assert (report.source, report.input_format) == ("alphapose", "alphapose")
    assert "assumed" not in str(report)
    with pytest.raises(ValueError, match="choose one of: this_project"):
        load_weights(net, file, source="openpose")


def test_udp_nets_of_mmpose_are_known_by_the_name_of_the_file():
    file = spelled(make("pose_resnet_dconv", width=0.1).state_dict(), *MMPOSE_1)
    for name, source in (("w32_coco_udp-aba0be42_2021.pth", "mmpose_udp"), ("udp/a.pth", "mmpose")):
        report = load_weights(make("pose_resnet_dconv", width=0.1), file, path=name)
        assert (report.source, "assumed" in str(report)) == (source, True)


@pytest.mark.parametrize("rows", [OFFICIAL, MMPOSE_0, MMPOSE_1, (("", ""),)])
def test_a_pose_network_without_its_last_layer_is_no_imagenet_backbone(rows):
    file = {key: value for key, value in make("pose_resnet_dconv", width=0.1).state_dict().items()
            if "head.output" not in key}
    net = make("pose_resnet_dconv", width=0.1)
    with pytest.raises(ValueError, match="not in the file: head.output.weight"):
        load_weights(net, spelled(file, *rows))
    assert load_weights(net, spelled(file, *rows), allow_partial=True).missed == (
        "head.output.weight", "head.output.bias")


def test_formats_are_names_that_exist():
    for source in SOURCES.values():
        assert source.input_format is None or source.input_format in INPUT_FORMATS
        assert source.alignment is None or source.alignment in ALIGNMENTS
    assert all(any(name.startswith(owner) for name in SOURCES) for owner in WORDS.values())


@pytest.mark.parametrize("section, key", [("model", "input_format"), ("codec", "alignment")])
@pytest.mark.parametrize("value", ["nonsense", 3, None, ["hrnet"], np.array(["hrnet"])])
def test_settings_of_own_checkpoints_must_be_known(section, key, value):
    net = make(width=0.1)
    checkpoint = {"ema": net.state_dict(), "config": {section: {key: value}}}
    with pytest.raises(ValueError, match=f"{section}.{key} in its settings is .*none of") as caught:
        load_weights(net, checkpoint)
    assert len(str(caught.value).splitlines()) == 1


def test_every_rename_can_be_reached():
    for row, (beginning, _) in enumerate(RENAMES):
        assert not any(beginning.startswith(earlier) for earlier, _ in RENAMES[:row])


def test_alphapose_linear_se_becomes_a_convolution():
    theirs = make(reduction=True).state_dict()
    file = {key: value.flatten(1) if ".se." in key and value.ndim == 4 else value
            for key, value in spelled(theirs, *FASTPOSE).items()}
    net = make(reduction=True)
    assert load_weights(net, file).source == "alphapose"
    key = "backbone.layer4.0.se.fc.2.weight"
    assert torch.equal(net.state_dict()[key], theirs[key])


@pytest.mark.parametrize("name", ["resnet18", "resnet50"])
def test_imagenet_backbones_need_no_head_no_classifier_and_no_se(name):
    file = getattr(torchvision.models, name)().state_dict()
    net = make(name=name, reduction=True)
    report = load_weights(net, {k: v for k, v in file.items() if not k.startswith("fc.")})
    assert (report.source, report.left) == ("imagenet", ())
    assert torch.equal(net.backbone.layer3[0].conv1.weight, file["layer3.0.conv1.weight"])


def test_hrnet_imagenet_file_with_its_classifier_and_coarse_outputs():
    theirs = make("pose_hrnet", "w32").backbone.state_dict()
    extra = {key: torch.zeros(2, 2) for key in (
        "classifier.weight", "incre_modules.0.0.conv1.weight", "final_layer.0.weight",
        "downsamp_modules.0.0.weight", "stage4.2.fuse_layers.1.0.0.0.weight")}
    net = make("pose_hrnet", "w32")
    report = load_weights(net, theirs | extra)
    assert (report.source, report.alignment, set(report.left)) == ("imagenet", None, set(extra))
    assert report.missed == ("head.output.weight", "head.output.bias")
    assert torch.equal(net.backbone.conv1.weight, theirs["conv1.weight"])


def test_head_with_another_number_of_joints_is_reinitialised_and_said_so():
    file = make(num_joints=17).state_dict()
    net = make(num_joints=5)
    with torch.no_grad():
        net.head.output.weight.fill_(9)
    report = load_weights(net, file)
    assert report.reinitialised == ("head.output.weight", "head.output.bias")
    assert "another number of joints" in str(report)
    assert net.head.output.weight.abs().max() < 0.01
    assert torch.equal(net.head.upsample[1].conv.weight, file["head.upsample.1.conv.weight"])


REFUSED = {
    "another depth": (lambda: make(name="resnet34").state_dict(), "in the file only"),
    "another block": (lambda: make(name="resnet50").state_dict(), "of another shape"),
    "another width": (lambda: make(width=0.5).state_dict(), "of another shape: .*model.width"),
    "another head": (lambda: make("pose_resnet_dconv").state_dict(), "not in the file"),
    "SE too much": (lambda: make(reduction=True).state_dict(), "in the file only.*se.fc"),
    "a hole": (lambda: {key: value for key, value in make().state_dict().items()
                        if "layer3.1" not in key}, "not in the file.*layer3.1"),
    "HRNet": (lambda: spelled(make("pose_hrnet", "w32").state_dict(), *OFFICIAL), "not fit"),
    "foreign keys": (lambda: {"model.0.conv.weight": torch.zeros(3)}, "no code base"),
    "no tensors": (lambda: {"epoch": 3, "ema": None}, "holds no weights"),
    "a list": (lambda: [1, 2], "holds no weights"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_poor_matches_are_refused_and_change_nothing(case):
    build, words = REFUSED[case]
    net = make()
    before = {key: value.clone() for key, value in net.state_dict().items()}
    with pytest.raises(ValueError, match=words) as caught:
        load_weights(net, build())
    assert len(str(caught.value).splitlines()) == 1
    assert all(torch.equal(value, before[key]) for key, value in net.state_dict().items())


def test_se_is_optional_for_imagenet_backbones_only():
    with pytest.raises(ValueError, match="not in the file.*se.fc"):
        load_weights(make(reduction=True), make().state_dict())


def test_partial_match_on_request():
    net, file = make(), make("pose_resnet_dconv").state_dict()
    report = load_weights(net, file, allow_partial=True)
    assert torch.equal(net.backbone.conv1.weight, file["backbone.conv1.weight"])
    assert "head.upsample.1.conv.weight" in report.missed
    assert {"head.output.weight", "head.upsample.0.weight"} <= set(report.left)
    with pytest.raises(ValueError, match="no tensor of the backbone"):
        load_weights(make(), {"layer4.0.conv1.weight": torch.zeros(1)}, allow_partial=True)


def test_files_without_counters_of_batches_are_complete():
    file = {key: value for key, value in make().state_dict().items()
            if not key.endswith("num_batches_tracked")}
    assert len(load_weights(make(), file).loaded) == len(file)
