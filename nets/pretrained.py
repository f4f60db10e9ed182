"""load_weights: published and own checkpoints into our nets, whatever their keys are called.

Which code base a file comes from is told in `nets/files/sources.py`; what is looked at before
anything is copied, in `nets/files/state_dict_checks.py`.
"""
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from configs.schema import MOST_SIDE
from nets.files.last_layer_by_name import number_of_joints, rows_by_name, stored_joint_names
from nets.files.load_report import LoadReport
from nets.files.optional_visibility import VISIBILITY, with_visibility_of
from nets.files.sources import SOURCES, is_vit, recognise
from nets.files.state_dict_checks import (
    COUNTERS,
    LAST_LAYER,
    by_new_names,
    ensure_finite,
    ensure_plain_numbers,
    find_state,
)
from nets.files.vit_keys import by_vitpose_names
from nets.files.weights_file import read_weights_file
from nets.pose.layers import init_small
from nets.pose.vit_positions import fit_positions, kept_places
from utils.alignment import ALIGNMENTS
from utils.errors import UserError
from utils.input_format import INPUT_FORMATS
from utils.shown import first_few

# Beginning of a key in the file -> in our nets; the first row that fits counts.
RENAMES = (
    ("preact.", "backbone."),                               # AlphaPose
    ("duc1.", "head.upsample.1."),
    ("duc2.", "head.upsample.2."),
    ("conv_out.", "head.output."),
    ("keypoint_head.deconv_layers.", "head.upsample."),     # mmpose 0.x
    ("keypoint_head.final_layer.", "head.output."),
    ("head.deconv_head.deconv_layers.", "head.upsample."),  # mmpose 1.x: SimCC, RTMPose
    ("head.deconv_head.final_layer.", "head.output."),
    ("head.mlp_head_x.", "head.x."),
    ("head.mlp_head_y.", "head.y."),
    ("head.mlp.0.", "head.tokens.norm."),
    ("head.mlp.1.", "head.tokens.linear."),
    ("head.gau.res_scale.scale", "head.tokens.gau.res_scale"),
    ("head.gau.", "head.tokens.gau."),
    ("head.cls_x.", "head.x."),
    ("head.cls_y.", "head.y."),
    ("head.deconv_layers.", "head.upsample."),              # mmpose 1.x
    ("head.final_layer.", "head.output."),
    ("duc_layers.", "head.upsample."),                      # the original SimplePose
    ("deconv_layers.", "head.upsample."),                   # SimpleBaselines, HRNet, DarkPose
    ("final_layer.", "head.output."),
    ("visibility.", "visibility."),                         # ours
    ("backbone.", "backbone."),                             # ours, mmpose's backbone
    ("head.", "head."),
    ("keypoint_head.", "head."),
    ("", "backbone."),                                      # bare backbone names
)

VECTORS = "head.x.weight"       # of heads that give vectors (nets/pose/simcc.py)
# What an ImageNet backbone may have that a pose network has no use for: the classifier, HRNet's
# outputs of the coarse branches, a ViT's class token and MAE's decoder.
IMAGENET_ONLY = ("head.", "backbone.fc.", "backbone.classifier.", "backbone.incre_modules.",
                 "backbone.downsamp_modules.", "backbone.stage4.2.fuse_layers.",
                 "backbone.cls_token", "backbone.fc_norm.", "backbone.mask_token",
                 "backbone.decoder_")
# Of a ResNet, which model.level can do without.
LAST_STAGES = ("backbone.layer3.", "backbone.layer4.")


