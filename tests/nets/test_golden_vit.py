"""ViTPose through load_weights, under every code base's names, against heatmaps of the official
codes (needs the golden numbers). See test_golden.py."""
import copy
import json

import numpy as np
import pytest
import torch
from torch import nn

from nets import build_net
from nets.pretrained import load_weights
from tests.nets.golden_weights import golden_images, golden_state

LIMIT = 3e-5        # of the largest value; the nearest wrong network is five times as far off
STYLES = {style: [f"vitpose_{name}_{head}" for name in "sb" for head in ("classic", "simple")]
          for style in ("original", "mmpose", "hf")}
SETS = [(style, name) for style, names in STYLES.items()
        for name in (*names, *(["vitpose_plus_s"] if style != "mmpose" else []))]
PARAMETERS = {"s": (24_290_577, 21_722_513), "b": (89_994_513, 85_912_337),
              "l": (308_544_785, 303_453_201), "h": (637_208_849, 631_107_857)}


@pytest.fixture(scope="module")
def golden(shared):
    return shared / "golden" / "next"


def state_of(golden, style, name):
    keys = json.loads((golden / f"keys_vitpose_{style}.json").read_text())[name]
    return golden_state(keys, gain=1.0)


def vit(name):
    _, size, *head = name.split("_")
    if size == "plus":
        size, head = head[0], ["classic"]
    with torch.device("meta"):
        net = build_net(type="pose_vit", name=size, head=head[0])
    return net.to_empty(device="cpu")       # first weights are slow to draw and not wanted


@torch.no_grad()
def difference(golden, style, name, net):
    """From the stored heatmaps, as a part of their largest value."""
    stored = np.load(golden / "vitpose_heatmaps.npz")
    first, second = net.eval()(golden_images(20260101)).numpy()
    wanted = stored[f"{style}__{name}__b0"]
    off = max(np.abs(first - wanted).max(),
              np.abs(second[:, ::4] - stored[f"{style}__{name}__b1_every4rows"]).max())
    return off / np.abs(wanted).max()


@pytest.mark.parametrize("style, name", [
    pytest.param(*pair, marks=pytest.mark.slow if "_b_" in pair[1] else ()) for pair in SETS])
def test_weights_give_the_official_heatmaps(golden, style, name):
    net = vit(name)
    report = load_weights(net, {"state_dict": state_of(golden, style, name)})
    assert (report.source, report.missed, report.left) == ("vitpose", (), ())
    assert (report.input_format, report.alignment) == ("rgb_mean_std", "udp")
    assert ("experts and heads for other data sets" in str(report)) == ("plus" in name)
    assert difference(golden, style, name, net) < LIMIT


def six_heads(net):
    for block in net.backbone.blocks:
        block.attn.heads = 6


def no_padding(net):
    net.backbone.patch_embed.proj.padding = (0, 0)


def tanh_gelu(net):
    for block in net.backbone.blocks:
        block.mlp.gelu = nn.GELU("tanh")


def no_first_row(net):
    net.backbone.pos_embed.data[:, 0] = 0


def no_last_norm(net):
    net.backbone.last_norm = nn.Identity()


@pytest.fixture(scope="module")
def simple(golden):
    net = vit("vitpose_s_simple")
    load_weights(net, state_of(golden, "original", "vitpose_s_simple"))
    return net


@pytest.mark.parametrize("spoil, at_least", [
    (six_heads, 0.01), (no_padding, 0.1), (tanh_gelu, 1e-4), (no_first_row, 0.1),
    (no_last_norm, 1)])
def test_another_network_would_be_seen(golden, simple, spoil, at_least):
    net = copy.deepcopy(simple)
    spoil(net)
    assert difference(golden, "original", "vitpose_s_simple", net) > at_least > LIMIT


@pytest.mark.parametrize("size", PARAMETERS)
def test_parameters(size):
    for head, count in zip(("classic", "simple"), PARAMETERS[size], strict=True):
        with torch.device("meta"):
            net = build_net(type="pose_vit", name=size, head=head)
        assert sum(p.numel() for p in net.parameters()) == count
