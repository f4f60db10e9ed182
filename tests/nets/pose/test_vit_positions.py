"""Weights of ViTs that training starts from, and of other input sizes."""
import re

import pytest
import torch

from nets import build_net
from nets.pose.heads import bilinear_head, dconv_head
from nets.pose.pose_net import PoseNet
from nets.pose.vit import ViTBackbone, resized_positions
from nets.pose.vit_positions import grid_of
from nets.pretrained import load_weights


def small_net(grid=(8, 6), classic=True):
    head = dconv_head(24, 5, 0.1, layers=2) if classic else bilinear_head(24, 5, 4)
    return PoseNet(ViTBackbone(24, 2, 3, grid), head)


def bare_backbone(rows=197, **more):
    """As MAE's and timm's files."""
    backbone = {key.replace("last_norm", "norm"): torch.randn_like(value)
             for key, value in small_net().backbone.state_dict().items()}
    return {**backbone, "pos_embed": torch.randn(1, rows, 24), "cls_token": torch.zeros(1, 1, 24),
            **more}


@pytest.mark.parametrize("more, source, input_format, words", [
    ({"mask_token": torch.zeros(1, 1, 24), "decoder_embed.weight": torch.zeros(9, 24)}, "mae",
     "rgb_mean_std", "resized from 14x14 to 8x6"),
    ({}, "mae", "rgb_mean_std",
     "assumed to be a backbone of MAE or timm; .*small ones have 6 heads"),
    ({"head.weight": torch.zeros(9, 24), "head.bias": torch.zeros(9)}, "imagenet_vit", None,
     "rgb_half for timm's augreg"),
])
def test_backbones_to_start_from(more, source, input_format, words):
    file, net = bare_backbone(**more), small_net()
    report = load_weights(net, {"model": file})
    assert (report.source, report.input_format) == (source, input_format)
    assert set(report.left) == {"cls_token", *more}
    assert all(name.startswith("head.") for name in report.missed)
    wanted = resized_positions(file["pos_embed"], (14, 14), (8, 6))
    assert torch.equal(net.backbone.pos_embed, wanted)
    assert torch.equal(net.backbone.last_norm.weight, file["norm.weight"])
    assert re.search(words, str(report))


def test_positions_without_a_class_token_get_a_first_row_of_0():
    state = small_net().state_dict()
    state["backbone.pos_embed"] = state["backbone.pos_embed"][:, 1:]
    net = small_net()
    assert load_weights(net, state).changed == ""
    assert not net.backbone.pos_embed[:, 0].any()
    assert torch.equal(net.backbone.pos_embed[:, 1:], state["backbone.pos_embed"])


def test_own_weights_of_another_input_size_are_resized_and_it_is_said():
    file, net = small_net((16, 12)).state_dict(), small_net((4, 4))
    report = load_weights(net, file)
    assert "position embedding was resized from 16x12 to 4x4" in str(report)
    assert not report.left and not report.missed


@pytest.mark.parametrize("rows, grid", [
    (196, (14, 14)), (192, (16, 12)), (432, (24, 18)), (48, (8, 6)), (32, None), (7, None),
    (0, None)])
def test_grids(rows, grid):
    assert grid_of(rows) == grid


def sized(net, width, height):
    return {"ema": net.state_dict(), "config": {"codec": {"input_size": [width, height]}}}


@pytest.mark.parametrize("old, new", [
    ((16, 12), (12, 16)), ((2, 8), (4, 4)), ((16, 4), (8, 16)), ((4, 8), (8, 8)),
    ((13, 7), (16, 12)), ((5, 3), (5, 3))])
def test_own_checkpoints_say_their_grid(old, new):
    first, net = small_net(old), small_net(new)
    report = load_weights(net, sized(first, 16 * old[1], 16 * old[0]))
    wanted = first.backbone.pos_embed
    if old != new:
        wanted = resized_positions(wanted, old, new)
        assert f"from {old[0]}x{old[1]} to {new[0]}x{new[1]} patches" in report.changed
    assert torch.equal(net.backbone.pos_embed, wanted)


def test_vitposes_are_16x12_also_for_a_net_of_as_many_patches():
    file, net = small_net((16, 12)).state_dict(), small_net((12, 16))
    given = {key.replace("head.output.", "keypoint_head.final_layer.").replace(
        "head.upsample.", "keypoint_head.deconv_layers."): value for key, value in file.items()}
    report = load_weights(net, {"state_dict": given})
    assert report.source == "vitpose" and "from 16x12 to 12x16" in report.changed
    wanted = resized_positions(file["backbone.pos_embed"], (16, 12), (12, 16))
    assert torch.equal(net.backbone.pos_embed, wanted)


def test_a_bare_state_of_ours_is_taken_as_it_is_and_that_is_said():
    for grid, words in (((3, 5), "as of 3x5 patches"), ((16, 12), "")):
        first, net = small_net(grid), small_net(grid)
        report = load_weights(net, first.state_dict())
        assert torch.equal(net.backbone.pos_embed, first.backbone.pos_embed)
        assert words in report.changed and bool(words) == bool(report.changed)


@pytest.mark.parametrize("size, words", [
    ([96, 64], "is for codec.input_size .96, 64., and the 49 rows of its backbone.pos_embed"),
    ([96], "no width and height"), ([0, 64], "no width and height"), (True, "no width and height"),
    (["96", 128], "no width and height")])
def test_a_stored_size_that_cannot_be_is_refused(size, words):
    state = sized(small_net(), 96, 128)
    state["config"]["codec"]["input_size"] = size
    with pytest.raises(ValueError, match=words):
        load_weights(small_net((4, 4)), state)


