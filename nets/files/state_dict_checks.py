"""Checked state: the tensors of a checkpoint, found and looked at before any is copied.

What is refused here raises ValueError in one sentence, so that a refused file changes nothing.
"""
from collections.abc import Callable, Mapping
from typing import Any

import torch

from utils.errors import UserError
from utils.shown import first_few, shortened

WRAPPERS = ("ema", "state_dict", "model", "net")   # where a checkpoint keeps its weights
PREFIXES = ("module.", "_orig_mod.", "model.")     # from DataParallel, torch.compile, a wrapper
COUNTERS = ("num_batches_tracked", "n_averaged")   # counters, absent from old files
VARIANCE = "running_var"
ROUNDING = 1e-6         # of a variance of 0
LAST_LAYER = "head.output."      # of it alone the number of joints is told
FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
INTEGERS = (torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64)
DEEPEST_WRAPPER = 10


def find_state(checkpoint: Any, where: str) -> tuple[dict[str, torch.Tensor], bool]:
    """The tensors by their keys without wrappers' prefixes; and whether they lay under "ema"."""
    under_ema = False
    for _ in range(DEEPEST_WRAPPER):     # a checkpoint may contain itself
        if not isinstance(checkpoint, Mapping):
            break
        state = {key: value for key, value in checkpoint.items()
                 if isinstance(key, str) and isinstance(value, torch.Tensor)}
        inner = next((key for key in WRAPPERS
                      if isinstance(checkpoint.get(key), Mapping) and checkpoint[key]), None)
        if inner is None and state:
            return by_new_names(state, _unwrapped, where)[0], under_ema
        under_ema = under_ema or inner == "ema"
        checkpoint = checkpoint.get(inner)
    raise UserError(f"{where} holds no weights: give a state_dict, or a checkpoint with one under "
                     f"one of the keys {', '.join(WRAPPERS)}")


def _unwrapped(key: str) -> str:
    for prefix in PREFIXES * 2:    # such as module._orig_mod.
        key = key.removeprefix(prefix)
    return key


def by_new_names(state: Mapping[str, torch.Tensor], renamed: Callable[[str], str], where: str
                 ) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    """`state` by other names, and the old name of each. renamed: old name -> new name."""
    found: dict[str, torch.Tensor] = {}
    old_names: dict[str, str] = {}
    for key, value in state.items():
        name = renamed(key)
        if name in found:
            raise UserError(f"{where} holds two networks at once: both "
                            f"{shortened(old_names[name])} and {shortened(key)} are "
                            f"{shortened(name)}; save the one to use in a file of its own")
        found[name], old_names[name] = value, key
    return found, old_names


def ensure_plain_numbers(state: Mapping[str, torch.Tensor], ours: Mapping[str, torch.Tensor],
                         where: str) -> None:
    """Tensors that have a place in the net must be dense and real, with a place in memory for each
    number (a tensor that was expanded may claim any size). Both by our names."""
    for key in state.keys() & ours.keys():
        value, name = state[key], shortened(key)
        kinds = FLOATS + INTEGERS if key.endswith(COUNTERS) else FLOATS
        if (value.layout != torch.strided or value.is_nested or value.is_meta
                or value.is_quantized or value.dtype not in kinds):
            raise UserError(f"{where}: {name} is no dense tensor of real numbers (its type is "
                             f"{value.dtype}, {value.layout} on {value.device}): save the "
                             f"state_dict as plain float32")
        if value.numel() * value.element_size() > value.untyped_storage().nbytes():
            raise UserError(f"{where}: {name} claims more numbers than the file holds: save the "
                            f"state_dict as plain float32")
    rows = {tuple(state[key].shape[:1]) for key in state.keys() & ours.keys()
            if key.startswith(LAST_LAYER)}
    if len(rows) > 1:
        raise UserError(f"{where}: weight and bias of the last layer are for different numbers "
                         f"of joints: the file is damaged, get it again")


def ensure_finite(state: Mapping[str, torch.Tensor], ours: Mapping[str, torch.Tensor],
                  where: str) -> None:
    """No number may be NaN or infinite in the net's own type, and no variance below 0, which has
    no root: nothing could be predicted. What rounding leaves of a 0 is far below the 1e-5 that
    batch norm adds, and torchvision's own ResNet-18 has such."""
    bad = [key for key, value in state.items() if not value.to(ours[key].dtype).isfinite().all()]
    if bad:
        raise UserError(f"{where} holds weights that are not finite (in {first_few(bad)}): its "
                         f"training has failed, or the file is damaged; take another one")
    bad = [key for key, value in state.items()
           if key.endswith(VARIANCE) and (value < -ROUNDING).any()]
    if bad:
        raise UserError(f"{where} holds variances below 0 (in {first_few(bad)}), as no training "
                        f"leaves them: the file is damaged, take another one")
