"""The optional package timm: its names, its own weights, and files by the names of its tensors."""
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from configs.schema import ModelConfig
from nets.files.load_report import LoadReport
from nets.files.state_dict_checks import COUNTERS, ensure_finite, ensure_plain_numbers, find_state
from nets.files.weights_file import read_weights_file
from utils.errors import UserError
from utils.input_format import INPUT_FORMATS
from utils.shown import first_few, most_like

NO_WEIGHTS = ("attn_mask", "relative_position_index")    # of swin, which older files have
Weights = bool | Mapping[str, torch.Tensor]     # whether timm's own, or the tensors of a file


def import_timm() -> Any:
    try:
        import timm
    except ImportError as error:
        raise UserError("model.type pose_timm needs the package timm: pip install timm") from error
    return timm


def timm_names(pattern: str) -> dict[str, str]:
    """Names with pretrained weights that fit a pattern such as convnext_t*, and the licences that
    timm states for the weights. Raises UserError where timm is missing or nothing fits."""
    timm = import_timm()
    names = timm.list_models(pattern, pretrained=True)
    if not names:
        raise UserError(f"--backbones {pattern}: timm {timm.__version__} has no such name; write * "
                        f"for any letters, such as 'mobilenetv4*'")
    return {name: timm.get_pretrained_cfg(name).license or "not stated" for name in names}


def cfg_of(name: str) -> Any:
    """What timm says of the weights of that name. Raises UserError for a name unknown to it."""
    timm = import_timm()
    try:
        cfg = timm.get_pretrained_cfg(name)
    except RuntimeError as error:
        raise UserError(f"model.name {name} cannot be had of timm ({error}): choose another one"
                        ) from error
    if cfg is None:
        near = most_like(name, timm.list_models(pretrained=True) + timm.list_models())
        raise UserError(f"model.name is {name[:80]!r}, which timm {timm.__version__} does not know"
                        + (f": did you mean {near[0]}?" if near else
                           ": python -c 'import timm; print(timm.list_models())' lists its names"))
    return cfg


def state_of_timm(pretrained: bool | str) -> Weights:
    """The tensors of a file by timm's names; False for a checkpoint of a whole pose network, which
    `load_weights` takes."""
    if isinstance(pretrained, bool):
        return pretrained
    try:
        state, _ = find_state(read_weights_file(pretrained), pretrained)
        if any(key.startswith("head.output.") for key in state):
            return False
        ensure_plain_numbers(state, state, pretrained)
        ensure_finite(state, state, pretrained)
    except (FileNotFoundError, UserError) as error:
        raise type(error)(f"model.pretrained: {error}") from error
    return state


def ensure_fitting(features: nn.Module, weights: Weights, config: ModelConfig) -> tuple[str, ...]:
    """What a file has beside the features, such as a classifier. Raises UserError for one that has
    not all of them, which timm passes over, or more blocks than the network."""
    if isinstance(weights, bool):
        return ()
    ours, theirs = ({_plain(key): key for key in keys} for keys in (features.state_dict(), weights))
    missing = [ours[key] for key in ours.keys() - theirs if not ours[key].endswith(COUNTERS)]
    left = sorted(theirs[key] for key in theirs.keys() - ours)
    with torch.device("meta"):      # with its classifier, and blocks behind the features
        whole = import_timm().create_model(config.name).state_dict()
    if wrong := missing or [key for key in left
                            if key not in whole and not key.endswith(NO_WEIGHTS)]:
        raise UserError(f"model.pretrained: {config.pretrained} does not fit timm's {config.name}: "
                        f"{'not in the file' if missing else 'in the file only'} are "
                        f"{first_few(sorted(wrong))}; give timm's file for this model.name")
    return tuple(left)


def _plain(key: str) -> str:
    """A name without what timm changes where it takes features: stages.0 is stages_0 there."""
    return key.removeprefix("model.").replace("_", ".")


def format_of(name: str) -> str:
    """The input format of timm's weights of that name. Raises UserError where there is none."""
    cfg = cfg_of(name)
    for form, known in INPUT_FORMATS.items():
        if known.order == "rgb" and (known.mean, known.std) == (tuple(cfg.mean), tuple(cfg.std)):
            return form
    raise UserError(f"model.name: the weights of {name} want mean {cfg.mean} and std {cfg.std}, "
                    f"which utils/input_format.py does not know: set model.pretrained=false")


def report_of(config: ModelConfig, backbone: nn.Module, left: tuple[str, ...]) -> LoadReport:
    """What was loaded, and what timm says of the weights of that name."""
    licence = cfg_of(config.name).license or "not stated"
    where, whose = ((f"timm's weights of {config.name}", "their licence")
                    if config.pretrained is True else
                    (str(config.pretrained), f"the licence that timm states for {config.name}"))
    loaded = tuple(f"backbone.{name}" for name in backbone.state_dict())
    return LoadReport(where=where, source="timm", loaded=loaded,
                      missed=(), left=left, reinitialised=(), input_format=format_of(config.name),
                      alignment=None, changed=f"{whose} is {licence}")