@pytest.mark.parametrize("size", [(96, 64), (96, 128)])
def test_vits_of_timm_are_resized_too(size):
    pytest.importorskip("timm")
    first, net = (build_net(type="pose_timm", name="test_vit", head="simple", num_joints=3,
                            input_size=given) for given in ((64, 96), size))
    report = load_weights(net, sized(first, 64, 96))
    key = next(key for key in first.state_dict() if key.endswith("pos_embed"))
    new = (size[1] // 16, size[0] // 16)
    wanted = resized_positions(first.state_dict()[key], (6, 4), new)
    assert torch.equal(net.state_dict()[key], wanted) and "from 6x4" in report.changed


def test_what_cannot_be_resized_names_the_size():
    pytest.importorskip("timm")
    with torch.device("meta"):
        first, net = (build_net(type="pose_timm", name="hiera_tiny_224", head="simple",
                                input_size=size) for size in ((128, 128), (256, 64)))
    state = {key: torch.zeros(value.shape) for key, value in first.state_dict().items()}
    with pytest.raises(ValueError, match=r"is for codec.input_size \[128, 128\]"):
        load_weights(net, {"ema": state, "config": {"codec": {"input_size": (128, 128)}}})


SWIN = "swin_tiny_patch4_window7_224"
TIED = [SWIN, "mixer_s16_224", "gmlp_s16_224", "resmlp_12_224", "coatnet_0_224",
        "maxvit_pico_rw_256"]
NO_COPIES = pytest.mark.filterwarnings("ignore:.*copying from a non-meta parameter")


def two_sizes(name, old, new):
    """A checkpoint of a network of timm for one input size, and the network for another."""
    pytest.importorskip("timm")
    with torch.device("meta"):      # nothing is computed, only shapes are looked at
        first, net = (build_net(type="pose_timm", name=name, head="simple", num_joints=3,
                                input_size=size) for size in (old, new))
    state = {key: torch.zeros(value.shape, dtype=value.dtype)
             for key, value in first.state_dict().items()}
    return {"ema": state, "config": {"codec": {"input_size": list(old)}}}, net


@pytest.mark.parametrize("name, old, new", [
    *((name, (192, 256), (256, 192)) for name in TIED),
    ("mixer_s16_224", (96, 128), (192, 256)), (SWIN, (192, 256), (288, 384)),
    ("pit_ti_224", (192, 256), (256, 192))])
def test_what_belongs_to_places_and_is_not_resized_is_refused(name, old, new):
    """Of 192x256 and 256x192, all shapes are equal."""
    file, net = two_sizes(name, old, new)
    cure = rf"set codec.input_size to \[{old[0]}, {old[1]}\], or give other weights"
    with pytest.raises(ValueError, match=cure):
        load_weights(net, file)


@NO_COPIES
@pytest.mark.parametrize("name, old, new", [
    *((name, (192, 256), (192, 256)) for name in TIED),
    (SWIN, (224, 448), (448, 224)),             # whole windows at both sizes
    ("test_resnet", (64, 96), (96, 64)), ("test_convnext", (64, 96), (192, 256))])
def test_networks_of_timm_that_can_take_the_size_load_as_they_are(name, old, new):
    file, net = two_sizes(name, old, new)
    report = load_weights(net, file)
    assert len(report.loaded) == len(file["ema"]) and not (report.missed or report.changed)


def test_a_stored_size_that_no_network_takes_is_refused():
    file, net = two_sizes("gcvit_xxtiny", (64, 64), (64, 64))
    file["config"]["codec"]["input_size"] = [1, 1]
    with pytest.raises(ValueError, match=r"is for codec.input_size \[1, 1\], and in this network"):
        load_weights(net, file)


@NO_COPIES
def test_what_belongs_to_places_is_begun_anew_in_a_partial_load_and_guessed_without_a_size():
    file, net = two_sizes("mixer_s16_224", (64, 96), (96, 64))
    report = load_weights(net, file, allow_partial=True)
    assert report.missed and all(".mlp_tokens." in key for key in report.missed)
    words = "belong to a codec.input_size, which the file does not say: taken as of the network's"
    assert words in load_weights(net, file["ema"]).changed
    del file["ema"]["head.output.bias"]         # where more is wrong, the size is no cure
    with pytest.raises(ValueError, match=r"does not fit .*check model.type"):
        load_weights(net, file)


def without(key):
    return lambda state: state.pop(key)


@pytest.mark.parametrize("spoil, words", [
    (lambda state: state.update({"backbone.pos_embed": torch.zeros(1, 8, 24)}), "8 rows, which"),
    (lambda state: state.update({"backbone.pos_embed": torch.zeros(49, 24)}), "another shape"),
    (lambda state: state.update({"backbone.pos_embed": torch.zeros(1, 49, 9)}), "another shape"),
    (lambda state: state.update({"backbone.pos_embed": torch.zeros(1, 197, 24).long()}),
     "no dense tensor"),
    (without("backbone.blocks.1.attn.proj.bias"), "not in the file: backbone.blocks.1"),
    (lambda state: state.update({"backbone.blocks.2.norm1.bias": torch.zeros(24)}),
     "in the file only"),
])
def test_damaged_files_are_refused(spoil, words):
    state, net = small_net().state_dict(), small_net()
    spoil(state)
    with pytest.raises(ValueError, match=words):
        load_weights(net, state)


def test_the_other_head_is_refused_and_the_setting_named():
    with pytest.raises(ValueError, match="check model.type, model.name, model.head"):
        load_weights(small_net(classic=False), small_net().state_dict())
