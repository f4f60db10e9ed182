"""RTMPose and SimCC through load_weights, against vectors of mmpose (needs the golden numbers). See
test_golden.py."""
import copy
import json

import numpy as np
import pytest
import torch
from torch import nn

from nets import build_net
from nets.pretrained import load_weights
from tests.nets.golden_weights import golden_images, golden_state
from utils.errors import UserError

LIMIT = 1e-4        # of the largest value
NETS = {        # by golden name: settings, gain of the backbone, of the head, source, parameters
    "rtmpose_t": ({"type": "pose_cspnext", "name": "t", "head": "rtmcc"}, 2.6, 1.0, "rtmpose",
                  3_337_007),
    "rtmpose_s": ({"type": "pose_cspnext", "name": "s", "head": "rtmcc"}, 3.0, 1.0, "rtmpose",
                  5_473_251),
    "rtmpose_m": ({"type": "pose_cspnext", "name": "m", "head": "rtmcc"}, 2.6, 1.0, "rtmpose",
                  13_587_611),
    "rtmpose_l": ({"type": "pose_cspnext", "name": "l", "head": "rtmcc"}, 2.6, 1.0, "rtmpose",
                  27_660_339),
    "simcc_resnet50": ({"type": "pose_resnet_dconv", "name": "resnet50", "head": "simcc"}, 1.5, 1.5,
                       "mmpose", 36_753_105),
}


@pytest.fixture(scope="module")
def golden(shared):
    return shared / "golden" / "next"


def state_of(golden, name):
    keys = json.loads((golden / "keys_rtmpose.json").read_text())[name]
    return golden_state(keys, *NETS[name][1:3])


def empty_net(name):
    with torch.device("meta"):
        net = build_net(**NETS[name][0])
    return net.to_empty(device="cpu")       # first weights are slow to draw and not wanted


@torch.no_grad()
def difference(golden, name, net):
    """From the stored vectors, as a part of their largest value."""
    stored = np.load(golden / "rtmpose_outputs.npz")
    wanted = np.concatenate([stored[f"{name}__simcc_{axis}"] for axis in "xy"], axis=-1)
    found = net.eval()(golden_images(20260101)).numpy()
    return np.abs(found - wanted).max() / np.abs(wanted).max()


@pytest.mark.parametrize("name", [name for name in NETS if name != "rtmpose_l"])
def test_weights_give_mmposes_vectors(golden, name):
    net = empty_net(name)
    report = load_weights(net, {"state_dict": state_of(golden, name)})
    assert (report.source, report.missed, report.left) == (NETS[name][3], (), ())
    assert (report.input_format, report.alignment) == ("rgb_mean_std", "hrnet")
    assert not report.assumed
    assert difference(golden, name, net) < LIMIT


def test_the_large_one_has_a_place_for_each_tensor(golden):
    keys = json.loads((golden / "keys_rtmpose.json").read_text())["rtmpose_l"]
    state = {key: torch.zeros(shape) for key, shape, _ in keys}
    report = load_weights(empty_net("rtmpose_l"), state)
    assert (report.source, report.missed, report.left) == ("rtmpose", (), ())


@pytest.mark.parametrize("name", NETS)
def test_parameters(name):
    with torch.device("meta"):
        net = build_net(**NETS[name][0])
    assert sum(p.numel() for p in net.parameters()) == NETS[name][4]


def identity_in_the_last_stage(net):
    net.backbone.stage4[2].blocks[0].identity = True


def small_pools(net):
    net.backbone.stage4[1].poolings = nn.ModuleList(nn.MaxPool2d(5, 1, 2) for _ in range(3))


def no_residual(net):
    net.head.tokens.gau.res_scale.data.zero_()


def sigmoid(net):
    for module in net.modules():
        if hasattr(module, "gate"):
            module.gate = nn.Sigmoid()


@pytest.mark.parametrize("spoil", [identity_in_the_last_stage, small_pools, no_residual, sigmoid])
def test_another_network_would_be_seen(golden, spoil):
    net = empty_net("rtmpose_t")
    load_weights(net, state_of(golden, "rtmpose_t"))
    spoiled = copy.deepcopy(net)
    spoil(spoiled)
    assert difference(golden, "rtmpose_t", spoiled) > 0.01


def test_training_may_begin_with_the_backbone_of_a_network_of_heatmaps(tmp_path):
    """As RTMPose's does; what predicts may not."""
    heatmaps = build_net(type="pose_cspnext", name="t")
    torch.save({"state_dict": {key.replace("head.upsample", "head.deconv_layers").replace(
        "head.output", "head.final_layer"): value for key, value in heatmaps.state_dict().items()}},
        tmp_path / "cspnext-tiny_udp.pth")
    settings = NETS["rtmpose_t"][0]
    net = build_net(**settings, pretrained=str(tmp_path / "cspnext-tiny_udp.pth"))
    report = net.weights_report
    assert report.source == "mmpose_udp" and all(key.startswith("head.") for key in report.missed)
    assert "its head, which gives heatmaps, was left out" in str(report)
    for key, value in heatmaps.backbone.state_dict().items():
        assert torch.equal(net.backbone.state_dict()[key], value)
    with pytest.raises(UserError, match="does not fit this network"):
        load_weights(net, tmp_path / "cspnext-tiny_udp.pth")
