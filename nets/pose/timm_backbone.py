"""Backbones of timm by their names there, with a head of ours. timm is an optional package.

Wightman, "PyTorch Image Models", https://github.com/huggingface/pytorch-image-models.
"""
import difflib
from typing import Any

import torch
from torch import nn

from configs.schema import ModelConfig
from nets.files.load_report import LoadReport
from nets.files.timm_weights import import_timm
from nets.pose.heads import Head, bilinear_head, dconv_head, duc_head, output_head
from nets.pose.pose_net import PoseNet
from utils.errors import UserError
from utils.input_format import INPUT_FORMATS

STRIDES = (4, 8, 16, 32)        # of features that a head can bring to heatmaps of a quarter


def pose_timm(config: ModelConfig, input_size: tuple[int, int]) -> PoseNet:
    """Any network of timm that gives features, and dconv, duc or simple as its head.

    input_size: (width, height) in pixels, which some of them are built for. Raises UserError for
    a missing package, an unknown name, features of no use, and weights that want other pixels than
    model.input_format or cannot be had.
    """
    backbone = TimmBackbone(config.name, config.level, input_size, config.drop_path,
                            config.pretrained is True)
    net = PoseNet(backbone, head_for(config, backbone.out_channels, backbone.stride))
    if config.pretrained is True:
        net.weights_report = report_of(config, backbone)
    return net


class TimmBackbone(nn.Module):
    """Images (B, 3, H, W) -> features (B, out_channels, H/stride, W/stride) of one level.

    level: an index into timm's list of features, -1 for the last. ViTs give the output of their
    block, without the norm behind the last one.
    """

    def __init__(self, name: str, level: int, input_size: tuple[int, int], drop_path: float = 0.0,
                 pretrained: bool = False):
        super().__init__()
        self.features = create_features(name, input_size, drop_path, pretrained)
        reductions = self.features.feature_info.reduction()
        channels = self.features.feature_info.channels()
        if not -len(reductions) <= level < len(reductions):
            raise UserError(f"model.level is {level}, but {name} has {len(reductions)} levels: "
                            f"write -{len(reductions)} to {len(reductions) - 1}")
        self.level, self.stride, self.out_channels = level, reductions[level], channels[level]
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


def create_features(name: str, input_size: tuple[int, int], drop_path: float, pretrained: bool,
                    ) -> Any:
    """timm's network as a list of features, built for the input size where it has to be."""
    timm = import_timm()
    if name.partition(".")[0] not in timm.list_models():
        near = difflib.get_close_matches(name, timm.list_models(pretrained=True), 1)
        raise UserError(f"model.name is {name[:80]!r}, which timm {timm.__version__} does not know"
                        + (f": did you mean {near[0]}?" if near else
                           ": python -c 'import timm; print(timm.list_models())' lists its names"))
    settings: dict[str, Any] = {"drop_path_rate": drop_path} if drop_path else {}
    sizes: list[dict[str, Any]] = [{"img_size": (input_size[1], input_size[0])}, {}]
    for size in sizes:
        try:
            return timm.create_model(name, pretrained=pretrained, features_only=True, **settings,
                                     **size)
        except TypeError as error:
            if size and "img_size" in str(error):
                continue            # convolutions take any size
            if "drop_path_rate" in str(error):
                raise UserError(f"model.drop_path is {drop_path}, but {name} has no layers that "
                                f"can be gone past; write 0") from error
            raise
        except (OSError, RuntimeError, ImportError, AttributeError, ValueError) as error:
            reason = " ".join(str(error).split())[:150]
            cure = ("set model.pretrained=false, or put its file into the cache of Hugging Face"
                    if pretrained else "choose another one")
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


def report_of(config: ModelConfig, backbone: TimmBackbone) -> LoadReport:
    """What timm's weights want; raises UserError where model.input_format is another."""
    cfg = import_timm().get_pretrained_cfg(config.name)
    form = next((name for name, known in INPUT_FORMATS.items() if known.order == "rgb"
                 and (known.mean, known.std) == (tuple(cfg.mean), tuple(cfg.std))), None)
    if form != config.input_format:
        wanted = (f"set model.input_format={form}" if form else
                  "add it to utils/input_format.py")
        raise UserError(f"model.input_format is {config.input_format}, but the weights of "
                        f"{config.name} want mean {cfg.mean} and std {cfg.std}: {wanted}")
    loaded = tuple(f"backbone.{name}" for name in backbone.state_dict())
    return LoadReport(where=f"timm's weights of {config.name}", source="imagenet", loaded=loaded,
                      missed=(), left=(), reinitialised=(), input_format=form, alignment=None,
                      changed=f"their licence is {cfg.license or 'not stated'}")
