"""The one list of pose networks: what model.type and model.name may be, and who builds each.

It loads nothing, so that a YAML can be checked without PyTorch: `nets.build_net` finds the builder
by its name. A new network has a file of its own in nets/ and a line here.
"""
from dataclasses import dataclass

RESNETS = ("resnet18", "resnet34", "resnet50", "resnet101", "resnet152")
VECTOR_HEADS = ("simcc", "rtmcc")   # of model.head: two vectors for a joint, no heatmap


@dataclass(frozen=True)
class Network:
    builder: str                    # module:function, ModelConfig -> PoseNet; with takes_size
                                    # ModelConfig and (width, height) of the input -> PoseNet
    names: tuple[str, ...]          # what model.name may be; (): its builder knows
    has_se: bool = False            # whether model.reduction may be true
    has_widths: bool = False        # whether model.width may be another than 1
    heads: tuple[str, ...] = ("default", "simcc")   # what model.head may be, the default first
    has_drop_path: bool = False     # whether model.drop_path may be above 0
    levels: tuple[int, ...] = (-1,)     # what model.level may be; (): its builder knows
    takes_size: bool = False        # whether it is built for an input size and keeps to it
    imagenet_file: str = ""         # what its ImageNet weights are called, if not torchvision's
    multiple: int = 32              # the sides of the input are multiples of it, in pixels


NETWORKS = {
    "pose_resnet_duc": Network("nets.pose.resnet:pose_resnet_duc", RESNETS,
                               has_se=True, has_widths=True, levels=(-3, -2, -1)),
    "pose_resnet_dconv": Network("nets.pose.resnet:pose_resnet_dconv", RESNETS,
                                 has_se=True, has_widths=True, levels=(-3, -2, -1)),
    "pose_hrnet": Network("nets.pose.hrnet:pose_hrnet", ("w32", "w48"),
                          imagenet_file="hrnet_w32-36af842e.pth"),
    "pose_vit": Network("nets.pose.vit:pose_vit", ("s", "b", "l", "h"), has_drop_path=True,
                        heads=("classic", "simple", "simcc"), takes_size=True, multiple=16,
                        imagenet_file="mae_pretrain_vit_base.pth"),
    "pose_timm": Network("nets.pose.timm_backbone:pose_timm", (), has_drop_path=True,
                         heads=("dconv", "duc", "simple", "simcc"), takes_size=True, levels=()),
    "pose_cspnext": Network("nets.pose.cspnext:pose_cspnext", ("t", "s", "m", "l"),
                            heads=("dconv", "simcc", "rtmcc"),
                            imagenet_file="cspnext-m_8xb256-rsb-a1-600e_in1k-ecb3bbd9.pth"),
}


def keeps_to_size(kind: str, head: str) -> bool:
    """Whether the network of this model.type and model.head is for one input size."""
    return NETWORKS[kind].takes_size or head in VECTOR_HEADS
