"""load_weights: published and own checkpoints into our nets, whatever their keys are called.

Where a file comes from shows in its keys, and decides how the network wants its images (see
`utils/input_format.py`) and in which geometry it was trained. Some sources share their keys:
- DarkPose and AlphaPose's HRNet have exactly the keys of the official pose_resnet and pose_hrnet.
  They are told apart by "dark" or "alphapose" in the name of the file or of its folder, or by the
  caller: `load_weights(net, path, source="darkpose_hrnet")`.
- The original SimplePose's transposed-convolution nets and HRNet have the official keys, too; they
  are known by lying under "ema", or by their SE layers.
"""
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from nets.joint_rows import number_of_joints, rows_by_name, stored_joint_names
from nets.layers import init_small
from nets.weights_file import read_weights_file

# Beginning of a key in the file -> in our nets; the first row that fits counts.
RENAMES = (
    ("preact.", "backbone."),                               # AlphaPose
    ("duc1.", "head.upsample.1."),
    ("duc2.", "head.upsample.2."),
    ("conv_out.", "head.output."),
    ("keypoint_head.deconv_layers.", "head.upsample."),     # mmpose 0.x
    ("keypoint_head.final_layer.", "head.output."),
    ("head.deconv_layers.", "head.upsample."),              # mmpose 1.x
    ("head.final_layer.", "head.output."),
    ("duc_layers.", "head.upsample."),                      # the original SimplePose
    ("deconv_layers.", "head.upsample."),                   # SimpleBaselines, HRNet, DarkPose
    ("final_layer.", "head.output."),
    ("backbone.", "backbone."),                             # ours, mmpose's trunk
    ("head.", "head."),
    ("keypoint_head.", "head."),
    ("", "backbone."),                                      # bare trunk names
)


@dataclass(frozen=True)
class Source:
    """What the weights of a code base want; None: the files do not say."""
    input_format: str | None   # a name in utils/input_format.py
    alignment: str | None      # a value of codec.alignment


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
    "imagenet": Source("rgb_mean_std", None),
}

WRAPPERS = ("ema", "state_dict", "model", "net")   # where a checkpoint keeps its weights
PREFIXES = ("module.", "_orig_mod.", "model.")     # from DataParallel, torch.compile, a wrapper
# What an ImageNet trunk may have that a pose network has no use for: the classifier, and HRNet's
# outputs of the coarse branches.
IMAGENET_ONLY = ("head.", "backbone.fc.", "backbone.classifier.", "backbone.incre_modules.",
                 "backbone.downsamp_modules.", "backbone.stage4.2.fuse_layers.")
COUNTERS = ("num_batches_tracked", "n_averaged")   # no weights; old files have none


@dataclass(frozen=True)
class LoadReport:
    """What `load_weights` did. Names are those of our net, in `left` those of the file."""
    where: str                      # the file, or "the given weights"
    source: str                     # a key of SOURCES
    loaded: tuple[str, ...]
    missed: tuple[str, ...]         # not had from the file: they keep their values
    left: tuple[str, ...]           # of the file, not used
    reinitialised: tuple[str, ...]  # the last layer, where the file has another number of joints
    input_format: str | None        # what these weights want; None: unknown
    alignment: str | None
    kept_joints: tuple[str, ...] = ()   # of a file for other joints: those with the same name
    new_joints: tuple[str, ...] = ()    # those that the file does not have

    def __str__(self) -> str:
        text = f"{self.where} ({self.source}): {len(self.loaded)} tensors loaded"
        for what, names in (("not in the file", self.missed), ("left over", self.left),
                            ("re-initialised for another number of joints", self.reinitialised)):
            if names:
                text += f"; {what}: {_some(names)}"
        if self.kept_joints or self.new_joints:
            text += (f"; it is for other joints: the last layer keeps its weights for "
                     f"{', '.join(self.kept_joints) or 'none'} and begins anew for "
                     f"{', '.join(self.new_joints) or 'none'}")
        return text


