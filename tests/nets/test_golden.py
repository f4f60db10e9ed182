"""Networks and weights against heatmaps of the official codes (needs the golden numbers).

The golden README tells a recipe for weights that depend only on a key and a shape; a network that
is filled with them through `load_weights` has to give the stored heatmaps.
"""
import json

import numpy as np
import pytest
import torch

from nets import build_net
from nets.pretrained import load_weights
from tests.nets.golden_weights import golden_images, golden_state

NETS = {
    "pose_resnet50": dict(type="pose_resnet_dconv", name="resnet50"),
    "pose_hrnet_w32": dict(type="pose_hrnet", name="w32"),
    "alpha_fastpose_se_res50": dict(type="pose_resnet_duc", name="resnet50", reduction=True),
    "alpha_simplepose_res50": dict(type="pose_resnet_dconv", name="resnet50"),
}


@torch.no_grad()
def heatmaps(net, images):
    return net.eval()(images).numpy()


@pytest.fixture(scope="module")
def networks(shared):
    return shared / "golden" / "networks"


@pytest.fixture(scope="module")
def info(networks):
    return json.loads((networks / "info.json").read_text())


def state_of(networks, info, name):
    keys = json.loads((networks / f"keys_{name}.json").read_text())
    return golden_state(keys, info["nets"][name]["gain"])


def mmpose_keys(state, head):
    """Official keys as mmpose writes them; `head` is keypoint_head in 0.x, head in 1.x."""
    return {(f"{head}." if key.startswith(("deconv_layers.", "final_layer.")) else "backbone.")
            + key: value for key, value in state.items()}


@pytest.mark.parametrize("name, mmpose_head", [
    *((name, None) for name in NETS),
    pytest.param("pose_resnet50", "keypoint_head", marks=pytest.mark.slow),
    pytest.param("pose_resnet50", "head", marks=pytest.mark.slow),
    pytest.param("pose_hrnet_w32", "keypoint_head", marks=pytest.mark.slow),
    pytest.param("pose_hrnet_w32", "head", marks=pytest.mark.slow),
])
def test_official_weights_give_the_official_heatmaps(networks, info, name, mmpose_head):
    state = state_of(networks, info, name)
    if mmpose_head:
        state = {"state_dict": mmpose_keys(state, mmpose_head), "meta": {}}
    net = build_net(**NETS[name])
    report = load_weights(net, state)
    assert (report.missed, report.left) == ((), ())
    out = heatmaps(net, golden_images(info["input_seed_pose"]))
    expected = np.load(networks / "heatmaps.npz")[name]
    assert np.abs(out[0] - expected).max() < 1e-3 * np.abs(expected).max()
    second = info["nets"][name]["output"]["batch1"]
    largest = second["absmax"]
    assert np.abs(out[1]).max() == pytest.approx(largest, rel=1e-3)
    assert out[1].mean() == pytest.approx(second["mean"], abs=1e-3 * largest)
    assert out[1].std() == pytest.approx(second["std"], abs=1e-3 * largest)


SIMPLEPOSE = [f"{kind}/{name}/{se}" for kind in ("pose_resnet_duc", "pose_resnet_dconv")
              for name in ("resnet18", "resnet50") for se in ("plain", "se")]


@pytest.mark.parametrize("name", [
    pytest.param(name, marks=pytest.mark.slow if "resnet50" in name else ())
    for name in SIMPLEPOSE])
def test_original_simplepose(networks, name):
    keys = json.loads((networks / "keys_simplepose.json").read_text())[name]
    kind, depth, se = name.split("/")
    net = build_net(type=kind, name=depth, reduction=se == "se")
    report = load_weights(net, {"ema": golden_state(keys["state_dict"], 2), "epoch": 3})
    assert (report.source, report.missed, report.left) == ("original_simplepose", (), ())
    out = heatmaps(net, golden_images(11))
    stored = np.load(networks / "simplepose_heatmaps.npz")
    stored_name = name.replace("/", "__")
    expected = stored[f"{stored_name}__b0"]
    assert np.abs(out[0] - expected).max() < 1e-4 * np.abs(expected).max()
    second = stored[f"{stored_name}__b1_stats"]
    assert np.allclose([out[1].mean(), out[1].std(), np.abs(out[1]).max()], second,
                       rtol=0, atol=1e-4 * second[2])


def test_entries_and_parameters_of_the_official_networks(info):
    for name, settings in (NETS | {
            "pose_resnet101": dict(type="pose_resnet_dconv", name="resnet101"),
            "pose_resnet152": dict(type="pose_resnet_dconv", name="resnet152"),
            "pose_hrnet_w48": dict(type="pose_hrnet", name="w48"),
            "alpha_fastpose_se_res101": dict(type="pose_resnet_duc", name="resnet101",
                                             reduction=True)}).items():
        with torch.device("meta"):
            net = build_net(**settings)
        assert len(net.state_dict()) == info["nets"][name]["n_state_keys"]
        assert sum(p.numel() for p in net.parameters()) == info["nets"][name]["n_params"]


@pytest.mark.parametrize("name", [
    "alpha_fastpose_duc_plain_res50", "alpha_fastpose_duc_shuffle_res50",
    "alpha_fastpose_se_res50_dim256"])
def test_alphaposes_other_heads_are_refused(networks, name):
    keys = json.loads((networks / f"keys_{name}.json").read_text())
    file = {key: torch.empty(shape) for key, shape, _ in keys}
    with torch.device("meta"):
        net = build_net(**NETS["alpha_fastpose_se_res50"])
    with pytest.raises(ValueError, match="does not fit this network"):
        load_weights(net, file)
