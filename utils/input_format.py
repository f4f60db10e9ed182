"""Input formats: in which channel order and with which mean and std a network wants its pixels.

Weights only work with the preparation they were trained with, and the field has several of them.
"""
from dataclasses import dataclass


@dataclass(frozen=True)
class InputFormat:
    """network input = (pixels / 255 - mean) / std, per channel in the stated order."""
    order: str                         # "rgb" or "bgr"
    mean: tuple[float, float, float]   # in tensor channel order
    std: tuple[float, float, float]


INPUT_FORMATS = {
    # torchvision's ImageNet backbones, HRNet, DarkPose's HRNet, mmpose
    "rgb_mean_std": InputFormat("rgb", (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    # timm's ViTs of "augreg" and Inception-like networks: from -1 to 1
    "rgb_half": InputFormat("rgb", (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
    # CLIP's networks, of OpenAI and of others in timm
    "rgb_clip": InputFormat("rgb", (0.48145466, 0.4578275, 0.40821073),
                            (0.26862954, 0.26130258, 0.27577711)),
    # some of timm: from 0 to 1
    "rgb_unit": InputFormat("rgb", (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
    # two of timm: dual path networks, and DINOv3 of satellite images
    "rgb_dpn": InputFormat("rgb", (124 / 255, 117 / 255, 104 / 255), (1 / (0.0167 * 255),) * 3),
    "rgb_satellite": InputFormat("rgb", (0.43, 0.411, 0.296), (0.213, 0.156, 0.143)),
    # SimpleBaselines' and HRNet's pose_resnet: BGR pixels under the RGB-ordered mean and std
    "bgr_mean_std": InputFormat("bgr", (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    # the original SimplePose: the mean is taken off, nothing is divided
    "rgb_mean": InputFormat("rgb", (0.485, 0.456, 0.406), (1.0, 1.0, 1.0)),
    # AlphaPose: the BGR mean of Caffe times in RGB order, nothing is divided
    "alphapose": InputFormat("rgb", (0.406, 0.457, 0.480), (1.0, 1.0, 1.0)),
}
