"""build_net: from the settings to a network, with the weights it starts from."""
import pkgutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from configs.checks import ensure_ranges, network_problems
from configs.networks import NETWORKS, VECTOR_HEADS, keeps_to_size
from configs.schema import ModelConfig
from nets.files.torchvision_weights import imagenet_state
from nets.pose.pose_net import PoseNet
from nets.pose.simcc import HEADS, SimCCHead
from nets.pose.softmax import SpatialSoftmax
from nets.pose.visibility import VisibilityHead
from nets.pretrained import load_weights
from nets.zoo.weights_by_name import FoundWeights, find_weights
from utils.errors import UserError


def build_net(config: ModelConfig | None = None, *, joint_names: Sequence[str] = (),
              known_joints: Mapping[int, Sequence[str]] | None = None,
              input_size: tuple[int, int] = (192, 256), split: int = 2, sigma: float = 2.0,
              **settings) -> PoseNet:
    """A network from `ModelConfig`, or from its fields: `build_net(type=..., name=...)`.

    pretrained: the path of a file or the name of published weights (nets/zoo/published.py).

    input_size: (width, height) in pixels, which pose_vit, pose_timm and the heads simcc and rtmcc
    are built for. split: bins in a pixel of these heads. sigma: of heatmaps made of a softmax,
    heatmap pixels.
    joint_names, known_joints: see `load_weights`, for pretrained weights of another skeleton.
    Raises UserError for impossible settings and for weights that cannot be had or do not fit;
    FileNotFoundError for a missing file.
    """
    assert config is None or not settings, "give a ModelConfig or its fields, not both"
    config = config or ModelConfig(**settings)
    _ensure_sensible(config)
    found = None
    if not isinstance(config.pretrained, bool):
        found = _find_pretrained(config.pretrained)
        config = replace(config, pretrained=str(found.path))
    network = NETWORKS[config.type]
    if keeps_to_size(config.type, config.head) and any(
            type(side) is not int or side < 1 or side % network.multiple for side in input_size):
        raise UserError(f"input_size is {input_size}, but the sides of what {config.type} sees are "
                        f"multiples of {network.multiple}: write such as (192, 256)")
    build = pkgutil.resolve_name(network.builder)
    net: PoseNet = build(config, input_size) if network.takes_size else build(config)
    if config.head in VECTOR_HEADS:
        assert not isinstance(net.head, SimCCHead)
        width, height = input_size
        net.head = HEADS[config.head](
            net.head, (width // net.stride, height // net.stride), (split * width, split * height))
    if config.softmax:
        net.softmax = SpatialSoftmax(sigma)
    if config.visibility:
        net.visibility = VisibilityHead(net.backbone.out_channels, config.num_joints)
    if net.weights_report is not None:
        return net          # timm has brought its own
    if config.pretrained is True:
        report = load_weights(net, imagenet_state(config.name, network.imagenet_file),
                              source="imagenet")
        net.weights_report = replace(report, where="torchvision's ImageNet weights")
    elif found:
        try:
            net.weights_report = load_weights(net, found.path, source=found.source,
                                              joint_names=joint_names, known_joints=known_joints,
                                              new_head=True)
        except (FileNotFoundError, UserError) as error:
            raise type(error)(f"model.pretrained: {error}") from error
        if net.visibility is not None:
            net.visibility.settle()
    return net


def _find_pretrained(pretrained: str) -> FoundWeights:
    try:
        return find_weights(pretrained)
    except (OSError, UserError) as error:
        raise type(error)(f"model.pretrained: {error}") from error


def _ensure_sensible(config: ModelConfig) -> None:
    """What the loader of YAML files sees to, for those who call without one."""
    joints, pretrained = config.num_joints, config.pretrained
    for key, sentence in network_problems(config):
        raise UserError(f"{key} {sentence}")
    if type(joints) is not int or joints < 1:
        raise UserError(f"model.num_joints is {joints!r}; write a whole number from 1")
    if not isinstance(pretrained, bool | str | Path) or pretrained == "":
        raise UserError(f"model.pretrained (`weights` in torch.hub) is {pretrained!r}; write the "
                         f"path of a checkpoint, a name that python main.py weights lists, true "
                         f"for torchvision's ImageNet weights, or false")
    ensure_ranges(config, "model.")
