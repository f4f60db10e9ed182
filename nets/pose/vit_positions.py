"""fit_positions: the position embeddings of a weights file, brought to the grid of a net."""
from typing import Any

import torch
from torch import nn

from nets.pose.timm_backbone import TimmBackbone
from nets.pose.vit import ViTBackbone, resized_positions
from utils.errors import UserError

POSITIONS = "pos_embed"     # of our ViTs and timm's
MOST_TOKENS = 8             # before the patches: class token, registers


def fit_positions(net: nn.Module, state: dict[str, torch.Tensor], where: str,
                  size: tuple[int, int] | None, ours: bool) -> str:
    """Put position embeddings of the net's size into `state` (by our names, plain numbers).

    size: (width, height) in pixels that the file says it is for; None: it does not say. Without it
    a file of this project (`ours`) with the net's number of rows is taken as it is; others, and
    other numbers, as of a square (MAE, ImageNet) or of 4:3 as ViTPose's, and nothing is done for a
    network of timm (but `kept_places` tells what is of places). Returns words on what was
    done, "" where nothing was. Without a class token, as mmpose's, a first row of 0 comes before
    it. Raises UserError for rows that are no such grid, and where nothing can be resized.
    """
    own, words = net.state_dict(), []
    backbone: Any = getattr(net, "backbone", None)
    new = getattr(backbone, "grid", (0, 0))
    for key in [key for key in own if any(new) and key in state and key.endswith(POSITIONS)]:
        if not own[key].ndim == state[key].ndim == 3:
            continue        # what else may be wrong with its shape is seen with all other shapes
        places, wanted = state[key], own[key].shape[1]
        if size:
            old = _stored_grid(backbone, key, places, wanted, size, where)
        elif not isinstance(backbone, ViTBackbone):
            continue
        elif ours and places.shape[1] == wanted:
            old = new
            if grid_of(wanted - 1) != new:
                words.append(f"the position embedding is taken as of {new[0]}x{new[1]} patches "
                             f"(rows x columns), for the file does not say codec.input_size")
        else:
            old, state[key] = _likely_grid(places, where)
        if old != new:
            state[key] = resized_positions(state[key], old, new)
            words.append(f"the position embedding was resized from {old[0]}x{old[1]} to "
                         f"{new[0]}x{new[1]} patches (rows x columns)")
    return "; ".join(words)


def kept_places(net: nn.Module, size: tuple[int, int] | None) -> set[str]:
    """Names of the tensors of a network of timm that belong to places of its input, and that
    `fit_positions` does not bring here from a file for `size`, (width, height) in pixels; None: for
    a size that is not known. Empty where the sizes agree."""
    backbone: Any = getattr(net, "backbone", None)
    if not isinstance(backbone, TimmBackbone) or size == backbone.input_size:
        return set()
    own = backbone.state_dict()
    return {f"backbone.{key}" for key in backbone.tied_to_places(size)
            if not (size and key.endswith(POSITIONS) and own[key].ndim == 3)}


def _stored_grid(backbone: Any, key: str, places: torch.Tensor, wanted: int,
                 size: tuple[int, int], where: str) -> tuple[int, int]:
    """The grid of a file for `size`, whose `places` go to `wanted` rows."""
    new, patch = backbone.grid, backbone.stride
    old = (size[1] // patch, size[0] // patch)
    tokens = wanted - new[0] * new[1]
    if old != new and not 0 <= tokens <= MOST_TOKENS or places.shape[1] - old[0] * old[1] != tokens:
        raise UserError(f"{where} is for codec.input_size [{size[0]}, {size[1]}], and the "
                        f"{places.shape[1]} rows of its {key} cannot be resized to {wanted} for "
                        f"this network: set codec.input_size to its size, or give other weights")
    return old


def _likely_grid(places: torch.Tensor, where: str) -> tuple[tuple[int, int], torch.Tensor]:
    """The grid of an embedding that says none, and the embedding with a first row."""
    rows = places.shape[1]
    if grid := grid_of(rows - 1):
        return grid, places
    if grid := grid_of(rows):
        return grid, torch.cat([torch.zeros_like(places[:, :1]), places], dim=1)
    raise UserError(f"{where}: its position embedding has {rows} rows, which are no grid of "
                    f"patches of a square input nor of one of 3:4 such as [192, 256]: give the "
                    f"weights of a ViT with patches of 16 pixels and one class token or none, or a "
                    f"checkpoint of this project with its settings, which say codec.input_size")


def grid_of(rows: int) -> tuple[int, int] | None:
    """The grid that so many rows of a position embedding are for: a square or one of 4:3. No
    number is both."""
    for height, width in ((1, 1), (4, 3)) if rows > 0 else ():
        scale = round((rows / (height * width)) ** 0.5)
        if height * scale * width * scale == rows:
            return height * scale, width * scale
    return None
