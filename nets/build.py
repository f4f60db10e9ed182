"""build_net: from the settings to a network, with the weights it starts from."""
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from configs.schema import ModelConfig
from nets.files.torchvision_weights import imagenet_state
from nets.pose.heads import dconv_head, duc_head, output_head
from nets.pose.hrnet import HRNET_WIDTHS, HRNetBackbone
from nets.pose.layers import init_small
from nets.pose.pose_net import PoseNet
from nets.pose.resnet import RESNETS, ResNetBackbone
from nets.pretrained import load_weights
from utils.errors import UserError


def pose_resnet_duc(config: ModelConfig) -> PoseNet:
    """ResNet and DUC; with `reduction` AlphaPose's FastPose."""
    trunk = ResNetBackbone(config.name, config.reduction, config.width)
    return PoseNet(trunk, duc_head(trunk.out_channels, config.num_joints, config.width))


def pose_resnet_dconv(config: ModelConfig) -> PoseNet:
    """ResNet and transposed convolutions: SimpleBaselines' pose_resnet, AlphaPose's SimplePose."""
    trunk = ResNetBackbone(config.name, config.reduction, config.width)
    if not config.pretrained:
        init_small(trunk)   # as the official code without ImageNet weights
    return PoseNet(trunk, dconv_head(trunk.out_channels, config.num_joints, config.width))


def pose_hrnet(config: ModelConfig) -> PoseNet:
    """HRNet; every layer starts small, as in the official code."""
    trunk = HRNetBackbone(config.name)
    init_small(trunk)
    return PoseNet(trunk, output_head(trunk.out_channels, config.num_joints))


NETS: dict[str, tuple[Callable[[ModelConfig], PoseNet], Collection[str]]] = {
    "pose_resnet_duc": (pose_resnet_duc, RESNETS),
    "pose_resnet_dconv": (pose_resnet_dconv, RESNETS),
    "pose_hrnet": (pose_hrnet, HRNET_WIDTHS),
}


def build_net(config: ModelConfig | None = None, *, joint_names: Sequence[str] = (),
              known_joints: Mapping[int, Sequence[str]] | None = None, **settings) -> PoseNet:
    """A network from `ModelConfig`, or from its fields: `build_net(type=..., name=...)`.

    joint_names, known_joints: see `load_weights`, for pretrained weights of another skeleton.
    Raises ValueError for impossible settings and for weights that cannot be had or do not fit;
    FileNotFoundError for a missing file.
    """
    assert config is None or not settings, "give a ModelConfig or its fields, not both"
    config = config or ModelConfig(**settings)
    if config.type not in NETS:
        raise UserError(f"model.type is {config.type!r}; choose one of: {', '.join(NETS)}")
    _ensure_sensible(config)
    builder, names = NETS[config.type]
    if config.name not in names:
        raise UserError(f"model.name is {config.name!r}; {config.type} knows: {', '.join(names)}")
    if config.reduction and names is not RESNETS:
        raise UserError(f"model.reduction is true, but {config.type} has no SE layers; set it to "
                         f"false")
    net = builder(config)
    if config.pretrained is True:
        report = load_weights(net, imagenet_state(config.name))
        net.weights_report = replace(report, where="torchvision's ImageNet weights")
    elif config.pretrained:
        try:
            net.weights_report = load_weights(net, config.pretrained, joint_names=joint_names,
                                              known_joints=known_joints)
        except (FileNotFoundError, ValueError) as error:
            raise type(error)(f"model.pretrained: {error}") from error
    return net


def _ensure_sensible(config: ModelConfig) -> None:
    """What the loader of YAML files sees to, for those who call without one."""
    joints, pretrained = config.num_joints, config.pretrained
    if type(joints) is not int or joints < 1:
        raise UserError(f"model.num_joints is {joints!r}; write a whole number from 1")
    if not isinstance(pretrained, bool | str | Path) or pretrained == "":
        raise UserError(f"model.pretrained (`weights` in torch.hub) is {pretrained!r}; write the "
                         f"path of a checkpoint, true for torchvision's ImageNet weights, or false")