def load_weights(net: nn.Module, weights: str | Path | Mapping[str, Any], *,
                 source: str | None = None, allow_partial: bool = False,
                 path: str | Path | None = None, joint_names: Sequence[str] = (),
                 known_joints: Mapping[int, Sequence[str]] | None = None) -> LoadReport:
    """Fill `net` (of `nets.build_net`) from a file or a state_dict, and say what came of it.

    `source`: a name in SOURCES, where keys alone do not tell (see above). A file that does not
    fill the whole trunk, has more trunk than the net, or another kind of head is refused, unless
    `allow_partial`; ImageNet trunks need neither a head nor SE layers. If only the number of
    joints differs, the last layer is re-initialised. A refused file changes nothing in the net.
    `path`: of the file that a given state_dict was read from. `joint_names`: of the net; joints
    that a file for another skeleton has, too, keep their part of the last layer, and the others
    keep the net's. `known_joints`: the names by their number, for the files of other projects,
    which do not say them. Raises FileNotFoundError or ValueError.
    """
    where, hint, checkpoint = "the given weights", "", weights
    if isinstance(weights, str | Path):
        path, checkpoint = weights, read_weights_file(weights)
    if path:
        path = Path(path)
        where, hint = str(path), f"{path.parent.name}/{path.name}".lower()
    state, under_ema = _find_state(checkpoint, where)
    source = source or _recognise(state, hint, under_ema, where)
    if source not in SOURCES:
        raise ValueError(f"source is {source!r}; choose one of: {', '.join(SOURCES)}")

    ours, theirs = tuple(joint_names), stored_joint_names(checkpoint)
    if source != "this_project":
        theirs = tuple((known_joints or {}).get(number_of_joints(state, _renamed), ()))
    other_skeleton = (bool(ours and theirs and ours != theirs)
                      and number_of_joints(state, _renamed) == len(theirs))
    if other_skeleton:
        state = rows_by_name(state, net.state_dict(), _renamed, theirs, ours)
    match = _match(net.state_dict(), state)
    problem = match.problem(is_imagenet=source == "imagenet", allow_partial=allow_partial)
    if problem:
        raise ValueError(f"{where} ({source}) does not fit this network: {problem}; check "
                         f"model.type, model.name and model.reduction")
    net.load_state_dict(match.fitting, strict=False)
    if match.other_joints:
        init_small(net.head.output)
    input_format, alignment = SOURCES[source].input_format, SOURCES[source].alignment
    if source == "this_project":
        input_format = _setting(checkpoint, "model", "input_format")
        alignment = _setting(checkpoint, "codec", "alignment")
    return LoadReport(where=where, source=source, loaded=tuple(match.fitting),
                      missed=match.missed, left=tuple(match.left.values()),
                      reinitialised=match.other_joints, input_format=input_format,
                      alignment=alignment,
                      kept_joints=tuple(n for n in ours if n in theirs) if other_skeleton else (),
                      new_joints=tuple(n for n in ours if n not in theirs) if other_skeleton
                      else ())


def _find_state(checkpoint: Any, where: str) -> tuple[dict[str, torch.Tensor], bool]:
    """The tensors by their keys without wrappers' prefixes; and whether they lay under "ema"."""
    under_ema = False
    while isinstance(checkpoint, Mapping):
        state = {key: value for key, value in checkpoint.items()
                 if isinstance(key, str) and isinstance(value, torch.Tensor)}
        inner = next((key for key in WRAPPERS
                      if isinstance(checkpoint.get(key), Mapping) and checkpoint[key]), None)
        if inner is None and state:
            return {_unwrapped(key): value for key, value in state.items()}, under_ema
        under_ema = under_ema or inner == "ema"
        checkpoint = checkpoint.get(inner)
    raise ValueError(f"{where} holds no weights: give a state_dict, or a checkpoint with one under "
                     f"one of the keys {', '.join(WRAPPERS)}")


def _unwrapped(key: str) -> str:
    for prefix in PREFIXES * 2:    # such as module._orig_mod.
        key = key.removeprefix(prefix)
    return key


