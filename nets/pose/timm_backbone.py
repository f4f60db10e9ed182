"""Backbones of timm by their names there, with a head of ours. timm is an optional package.

Wightman, "PyTorch Image Models", https://github.com/huggingface/pytorch-image-models.
"""
import logging
from typing import Any

import torch
from torch import nn

from configs.schema import ModelConfig
from nets.files.timm_weights import (
    Weights,
    cfg_of,
    ensure_fitting,
    import_timm,
    report_of,
    state_of_timm,
)
from nets.pose.heads import Head, bilinear_head, dconv_head, duc_head, output_head
from nets.pose.pose_net import PoseNet
from utils.errors import UserError
from utils.log import log

STRIDES = (4, 8, 16, 32)        # of features that a head can bring to heatmaps of a quarter


def pose_timm(config: ModelConfig, input_size: tuple[int, int]) -> PoseNet:
    """Any network of timm that gives features, and dconv, duc or simple as its head.

    input_size: (width, height) in pixels, which some of them are built for. Weights of timm, its
    own or in a file by its names, are in it when it comes. Raises UserError for a missing package,
    an unknown name, features of no use, and weights that cannot be had or do not fit.
    """
    weights = state_of_timm(config.pretrained)
    backbone = TimmBackbone(config.name, config.level, input_size, config.drop_path, weights)
    net = PoseNet(backbone, head_for(config, backbone.out_channels, backbone.stride))
    if weights:
        left = ensure_fitting(backbone.features, weights, config)
        net.weights_report = report_of(config, backbone, left)
    return net


class TimmBackbone(nn.Module):
    """Images (B, 3, H, W) -> features (B, out_channels, H/stride, W/stride) of one level.

    level: an index into timm's list of features, -1 for the last. ViTs give the output of their
    block, without the norm behind the last one.
    """

    def __init__(self, name: str, level: int, input_size: tuple[int, int], drop_path: float = 0.0,
                 weights: Weights = False):
        super().__init__()
        self.features = create_features(name, input_size, drop_path, weights)
        reductions = self.features.feature_info.reduction()
        channels = self.features.feature_info.channels()
        if not -len(reductions) <= level < len(reductions):
            raise UserError(f"model.level is {level}, but {name} has {len(reductions)} levels: "
                            f"write -{len(reductions)} to {len(reductions) - 1}")
        self.level, self.stride, self.out_channels = level, reductions[level], channels[level]
        self.grid = (input_size[1] // self.stride, input_size[0] // self.stride)    # of patches
        # swin and others lay features out as (B, h, w, C)
        self.turn = getattr(self.features, "output_fmt", "NCHW") == "NHWC"
        if self.stride not in STRIDES or any(side % self.stride for side in input_size):
            fitting = [i for i, reduction in enumerate(reductions) if reduction in STRIDES]
            cure = f"write model.level={fitting[-1]}" if fitting else "choose another network"
            raise UserError(f"model.level {level} of {name} has features of 1/{self.stride} of the "
                            f"input, and heatmaps of a quarter need 1/4, 1/8, 1/16 or 1/32: {cure}")

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        features = self.features(images)[self.level]
        return features.permute(0, 3, 1, 2) if self.turn else features


def create_features(name: str, input_size: tuple[int, int], drop_path: float, weights: Weights,
                    ) -> Any:
    """timm's network as a list of features, built for the input size where it has to be."""
    timm = import_timm()
    cfg_of(name)        # which says what is wrong with a name
    settings: dict[str, Any] = {"drop_path_rate": drop_path} if drop_path else {}
    cure = "choose another one"
    for speaker in ("huggingface_hub", "timm.models._builder"):     # of retries, and of classifiers
        logging.getLogger(speaker).setLevel(logging.ERROR)
    if weights is True:
        log.info("asking for timm's weights of %s, in vain for a minute without a network", name)
        cure = ("give its file by model.pretrained, put it into the cache of Hugging Face, or set "
                "model.pretrained=false")
    elif weights:
        settings["pretrained_cfg_overlay"] = {"state_dict": dict(weights)}
        cure = ("the file of model.pretrained must be timm's for this model.name, and some of its "
                "networks keep to one codec.input_size")
    sizes: list[dict[str, Any]] = [{"img_size": (input_size[1], input_size[0])}, {}]
    for size in sizes:
        try:
            return timm.create_model(name, pretrained=bool(weights), features_only=True,
                                     **settings, **size)
        except TypeError as error:
            if size and "img_size" in str(error):
                continue            # convolutions take any size
            if "drop_path_rate" in str(error):
                raise UserError(f"model.drop_path is {drop_path}, but {name} has no layers that "
                                f"can be gone past; write 0") from error
            raise
        except (OSError, RuntimeError, ImportError, AttributeError, ValueError) as error:
            reason = " ".join(str(error).split())[:150]
            raise UserError(f"model.name {name} cannot be had of timm ({reason}): {cure}"
                            ) from error
    raise AssertionError("one of the two ways has answered")


def head_for(config: ModelConfig, channels: int, stride: int) -> Head:
    """The head of that name with as many stages as bring `stride` to 4."""
    stages = STRIDES.index(stride)
    joints = config.num_joints
    if config.head == "simple":
        return bilinear_head(channels, joints, upsampling=2 ** stages)
    if stages == 0:
        return output_head(channels, joints)
    if config.head == "duc":
        if channels % 4:
            raise UserError(f"model.head is duc, which shuffles channels by fours, but "
                            f"{config.name} has {channels}: write dconv or simple")
        return duc_head(channels, joints, stages=stages)
    return dconv_head(channels, joints, layers=stages)
