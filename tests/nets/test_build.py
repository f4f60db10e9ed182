"""build_net: sizes, shapes, initialisation, weights to start from, and clear refusals."""
import pkgutil
import urllib.error
from pathlib import Path
from typing import get_type_hints

import pytest
import torch
import torchvision

from configs.networks import NETWORKS
from configs.schema import ModelConfig
from nets import build_net
from nets.pose.cspnext import CSPNEXTS
from nets.pose.hrnet import HRNET_WIDTHS
from nets.pose.pose_net import PoseNet
from nets.pose.resnet import RESNETS
from nets.pose.vit import VITS

# Parameters of the original networks with 17 joints: type, name, without SE, with SE.
SIZES = [
    ("pose_resnet_duc", "resnet18", 13_558_481, 14_248_401),
    ("pose_resnet_duc", "resnet34", 23_666_641, 24_356_561),
    ("pose_resnet_duc", "resnet50", 29_428_945, 40_577_745),
    ("pose_resnet_duc", "resnet101", 48_421_073, 59_569_873),
    ("pose_resnet_duc", "resnet152", 64_064_721, 75_213_521),
    ("pose_resnet_dconv", "resnet18", 15_376_721, 16_066_641),
    ("pose_resnet_dconv", "resnet34", 25_484_881, 26_174_801),
    ("pose_resnet_dconv", "resnet50", 33_999_697, 45_148_497),
    ("pose_resnet_dconv", "resnet101", 52_991_825, 64_140_625),
    ("pose_resnet_dconv", "resnet152", 68_635_473, 79_784_273),
    ("pose_hrnet", "w32", 28_536_113, None),
    ("pose_hrnet", "w48", 63_595_745, None),
]


@pytest.mark.parametrize("kind, name, plain, with_se", SIZES)
def test_parameter_counts(kind, name, plain, with_se):
    for reduction, expected in ((False, plain), (True, with_se)):
        if expected is not None:
            with torch.device("meta"):
                net = build_net(type=kind, name=name, reduction=reduction)
            assert sum(p.numel() for p in net.parameters()) == expected


@pytest.mark.parametrize("kind, parameters", [("pose_resnet_duc", 3_400_049),
                                              ("pose_resnet_dconv", 3_850_417)])
def test_half_the_width_is_a_quarter_of_the_weights(kind, parameters):
    net = build_net(type=kind, name="resnet18", width=0.5)
    assert sum(p.numel() for p in net.parameters()) == parameters
    assert {net.backbone.conv1.out_channels, net.backbone.layer1[0].conv1.out_channels} == {32}
    assert net.backbone.out_channels == 256
    assert net(torch.rand(1, 3, 64, 32)).shape == (1, 17, 16, 8)


@pytest.mark.parametrize("kind, name", [("pose_resnet_duc", "resnet18"), ("pose_hrnet", "w32"),
                                        ("pose_resnet_dconv", "resnet50")])
def test_heatmaps_are_a_quarter_of_the_image(kind, name):
    with torch.device("meta"):
        net = build_net(ModelConfig(type=kind, name=name, num_joints=5))
        heatmaps = net(torch.empty(2, 3, 128, 96))
    assert heatmaps.shape == (2, 5, 32, 24)
    assert net.stride == 4


@pytest.mark.parametrize("kind", NETWORKS)
def test_the_list_of_networks_names_builders_and_what_they_can_build(kind):
    network = NETWORKS[kind]
    builder = pkgutil.resolve_name(network.builder)
    size = {"input_size": tuple[int, int]} if network.takes_size else {}
    assert get_type_hints(builder) == {"config": ModelConfig, "return": PoseNet} | size
    tables = {"nets.pose.resnet": RESNETS, "nets.pose.hrnet": HRNET_WIDTHS, "nets.pose.vit": VITS,
              "nets.pose.cspnext": CSPNEXTS}
    module = network.builder.partition(":")[0]
    if kind == "pose_timm":
        assert network.names == ()
    else:       # another network may have no table
        assert network.names == tuple(tables.get(module, network.names)) != ()


def conv_std(module):
    return torch.cat([m.weight.flatten() for m in module.modules()
                      if isinstance(m, torch.nn.Conv2d | torch.nn.ConvTranspose2d)]).std().item()