def _recognise(state: Mapping[str, Any], hint: str, under_ema: bool, where: str) -> str:
    """The name in SOURCES; `hint` is the file's folder and name in lower case."""
    def has(*beginnings: str) -> bool:
        return any(key.startswith(beginnings) for key in state)

    if has("head.output."):
        return "this_project"
    if has("preact."):
        return "alphapose"
    if has("keypoint_head.", "head.final_layer."):
        return "mmpose_udp" if "udp" in hint else "mmpose"
    if has("duc_layers.") or (has("deconv_layers.") and any(".se.fc." in key for key in state)):
        return "original_simplepose"
    if "final_layer.weight" in state and has("deconv_layers.", "stage4."):
        if under_ema:
            return "original_simplepose"
        if "alphapose" in hint:
            return "alphapose"
        owner = "darkpose" if "dark" in hint else "pose"
        return f"{owner}_resnet" if has("deconv_layers.") else f"{owner}_hrnet"
    if has("layer4.", "stage4.", "backbone.layer4.", "backbone.stage4."):
        return "imagenet"
    raise ValueError(f"{where}: no code base that is known here names its layers {_some(state)}; "
                     f"known are: {', '.join(SOURCES)}")


def _renamed(key: str) -> str:
    old, new = next(row for row in RENAMES if key.startswith(row[0]))
    return new + key[len(old):]


@dataclass(frozen=True)
class _Match:
    """The tensors of a file beside those of a net, by our names."""
    fitting: dict[str, torch.Tensor]
    wrong_shape: tuple[str, ...]    # these are among `missed` and `left`, too
    other_joints: tuple[str, ...]
    missed: tuple[str, ...]
    left: dict[str, str]            # our name -> the name in the file

    def problem(self, is_imagenet: bool, allow_partial: bool) -> str:
        """Why this is no match good enough to load; empty if it is."""
        if not any(key.startswith("backbone.") for key in self.fitting):
            return "no tensor of the trunk has its name and shape"
        if allow_partial:
            return ""
        missed = [key for key in self.missed if key not in self.wrong_shape]
        left = [key for key in self.left if key not in self.wrong_shape]
        if is_imagenet:
            missed = [key for key in missed if ".se." not in key and not key.startswith("head.")]
            left = [key for key in left if not key.startswith(IMAGENET_ONLY)]
        faults = {"of another shape": self.wrong_shape, "not in the file": missed,
                  "in the file only": left}
        return ", ".join(f"{what}: {_some(keys)}"
                         for what, names in faults.items()
                         if (keys := [key for key in names if not key.endswith(COUNTERS)]))


def _match(ours: Mapping[str, torch.Tensor], theirs: Mapping[str, torch.Tensor]) -> _Match:
    fitting, wrong_shape, other_joints, left = {}, [], [], {}
    for name, value in theirs.items():
        key = _renamed(name)
        if key not in ours:
            left[key] = name
            continue
        shape = ours[key].shape
        if value.ndim == 2 and shape == (*value.shape, 1, 1):
            value = value[..., None, None]      # AlphaPose's SE: Linear -> 1x1 convolution
        if value.shape == shape:
            fitting[key] = value
        elif key.startswith("head.output.") and value.shape[1:] == shape[1:]:
            other_joints.append(key)
        else:
            wrong_shape.append(key)
            left[key] = name
    missed = tuple(key for key in ours if key not in fitting and key not in other_joints)
    return _Match(fitting, tuple(wrong_shape), tuple(other_joints), missed, left)


def _setting(checkpoint: Any, section: str, key: str) -> str | None:
    """A setting out of the "config" that our own checkpoints carry."""
    for name in ("config", section):
        checkpoint = checkpoint.get(name) if isinstance(checkpoint, Mapping) else None
    return checkpoint.get(key) if isinstance(checkpoint, Mapping) else None


def _some(names: Any) -> str:
    """The first names, and how many more there are."""
    names = list(names)
    return ", ".join(names[:2]) + (f" and {len(names) - 2} more" if len(names) > 2 else "")
