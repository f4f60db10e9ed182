"""Backbones of timm by their names there, with a head of ours. timm is an optional package.

Wightman, "PyTorch Image Models", https://github.com/huggingface/pytorch-image-models.
"""
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from configs.networks import NETWORKS
from configs.schema import ModelConfig
from nets.files.timm_weights import (
    Weights,
    cfg_of,
    ensure_fitting,
    import_timm,
    report_of,
    state_of_timm,
)
from nets.pose.heads import (
    STRIDES,
    Head,
    bilinear_head,
    dconv_head,
    duc_head,
    output_head,
    stages_for,
)
from nets.pose.pose_net import PoseNet
from utils.errors import UserError
from utils.log import log
from utils.shown import on_one_line


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
        self.stride = _stride(name, level, self.features.feature_info.reduction())
        self.out_channels = self.features.feature_info.channels()[level]
        self.name, self.level, self.input_size = name, level, input_size
        self.grid = (input_size[1] // self.stride, input_size[0] // self.stride)    # of features
        # swin and others lay features out as (B, h, w, C)
        self.turn = getattr(self.features, "output_fmt", "NCHW") == "NHWC"
        self._try()

    def _try(self) -> None:
        """Raise UserError for a network that does not run at this size, or whose features are not
        what timm says."""
        name, input_size = self.name, self.input_size
        self.features.eval()        # no averages of batch norms from this
        images = next(self.parameters()).new_zeros(1, 3, input_size[1], input_size[0])
        try:
            with torch.no_grad():
                shape = tuple(self(images).shape)
        except (RuntimeError, AssertionError, ValueError, IndexError, TypeError) as error:
            raise UserError(f"model.name {name} does not run at codec.input_size "
                            f"{list(input_size)} ({on_one_line(error)}): "
                            f"{_other_size(name, input_size)}") from error
        self.features.train()
        if shape != (1, self.out_channels, *self.grid):
            raise UserError(f"model.name {name} gives features of {shape[1:]} at codec.input_size "
                            f"{list(input_size)}, not the {(self.out_channels, *self.grid)} that "
                            f"timm says (channels, rows, columns): {_other_size(name, input_size)}")

    def tied_to_places(self, size: tuple[int, int] | None) -> set[str]:
        """Names of the tensors with a part for each place of the input: those of another shape in
        the network for twice our input size, or for `size`. Of equal shape for 192x256 and 256x192,
        they are still not the same. Convolutions have none; of what can be built for no other size,
        all may be."""
        own, tied = self.features.state_dict(), set()
        for other in filter(None, (size, (2 * self.input_size[0], 2 * self.input_size[1]))):
            try:
                with torch.device("meta"):
                    others = create_features(self.name, other, 0.0, False).state_dict()
            except UserError:
                others = {}
            tied |= {f"features.{key}" for key, value in own.items()
                     if key not in others or others[key].shape != value.shape}
        return tied

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        features = self.features(images)[self.level]
        return features.permute(0, 3, 1, 2) if self.turn else features


def _stride(name: str, level: int, reductions: list[int]) -> int:
    """The stride of a level. Raises UserError for one that timm has not, or no head fits."""
    if not -len(reductions) <= level < len(reductions):
        raise UserError(f"model.level is {level}, but {name} has {len(reductions)} levels: "
                        f"write -{len(reductions)} to {len(reductions) - 1}")
    if reductions[level] in STRIDES:
        return reductions[level]
    fitting = [i for i, reduction in enumerate(reductions) if reduction in STRIDES]
    cure = f"write model.level={fitting[-1]}" if fitting else "choose another network"
    if len(set(reductions)) == 1:
        cure += ", such as a ViT with patches of 16 pixels"
    raise UserError(f"model.level {level} of {name} has features of 1/{reductions[level]} of the "
                    f"input, and heatmaps of a quarter need 1/4, 1/8, 1/16 or 1/32: {cure}")


def create_features(name: str, input_size: tuple[int, int], drop_path: float, weights: Weights,
                    ) -> Any:
    """timm's network as a list of features, built for the input size where it has to be."""
    timm = import_timm()
    cure = _other_size(name, input_size)        # which says what is wrong with a name
    # some have a drop path of their own, which 0 takes away
    settings: dict[str, Any] = {"img_size": (input_size[1], input_size[0]),
                                "drop_path_rate": drop_path}
    if weights is True:
        log.info("taking timm's weights of %s from the cache of Hugging Face, or else from there; "
                 "without a network that is given up after a minute", name)
        cure = ("give its file by model.pretrained, put it into the cache of Hugging Face, or set "
                "model.pretrained=false")
    elif weights:
        settings["pretrained_cfg_overlay"] = {"state_dict": dict(weights)}
        cure = "the file of model.pretrained must be timm's for this model.name"
        if made_for := _made_for(name, input_size):
            cure += (f", and some of its networks keep to the codec.input_size of their weights, "
                     f"here {made_for}")
    while True:
        try:
            with _quiet():
                return timm.create_model(name, pretrained=bool(weights), features_only=True,
                                         **settings)
        except TypeError as error:      # convolutions take any size and have no img_size
            unknown = [key for key in ("img_size", "drop_path_rate")
                       if key in settings and key in str(error)]
            if drop_path and "drop_path_rate" in unknown:
                raise UserError(f"model.drop_path is {drop_path}, but {name} has no layers that "
                                f"can be gone past; write 0") from error
            if not unknown:
                raise
            for key in unknown:
                del settings[key]
        except (OSError, RuntimeError, ImportError, AttributeError, ValueError,
                AssertionError, ArithmeticError) as error:
            # of its layers, over the size; timm's own weights are of another shape for that only
            if (isinstance(error, AssertionError) or weights is True
                    and "size mismatch" in str(error) and _made_for(name, input_size)):
                cure = _other_size(name, input_size)
            raise UserError(f"model.name {name} cannot be had of timm ({on_one_line(error)}): "
                            f"{cure}") from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Without what is said of retries, and of classifiers."""
    speakers = [logging.getLogger(name) for name in ("huggingface_hub", "timm.models._builder")]
    before = [speaker.level for speaker in speakers]
    try:
        for speaker in speakers:
            speaker.setLevel(logging.ERROR)
        yield
    finally:
        for speaker, level in zip(speakers, before, strict=True):
            speaker.setLevel(level)


def _other_size(name: str, input_size: tuple[int, int]) -> str:
    """The cure for a network that keeps to some sizes."""
    if made_for := _made_for(name, input_size):
        return (f"set codec.input_size to what it was made for, {made_for}, or choose another "
                f"network")
    return "choose another network"


def _made_for(name: str, input_size: tuple[int, int]) -> list[int]:
    """[width, height] that timm states; [] if that is the input size, or can be none of ours."""
    height, width = cfg_of(name).input_size[1:]
    multiple = NETWORKS["pose_timm"].multiple
    fits = (width, height) != tuple(input_size) and not (width % multiple or height % multiple)
    return [width, height] if fits else []


def head_for(config: ModelConfig, channels: int, stride: int) -> Head:
    """The head of that name with as many stages as bring `stride` to 4."""
    stages = stages_for(stride)
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