def test_initialisation_of_the_official_codes():
    duc = build_net(type="pose_resnet_duc", name="resnet18")
    assert conv_std(duc.backbone.layer4) > 0.01 and conv_std(duc.head.upsample) > 0.01
    dconv = build_net(type="pose_resnet_dconv", name="resnet18")
    hrnet = build_net(type="pose_hrnet", name="w32")
    for module in (duc.head.output, dconv, hrnet):
        assert conv_std(module) == pytest.approx(0.001, rel=0.05)
    for net in (duc, dconv, hrnet):
        assert net.head.output.bias.abs().max() == 0


def test_imagenet_weights_from_torchvision(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    url = torchvision.models.ResNet18_Weights.IMAGENET1K_V1.url
    folder = tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    backbone = torchvision.models.resnet18().state_dict()
    torch.save(backbone, folder / Path(url).name)
    net = build_net(type="pose_resnet_dconv", name="resnet18", reduction=True, pretrained=True)
    assert torch.equal(net.backbone.layer4[1].conv2.weight, backbone["layer4.1.conv2.weight"])
    assert conv_std(net.head) == pytest.approx(0.001, rel=0.05)
    report = net.weights_report
    assert (report.source, report.input_format) == ("imagenet", "rgb_mean_std")
    assert "torchvision" in str(report)
    assert set(report.left) == {"fc.weight", "fc.bias"}
    assert all(".se." in key or key.startswith("head.") for key in report.missed)


def test_offline_says_which_file_goes_where(tmp_path, monkeypatch):
    def no_network(*args, **kwargs):
        raise urllib.error.URLError("no network")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(torch.hub, "urlopen", no_network)
    with pytest.raises(ValueError, match="model.pretrained") as caught:
        build_net(type="pose_resnet_duc", name="resnet18", pretrained=True)
    assert "resnet18-" in str(caught.value) and str(tmp_path) in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("settings, words", [
    (dict(type="pose_hrnet", name="w32", pretrained=True), "no weights for w32;.*hrnet_w32"),
    (dict(type="pose_vit", name="b", pretrained=True), "no weights for b;.*mae_pretrain_vit_base"),
    (dict(type="pose_vit", name="s", input_size=(100, 100)), "multiples of 16: write such as"),
    (dict(type="pose_vit", name="s", input_size=(0, 16)), "input_size is .0, 16., but the sides"),
    (dict(type="pose_timm", name="resnet18", input_size=(100, 100)), "multiples of 32: write such"),
    (dict(type="pose_hrnet", name="w32", reduction=True), "no SE layers"),
    (dict(type="pose_hrnet", name="resnet50"), "pose_hrnet knows: w32, w48"),
    (dict(num_joints=0), "model.num_joints is 0; write"),
    (dict(num_joints=10 ** 9), "num_joints is 1000000000; it must lie between 1 and 1000"),
    (dict(name="resnet18", width=100), "model.width is 100; it must be above 0 and at most 4"),
    (dict(type="pose_hrnet", name="w32", width=0.5), "only ResNets have other widths"),
    (dict(num_joints=-1), "model.num_joints is -1"),
    (dict(num_joints=True), "model.num_joints is True"),
    (dict(num_joints="17"), "model.num_joints is '17'"),
    (dict(pretrained=""), "model.pretrained .* is ''; write the path"),
    (dict(pretrained=None), "model.pretrained .* is None"),
    (dict(pretrained=1), "model.pretrained .* is 1"),
    (dict(pretrained=Path(__file__).parent), "model.pretrained: .*nets is a folder"),
    (dict(type="pose_resnet"), "pose_resnet_duc, pose_resnet_dconv, pose_hrnet"),
])
def test_impossible_settings(settings, words):
    with pytest.raises(ValueError, match=words) as caught:
        build_net(**settings)
    assert len(str(caught.value).splitlines()) == 1


def test_a_path_that_does_not_exist_names_the_key(tmp_path):
    with pytest.raises(FileNotFoundError, match="model.pretrained.*nothing.pth"):
        build_net(name="resnet18", pretrained=str(tmp_path / "nothing.pth"))
