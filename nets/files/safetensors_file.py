"""Safetensors: weights in a form that holds numbers and texts alone, with our settings among these.

The package safetensors is optional.
"""
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from nets.files.plain_values import plain_values
from utils.errors import UserError
from utils.json_file import parse_json

LARGEST_TABLE = 10 * 2 ** 20            # bytes of a file's table of tensors, with its texts
OURS = "simplepose"                     # the text that holds what a checkpoint of ours has besides
#                                         its weights, as JSON
WEIGHTS = "ema"                         # where a checkpoint keeps its weights


def read_safetensors(path: Path) -> dict[str, Any]:
    """The tensors by their names, on the CPU; of a file that this project published what a
    checkpoint holds, the weights under "ema". Raises UserError."""
    try:
        from safetensors import SafetensorError, safe_open
        from safetensors.torch import load_file
    except ImportError as error:
        raise _missing(path, "give a .pth file") from error
    with path.open("rb") as file:
        table = int.from_bytes(file.read(8), "little")
    if LARGEST_TABLE < table <= path.stat().st_size:    # otherwise its reader finds it damaged
        raise UserError(f"{path} cannot be read as weights: its table of tensors has "
                        f"{table >> 20} MB, as that of no network; take another file")
    try:
        with safe_open(path, "pt") as opened:
            texts = opened.metadata() or {}
        state = load_file(path)
    except (SafetensorError, OSError) as error:
        raise UserError(f"{path} cannot be read as a safetensors file ({error}): it is cut short, "
                        f"damaged or of another kind; get it again") from error
    return _content(texts[OURS], path) | {WEIGHTS: state} if OURS in texts else state


def _content(text: str, path: Path) -> dict[str, Any]:
    try:
        content = plain_values(parse_json(text))
    except ValueError:      # UserError is one, too
        content = None
    if not isinstance(content, dict):
        raise UserError(f"{path}: the settings in it are no JSON of this project: the file is "
                        f"damaged, get it again")
    return content


def safetensors_bytes(state: Mapping[str, torch.Tensor], about: Mapping[str, Any] | None = None,
                      ) -> bytes:
    """A whole file. about: what a checkpoint of ours has besides its weights, plain values."""
    try:
        from safetensors.torch import save
    except ImportError as error:
        raise _missing("what is to be written", "write another form") from error
    texts = {"format": "pt", "generator": "SimplePose"}     # the first is transformers' word
    if about is not None:
        texts[OURS] = json.dumps(about)
    return save({name: value.detach().clone(memory_format=torch.contiguous_format)
                 for name, value in state.items()}, texts)


def _missing(what: object, other: str) -> UserError:
    return UserError(f"{what} needs the package safetensors: pip install safetensors, or {other}")
