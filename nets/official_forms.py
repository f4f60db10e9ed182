"""in_form: the weights of a network under the names of another code, load_weights turned round.

The names are those of the tables that read them (nets/pretrained.py, nets/files/vit_keys.py).
"""
from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from configs.networks import NETWORKS, VECTOR_HEADS
from configs.schema import ModelConfig
from nets.files.optional_visibility import VISIBILITY
from nets.files.sources import SOURCES
from nets.files.vit_keys import by_hugging_face_names, by_mmpose_names
from nets.pretrained import RENAMES
from utils.errors import UserError


@dataclass(frozen=True)
class Form:
    about: str                      # the code that reads it
    types: tuple[str, ...]          # values of model.type that it has networks for
    beginnings: tuple[str, ...]     # of its names: rows of RENAMES
    sources: tuple[str, ...]        # what it is read as, keys of SOURCES


FORMS = {
    "hrnet": Form("HRNet's pose_hrnet", ("pose_hrnet",), ("final_layer.", ""), ("pose_hrnet",)),
    "simplebaselines": Form("the pose_resnet of SimpleBaselines and HRNet", ("pose_resnet_dconv",),
                            ("deconv_layers.", "final_layer.", ""), ("pose_resnet",)),
    "mmpose": Form("mmpose 1.x", ("pose_hrnet", "pose_resnet_dconv", "pose_vit"),
                   ("head.deconv_layers.", "head.final_layer.", "backbone."),
                   ("mmpose", "mmpose_udp", "vitpose")),
    "vitpose_hf": Form("transformers' VitPoseForPoseEstimation", ("pose_vit",), ("backbone.",),
                       ("vitpose",)),
}


def ensure_expressible(model: ModelConfig, form: str) -> None:
    """Raise UserError for a network that a form, a key of FORMS, has no place for."""
    there = FORMS[form]
    problem, others = "", []
    if model.head in VECTOR_HEADS:
        problem = f"model.head {model.head}"
    elif model.softmax:
        problem = "the softmax over pixels (model.softmax)"
    elif model.reduction:
        problem = "SE layers (model.reduction)"
    elif NETWORKS[model.type].has_widths and model.width != 1:
        problem = f"model.width {model.width:g}"
    elif NETWORKS[model.type].levels and model.level != -1:
        problem = f"model.level {model.level}"
    elif model.type not in there.types:
        problem = f"model.type {model.type} (it has {', '.join(there.types)})"
        others = [name for name, other in FORMS.items() if model.type in other.types]
    if problem:
        raise UserError(f"--form {form}, which is {there.about}, has no place for {problem}: "
                        + (f"give --form {' or '.join(others)}" if others
                           else "leave --form out, and ONNX is written, which has every network"))


def in_form(state: Mapping[str, Tensor], model: ModelConfig, form: str) -> dict[str, Tensor]:
    """The state_dict of a network by the names of a form, with its own numbers; without a
    visibility output, for which no form has a place. Raises UserError as `ensure_expressible`."""
    ensure_expressible(model, form)
    state = {key: value for key, value in state.items() if not key.startswith(VISIBILITY)}
    if form == "vitpose_hf":
        return by_hugging_face_names(state)
    if model.type == "pose_vit":
        state = by_mmpose_names(state)
    rows = [row for row in RENAMES if row[0] in FORMS[form].beginnings]
    return {_back(key, rows): value for key, value in state.items()}


def _back(key: str, rows: list[tuple[str, str]]) -> str:
    theirs, ours = next(row for row in rows if key.startswith(row[1]))
    return theirs + key[len(ours):]


def assumed_otherwise(form: str, input_format: str, alignment: str, pixels_are_said: bool,
                      ) -> list[str]:
    """What the code of a form assumes by itself and the network wants otherwise, in words.
    pixels_are_said: whether the form tells the code which pixels it wants."""
    sources = [SOURCES[name] for name in FORMS[form].sources]
    wanted = [("codec.alignment", alignment, {source.alignment for source in sources})]
    if not pixels_are_said:
        formats = {source.input_format for source in sources}
        wanted.insert(0, ("model.input_format", input_format, formats))
    return [f"{key} {value} (it assumes {' or '.join(sorted(map(str, usual)))})"
            for key, value, usual in wanted if value not in usual]