def load_weights(net: nn.Module, weights: str | Path | Mapping[str, Any], *,
                 source: str | None = None, allow_partial: bool = False,
                 path: str | Path | None = None, joint_names: Sequence[str] = (),
                 known_joints: Mapping[int, Sequence[str]] | None = None,
                 new_head: bool = False) -> LoadReport:
    """Fill `net` (of `nets.build_net`) from a file or a state_dict, and say what came of it.

    `source`: a name in SOURCES, where keys alone do not tell (`nets/files/sources.py`). A file that
    does not fill the whole backbone, has more backbone than the net, or another kind of head is
    refused, unless `allow_partial`; ImageNet backbones need neither a head nor SE layers. If only
    the number of joints differs, the last layer is re-initialised. A refused file changes nothing.
    `path`: of the file that a given state_dict was read from. `joint_names`: of the net; joints
    that a file for another skeleton has, too, keep their part of the last layer, and the others
    keep the net's. `known_joints`: the names by their number, for the files of other projects,
    which do not say them. `new_head`: a net that gives vectors takes of one that gives heatmaps the
    backbone, as RTMPose begins. Raises FileNotFoundError or UserError.
    """
    checkpoint: Any = weights
    if isinstance(weights, str | Path):
        path, checkpoint = weights, read_weights_file(weights)
    where = str(path) if path else "the given weights"
    state, under_ema = find_state(checkpoint, where)
    assumed = ""
    if source is None:
        source, assumed = recognise(state, Path(path or "").name, under_ema, where)
    if source not in SOURCES:
        raise UserError(f"source is {source!r}; choose one of: {', '.join(SOURCES)}")
    input_format, alignment = SOURCES[source].input_format, SOURCES[source].alignment
    if source == "this_project":
        input_format = _setting(checkpoint, "model", "input_format", INPUT_FORMATS, where)
        alignment = _setting(checkpoint, "codec", "alignment", ALIGNMENTS, where)
    size = _stored_size(checkpoint, where) if source == "this_project" else None
    state, file_names, changed = _brought_to(net, state, source, where, size, allow_partial)
    backbone_only = SOURCES[source].backbone_only
    if new_head and not backbone_only and VECTORS in net.state_dict().keys() - state.keys():
        (state, changed), backbone_only = _without_head(state, changed), True
    theirs = stored_joint_names(checkpoint)
    if source != "this_project":
        theirs = tuple((known_joints or {}).get(number_of_joints(state), ()))
    state, ours = _by_joint_names(net, state, theirs, tuple(joint_names))
    state, changed = with_visibility_of(net.state_dict(), state, changed, same_joints=not ours)
    match = _match(net.state_dict(), state)
    problem = match.problem(file_names, is_imagenet=backbone_only,
                            allow_partial=allow_partial)
    if problem:
        if size and match.wrong_shape:
            problem += f" (it is for codec.input_size {list(size)})"
        raise UserError(f"{where} ({source}) does not fit this network: {problem}; check "
                         f"model.type, model.name, model.head, model.level, model.width and "
                         f"model.reduction")
    ensure_finite(match.fitting, net.state_dict(), where)
    net.load_state_dict(match.fitting, strict=False)
    if match.other_joints:
        init_small(net.get_submodule("head.output"))
    return LoadReport(where=where, source=source, loaded=tuple(match.fitting),
                      missed=match.missed, left=tuple(file_names[key] for key in match.left),
                      reinitialised=match.other_joints, input_format=input_format,
                      alignment=alignment, assumed=assumed, changed=changed,
                      kept_joints=tuple(name for name in ours if name in theirs),
                      new_joints=tuple(name for name in ours if name not in theirs))


def _brought_to(net: nn.Module, state: dict[str, torch.Tensor], source: str, where: str,
                size: tuple[int, int] | None, allow_partial: bool,
                ) -> tuple[dict[str, torch.Tensor], dict[str, str], str]:
    """Plain numbers by our names, the file's name of each, and what was left out or made to fit."""
    left_out = guessed = ""
    if is_vit(state) and source != "this_project":
        state, left_out = by_vitpose_names(state, where)
    state, file_names = by_new_names(state, _renamed, where)
    ensure_plain_numbers(state, net.state_dict(), where)
    resized = fit_positions(net, state, where, size, source == "this_project")
    if source == "this_project":
        state, guessed = _of_one_size(net, state, where, size, allow_partial)
    return state, file_names, "; ".join(filter(None, (left_out, resized, guessed)))


def _by_joint_names(net: nn.Module, state: dict[str, torch.Tensor], theirs: tuple[str, ...],
                    ours: tuple[str, ...]) -> tuple[dict[str, torch.Tensor], tuple[str, ...]]:
    """The tensors with a last layer for our joints, and these; () where the file's are the same or
    not known."""
    if not (ours and theirs and ours != theirs) or number_of_joints(state) != len(theirs):
        return state, ()
    return rows_by_name(state, net.state_dict(), theirs, ours), ours


def _without_head(state: dict[str, torch.Tensor], changed: str,
                  ) -> tuple[dict[str, torch.Tensor], str]:
    """Of a network of heatmaps the backbone, and what is said of it."""
    backbone = {key: value for key, value in state.items() if key.startswith("backbone.")}
    said = "; ".join(filter(None, (changed, "its head, which gives heatmaps, was left out")))
    return backbone, said


