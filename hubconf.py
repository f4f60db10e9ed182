"""torch.hub entry points: a network in another project, with nothing installed but torch.

    net = torch.hub.load("path/to/this/folder", "pose_resnet_duc", source="local",
                         name="resnet50", reduction=True, weights="fast_pose.pth")
"""
import sys
from pathlib import Path

try:
    from nets import PoseNet, build_net
except ImportError as error:        # maybe of the project that loads this one
    here = Path(__file__).resolve().parent
    places = {name: getattr(module, "__file__", None) or str([*module.__path__][0])
              for name in ("configs", "nets", "utils") if (module := sys.modules.get(name))}
    others = [f"{name} ({place})" for name, place in places.items()
              if not Path(place).resolve().is_relative_to(here)]
    if not others:
        raise
    raise ImportError(f"SimplePose by torch.hub needs the names configs, nets and utils, and "
                      f"another {' and another '.join(others)} is imported already: load it in a "
                      f"program of its own, or rename that package") from error

dependencies = ["torch", "torchvision"]


def pose_resnet_duc(name: str = "resnet50", num_joints: int = 17, reduction: bool = False,
                    weights: str | bool = False, width: float = 1.0, level: int = -1,
                    visibility: bool = False) -> PoseNet:
    """ResNet-18 to 152 and DUC; AlphaPose's FastPose with `reduction=True`.

    `weights`: the path of a checkpoint of any code base that `nets.pretrained` knows, the name of
    published weights (`python main.py weights`), True for torchvision's ImageNet backbone, or
    False. What was loaded, and how these weights want their images, is in `net.weights_report`.
    `width`: channels as a part of the original's. `level`: the stage that the ResNet ends with, -1
    for the last; simplepose/r18_160x128 is resnet18 with -2. `visibility`: outputs are (B, K,
    numbers + 3), at the end the logits of absent, hidden and visible (docs/visibility.md). The net
    comes in training mode, as torchvision's do.
    """
    return build_net(type="pose_resnet_duc", name=name, num_joints=num_joints,
                     reduction=reduction, width=width, level=level, visibility=visibility,
                     pretrained=weights)


def pose_resnet_dconv(name: str = "resnet50", num_joints: int = 17, reduction: bool = False,
                      weights: str | bool = False, width: float = 1.0, level: int = -1,
                      head: str = "default", input_size: tuple[int, int] = (192, 256),
                      split: int = 2, visibility: bool = False) -> PoseNet:
    """ResNet-18 to 152 and transposed convolutions (SimpleBaselines); see pose_resnet_duc. With
    head="simcc" vectors for an input_size (width, height), as of pose_cspnext."""
    return build_net(type="pose_resnet_dconv", name=name, num_joints=num_joints,
                     reduction=reduction, width=width, level=level, head=head,
                     input_size=input_size, split=split, visibility=visibility,
                     pretrained=weights)


def pose_hrnet(name: str = "w32", num_joints: int = 17, weights: str | bool = False,
               visibility: bool = False) -> PoseNet:
    """HRNet-W32 or W48; see pose_resnet_duc."""
    return build_net(type="pose_hrnet", name=name, num_joints=num_joints, visibility=visibility,
                     pretrained=weights)


def pose_vit(name: str = "b", num_joints: int = 17, weights: str | bool = False,
             head: str = "classic", drop_path: float = 0.0,
             input_size: tuple[int, int] = (192, 256), visibility: bool = False) -> PoseNet:
    """ViTPose S, B, L or H with its classic or simple head; see pose_resnet_duc. input_size:
    (width, height) in pixels, what its position embedding is made for."""
    return build_net(type="pose_vit", name=name, num_joints=num_joints, head=head,
                     drop_path=drop_path, input_size=input_size, visibility=visibility,
                     pretrained=weights)


def pose_cspnext(name: str = "m", num_joints: int = 17, weights: str | bool = False,
                 head: str = "rtmcc", input_size: tuple[int, int] = (192, 256), split: int = 2,
                 visibility: bool = False) -> PoseNet:
    """RTMPose t, s, m or l: vectors (B, K, split * width + split * height), x before y; with
    head="dconv" heatmaps. See pose_vit."""
    return build_net(type="pose_cspnext", name=name, num_joints=num_joints, head=head,
                     input_size=input_size, split=split, visibility=visibility,
                     pretrained=weights)


def pose_timm(name: str, num_joints: int = 17, weights: str | bool = False, head: str = "dconv",
              level: int = -1, input_size: tuple[int, int] = (192, 256),
              visibility: bool = False) -> PoseNet:
    """Any network of the package timm that gives features; see pose_vit. `weights=True`: timm's;
    a file by timm's names will do, too. level: an index into its features, -1 for the last."""
    return build_net(type="pose_timm", name=name, num_joints=num_joints, head=head, level=level,
                     input_size=input_size, visibility=visibility, pretrained=weights)
