"""Sources: the code bases that weights come from, and how their files are told apart.

Where a file comes from shows in its keys, and decides how the network wants its images (see
`utils/input_format.py`) and in which geometry it was trained. Some sources share their keys:
- DarkPose, AlphaPose's HRNet and the original SimplePose without SE layers have exactly the keys
  of the official pose_resnet and pose_hrnet; mmpose's UDP nets have those of its other nets.
- Then "dark", "darkpose", "alphapose" or "udp" as a word in the file's own name counts, or lying
  under "ema", as the original SimplePose's weights do. What is still only likely is said.
- ViTs have keys of their own, see `nets/files/vit_keys.py`.
- The caller knows best: `load_weights(net, path, source="darkpose_hrnet")`.
"""
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from utils.errors import UserError
from utils.shown import first_few


@dataclass(frozen=True)
class Source:
    """What the weights of a code base want; None: the files do not say."""
    input_format: str | None   # a name in utils/input_format.py
    alignment: str | None      # a value of codec.alignment
    backbone_only: bool = False   # it has no head that makes heatmaps


SOURCES = {
    "this_project": Source(None, None),     # told by the settings inside the checkpoint
    "original_simplepose": Source("rgb_mean", None),
    "pose_resnet": Source("bgr_mean_std", "hrnet"),
    "pose_hrnet": Source("rgb_mean_std", "hrnet"),
    "darkpose_resnet": Source("bgr_mean_std", "dark"),
    "darkpose_hrnet": Source("rgb_mean_std", "dark"),
    "alphapose": Source("alphapose", "hrnet"),
    "mmpose": Source("rgb_mean_std", "hrnet"),
    "mmpose_udp": Source("rgb_mean_std", "udp"),
    "rtmpose": Source("rgb_mean_std", "hrnet"),     # which rtmlib gives BGR all the same
    "vitpose": Source("rgb_mean_std", "udp"),
    "imagenet": Source("rgb_mean_std", None, backbone_only=True),
    "mae": Source("rgb_mean_std", None, backbone_only=True),
    "imagenet_vit": Source(None, None, backbone_only=True),
}
SHARED_KEYS = {     # what a file with these keys may be, the likeliest first
    "resnet": ("pose_resnet", "darkpose_resnet", "original_simplepose", "alphapose"),
    "hrnet": ("pose_hrnet", "darkpose_hrnet", "original_simplepose", "alphapose"),
    "mmpose": ("mmpose", "mmpose_udp"),
}
WORDS = {"dark": "darkpose", "darkpose": "darkpose", "alphapose": "alphapose", "udp": "mmpose_udp"}


def recognise(state: Mapping[str, Any], file_name: str, under_ema: bool, where: str
              ) -> tuple[str, str]:
    """The name in SOURCES, and what it rests on where the keys leave a choice, else "".

    state: by the keys of the file. Raises UserError for keys of no source.
    """
    def has(*beginnings: str) -> bool:
        return any(key.startswith(beginnings) for key in state)

    if has("head.output.", "head.upsample."):
        return "this_project", ""
    if is_vit(state):
        return _vit(state)
    if has("head.cls_x."):
        return "rtmpose", ""
    if has("head.mlp_head_x."):     # of SimCC, which is never of UDP
        return "mmpose", ""
    if has("preact."):
        return "alphapose", ""
    if has("keypoint_head.", "head.final_layer.", "head.deconv_layers."):
        return _likeliest("mmpose", file_name, under_ema=False)
    if has("duc_layers.") or (has("deconv_layers.") and any(".se.fc." in key for key in state)):
        return "original_simplepose", ""
    if has("deconv_layers."):
        return _likeliest("resnet", file_name, under_ema)
    if "final_layer.weight" in state and has("stage4."):
        return _likeliest("hrnet", file_name, under_ema)
    if has("layer4.", "stage4.", "backbone.layer4.", "backbone.stage4."):
        return "imagenet", ""
    raise UserError(f"{where}: no code base that is known here names its layers "
                    f"{first_few(state)}; known are: {', '.join(SOURCES)}")


def is_vit(state: Mapping[str, Any]) -> bool:
    """Whether these are the weights of a vision transformer: no others have such positions."""
    return any(key.endswith(("pos_embed", "position_embeddings")) for key in state)


def _vit(state: Mapping[str, Any]) -> tuple[str, str]:
    """Of ViTPose, or a bare backbone."""
    if any(key.startswith(("keypoint_head.", "head.final_layer.", "head.conv.")) for key in state):
        return "vitpose", ""
    if any(key.endswith("mask_token") for key in state):
        return "mae", ""
    words = "a backbone of MAE or timm; timm's and DeiT's small ones have 6 heads, ViTPose's has 12"
    if "head.weight" not in state:
        return "mae", f"assumed to be {words}"
    return "imagenet_vit", (f"assumed to be {words}; the file does not say which mean and std it "
                            f"wants: set model.input_format to rgb_half for timm's augreg weights, "
                            f"to rgb_mean_std for DeiT's")


def _likeliest(kind: str, file_name: str, under_ema: bool) -> tuple[str, str]:
    choices = SHARED_KEYS[kind]
    words = [word for word in re.split("[^a-z]+", file_name.lower()) if word in WORDS]
    named = [(choice, word) for word in words for choice in choices
             if choice in (WORDS[word], f"{WORDS[word]}_{kind}")]
    source, reason = choices[0], "nothing says otherwise"
    if under_ema:
        source, reason = "original_simplepose", 'it lies under "ema"'
    elif named:
        source, reason = named[0][0], f'the file\'s name has the word "{named[0][1]}"'
    others = ", ".join(choice for choice in choices if choice != source)
    return source, (f"assumed to be of {source}, since {reason} and several projects share these "
                    f"keys; if it is not, say source=... (--source ...) with one of: {others}")