def _of_one_size(net: nn.Module, state: dict[str, torch.Tensor], where: str,
                 size: tuple[int, int] | None, allow_partial: bool,
                 ) -> tuple[dict[str, torch.Tensor], str]:
    """The tensors of a checkpoint for `size` that the net's input size can take, and words on what
    was assumed of that. Raises UserError where it cannot take all, unless `allow_partial`."""
    kept = kept_places(net, size) & state.keys()
    if not kept or size is None:
        return state, (f"{first_few(sorted(kept))} belong to a codec.input_size, which the file "
                       f"does not say: taken as of the network's" if kept else "")
    rest = {key: value for key, value in state.items() if key not in kept}
    if allow_partial:
        return rest, ""
    own = net.state_dict()
    match = _match(own, rest | {key: own[key] for key in kept})
    if not match.problem({key: key for key in state}, is_imagenet=False, allow_partial=False):
        raise UserError(f"{where} is for codec.input_size {list(size)}, and in this network "
                        f"{first_few(sorted(kept))} cannot be brought to another: set "
                        f"codec.input_size to {list(size)}, or give other weights")
    return state, ""


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
    left: tuple[str, ...]

    def problem(self, file_names: Mapping[str, str], is_imagenet: bool, allow_partial: bool,
                ) -> str:
        """Why this is no match good enough to load; empty if it is."""
        if not any(key.startswith("backbone.") for key in self.fitting):
            return "no tensor of the backbone has its name and shape"
        if allow_partial:
            return ""
        missed = [key for key in self.missed if key not in self.wrong_shape
                  and not key.startswith(VISIBILITY)]       # it may begin anew
        left = [key for key in self.left if key not in self.wrong_shape]
        if is_imagenet:
            missed = [key for key in missed if ".se." not in key
                      and not key.startswith(("head.", "backbone.last_norm."))]
            ours = (*self.fitting, *self.missed)
            unbuilt = tuple(stage for stage in LAST_STAGES
                            if not any(key.startswith(stage) for key in ours))
            left = [key for key in left if not key.startswith((*IMAGENET_ONLY, *unbuilt))]
        faults = {"of another shape": self.wrong_shape, "not in the file": missed,
                  "in the file only": [file_names[key] for key in left]}
        return ", ".join(f"{what}: {first_few(keys)}"
                         for what, names in faults.items()
                         if (keys := [key for key in names if not key.endswith(COUNTERS)]))


def _match(ours: Mapping[str, torch.Tensor], theirs: Mapping[str, torch.Tensor]) -> _Match:
    fitting, wrong_shape, other_joints = {}, [], []
    for key in [key for key in theirs if key in ours]:
        value, shape = theirs[key], ours[key].shape
        if value.ndim == 2 and shape == (*value.shape, 1, 1):
            value = value[..., None, None]      # AlphaPose's SE: Linear -> 1x1 convolution
        if value.shape == shape:
            fitting[key] = value
        elif key.startswith(LAST_LAYER) and value.ndim and value.shape[1:] == shape[1:]:
            other_joints.append(key)
        else:
            wrong_shape.append(key)
    missed = tuple(key for key in ours if key not in fitting and key not in other_joints)
    left = tuple(key for key in theirs if key not in ours or key in wrong_shape)
    return _Match(fitting, tuple(wrong_shape), tuple(other_joints), missed, left)


def _setting(checkpoint: Any, section: str, key: str, choices: Collection[str], where: str
             ) -> str | None:
    """A setting out of the "config" that our own checkpoints carry; None: it has none."""
    stored = _section(checkpoint, section)
    if key not in stored:
        return None
    value = stored[key]
    if type(value) is not str or value not in choices:
        said = repr(value[:40]) if type(value) is str else f"of the type {type(value).__name__}"
        raise UserError(f"{where}: {section}.{key} in its settings is {said}, which is none of "
                         f"{', '.join(choices)}: the file is damaged or of a newer version")
    return value


def _stored_size(checkpoint: Any, where: str) -> tuple[int, int] | None:
    """codec.input_size, (width, height), out of the same place."""
    stored = _section(checkpoint, "codec")
    if "input_size" not in stored:
        return None
    value = stored["input_size"]
    if not (isinstance(value, list | tuple) and len(value) == 2
            and all(type(side) is int and 0 < side <= MOST_SIDE for side in value)):
        raise UserError(f"{where}: codec.input_size in its settings is no width and height in "
                        f"pixels: the file is damaged, get it again")
    return value[0], value[1]


def _section(checkpoint: Any, section: str) -> Mapping[str, Any]:
    for name in ("config", section):
        checkpoint = checkpoint.get(name) if isinstance(checkpoint, Mapping) else None
    return checkpoint if isinstance(checkpoint, Mapping) else {}
