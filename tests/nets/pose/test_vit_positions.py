"""Weights of ViTs that training starts from, and of other input sizes."""
import re

import pytest
import torch

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


@pytest.mark.parametrize("rows, ours, grid", [
    (196, (16, 12), (14, 14)), (192, (4, 4), (16, 12)), (432, (16, 12), (24, 18)),
    (48, (8, 6), (8, 6)), (32, (8, 4), (8, 4)), (7, (8, 6), None), (0, (8, 6), None)])
def test_grids(rows, ours, grid):
    assert grid_of(rows, ours) == grid


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
