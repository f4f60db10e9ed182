"""What a run's checkpoint must hold before anything goes on from it, key by key.

A file that is whole, of our format and yet odd was made by a fault or by hand; going on from it
would end somewhere else, or nowhere.
"""
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from configs.loader import config_from_dict
from configs.schema import MOST_EPOCHS, Config
from configs.scores import SCORES
from datasets.annotations.skeleton import skeleton_from_dict
from nets.files.state_dict_checks import COUNTERS, ensure_finite, ensure_plain_numbers
from utils.errors import UserError
from utils.shown import first_few, shown

SHARES = {score for metric, scores in SCORES.items() if metric not in ("epe", "nme")
          for score in scores}
SCALER = {"scale", "growth_factor", "backoff_factor", "growth_interval", "_growth_tracker"}

# fp16 ends here; and products with the scales of batch norm, squared by it, end in float32
LARGEST_WEIGHT = 65504
STATISTICS = ("running_mean", "running_var", *COUNTERS)     # may be larger

# What makes a network and its pixels, and was stored by every version
ALWAYS_STORED = {"model": ("type", "name", "num_joints", "input_format"),
                 "codec": ("input_size", "sigma", "alignment", "encoding", "decoder",
                           "blur_kernel")}


def stored_config(checkpoint: Mapping[str, Any], where: str) -> Config:
    """The settings in a checkpoint of ours. Raises UserError where there are none or odd ones, or
    one is missing without which nobody knows what the network was trained for."""
    if not isinstance(checkpoint.get("config"), dict):
        raise UserError(f"{where} has no settings in it (its key config is "
                        f"{_kind(checkpoint.get('config'))}), as every checkpoint of this project "
                        f"does: it is damaged, take another one")
    raw = checkpoint["config"]
    config = config_from_dict(raw, where)
    lacking = [f"{section}.{key}" for section, keys in ALWAYS_STORED.items() for key in keys
               if key not in raw.get(section, ())]
    if lacking:
        raise UserError(f"{where} has no {lacking[0]} among its settings, as every file of this "
                        f"project has: it is damaged, take another one")
    return config


def ensure_run(state: Mapping[str, Any], path: Path) -> None:
    """Raise UserError for a state that no run has written. What holds only a network, as
    *_best.pth does, passes: `processors/training/resume.py` says what to do with it."""
    if not {"optimizer", "net", "random"} & state.keys() and _is_count(state.get("step")):
        return
    state = {"without_better": 0, **state}       # old files do not count
    for key, (fits, words) in KINDS.items():
        if key not in state or not fits(state[key]):
            found = "missing" if key not in state else (
                key == "best" and _odd_score(state[key]) or _kind(state[key]))
            raise UserError(f"{path} is no state of a run: its key {key} is {found} and not "
                            f"{words}; take another file")
    step, steps, evaluated = state["step"], state["steps_per_epoch"], state["evaluated"]
    if not evaluated * steps <= step <= (evaluated + 1) * steps:
        raise UserError(f"{path} is no state of a run: with {steps} steps an epoch, step {step} "
                        f"does not follow {evaluated} epochs; take another file")
    if evaluated > MOST_EPOCHS:
        raise UserError(f"{path} is no state of a run: {evaluated} epochs are more than "
                        f"optim.epochs can ask for; take another file")
    if step > state["skipped"] and not state["optimizer"].get("state"):
        raise UserError(f"{path} is no state of a run: after {step} steps its key optimizer has no "
                        f"averages; take another file")
    stored_config(state, str(path))
    if "skeleton" in state:     # old files have none
        skeleton_from_dict(state["skeleton"], f"{path}, key skeleton")
    for key in ("net", "ema"):
        ensure_plain_numbers(state[key], state[key], f"{path}, key {key}")
        ensure_finite(state[key], state[key], f"{path}, key {key},")
        large = [name for name, value in state[key].items()
                 if not name.endswith(STATISTICS) and (value.abs() > LARGEST_WEIGHT).any()]
        if large:
            raise UserError(f"{path}, key {key}, holds weights beyond {LARGEST_WEIGHT} (in "
                            f"{first_few(large)}), with which no run goes on: its training has "
                            f"failed, or the file is damaged; take another file")


def load_network(net: nn.Module, state: Mapping[str, Tensor], where: str) -> None:
    """`net.load_state_dict`, or UserError for tensors that are missing or of another shape."""
    ours = net.state_dict()
    odd = [key for key in ours.keys() | state.keys()
           if key not in state or key not in ours or state[key].shape != ours[key].shape]
    if odd:
        raise UserError(f"{where} does not fit the network of these settings: missing, left over "
                        f"or of another shape are {first_few(sorted(odd))}; move the file away "
                        f"to go on from the one before it, or start over with resume=false")
    net.load_state_dict(state)


def _is_count(value: Any) -> bool:
    return type(value) is int and value >= 0


def _is_state_dict(value: Any) -> bool:
    return (isinstance(value, dict) and bool(value)
            and all(type(key) is str and isinstance(item, Tensor) for key, item in value.items())
            and not any(item.is_complex() or item.numel() != 1 for key, item in value.items()
                        if key.endswith(COUNTERS)))


def _is_scaler(value: Any) -> bool:
    return isinstance(value, dict) and (not value or value.keys() == SCALER and all(
        type(number) in (int, float) and 0 <= number < math.inf for number in value.values()))


def _odd_score(best: Any) -> str:
    """Which number of an evaluation cannot be, in words; "" if none is."""
    if not isinstance(best, dict):
        return ""
    if type(best.get("AP")) not in (int, float) or not abs(best["AP"]) <= 1:
        return f"one with AP {_kind(best['AP'])}" if "AP" in best else "one without AP"
    for key, value in best.items():     # with an AP of 7 no later epoch could be the best
        if type(value) not in (int, float, str, type(None)) or (
                key in SHARES and isinstance(value, int | float) and abs(value) > 1):
            return f"one with {shown(key)} {_kind(value)}"
    return ""


def _is_random_state(value: Any) -> bool:
    try:
        torch.Generator().set_state(value)
    except (RuntimeError, TypeError):
        return False
    return True


KINDS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "net": (_is_state_dict, "a state_dict"),
    "ema": (_is_state_dict, "a state_dict"),
    "optimizer": (lambda value: isinstance(value, dict), "the state of an optimizer"),
    "scaler": (_is_scaler, "the state of a gradient scaler"),
    "step": (_is_count, "a number of steps"),
    "steps_per_epoch": (lambda value: _is_count(value) and value > 0, "a number of steps"),
    "evaluated": (_is_count, "a number of epochs"),
    "skipped": (_is_count, "a number of steps"),
    "best": (lambda value: isinstance(value, dict) and not _odd_score(value),
             "numbers of an evaluation with a finite AP, up to 1"),
    "without_better": (_is_count, "a number of evaluations"),
    "random": (_is_random_state, "the state of a random generator"),
    "run": (lambda value: type(value) is str and len(value) < 100, "a name of a run"),
}


def _kind(value: Any) -> str:
    """What there is, in a few words."""
    if isinstance(value, Tensor):
        return "a tensor"
    text = repr(value) if type(value) in (int, float, bool, type(None)) else ""
    return text if text and len(text) < 40 else f"of the type {type(value).__name__}"
