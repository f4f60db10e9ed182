"""fit_positions: the position embedding of a weights file, brought to the grid of a net."""
import torch
from torch import nn

from nets.pose.vit import ViTBackbone, resized_positions
from utils.errors import UserError

POSITIONS = "backbone.pos_embed"


def fit_positions(net: nn.Module, state: dict[str, torch.Tensor], where: str) -> str:
    """Put a position embedding of the net's size into `state` (by our names, plain numbers).

    Returns words on what was done, "" where nothing was. An embedding without a class token, as
    mmpose's, gets a first row of 0. Raises UserError for rows that are no grid.
    """
    own, places = net.state_dict().get(POSITIONS), state.get(POSITIONS)
    if own is None or places is None or places.ndim != 3 or places.shape[1] == own.shape[1]:
        return ""       # what else may be wrong with its shape is seen with all other shapes
    backbone = net.get_submodule("backbone")
    assert isinstance(backbone, ViTBackbone)
    new = backbone.grid
    rows = places.shape[1]
    old = grid_of(rows - 1, new)
    if old is None and (old := grid_of(rows, new)):
        places = torch.cat([torch.zeros_like(places[:, :1]), places], dim=1)
    if old is None:
        raise UserError(f"{where}: its position embedding has {rows} rows, which are no grid of "
                        f"patches: give the weights of a ViT with patches of 16 pixels and one "
                        f"class token or none")
    state[POSITIONS] = resized_positions(places, old, new)
    if old == new:
        return ""
    return (f"the position embedding was resized from {old[0]}x{old[1]} to {new[0]}x{new[1]} "
            f"patches (rows x columns)")


def grid_of(rows: int, ours: tuple[int, int]) -> tuple[int, int] | None:
    """The grid that so many rows of a position embedding are for: a square, as of ImageNet
    backbones, or one with the sides' ratio of ours or of 4:3."""
    for height, width in ((1, 1), ours, (4, 3)) if rows > 0 else ():
        scale = (rows / (height * width)) ** 0.5
        grid = (round(height * scale), round(width * scale))
        if grid[0] * grid[1] == rows and grid[0] * width == grid[1] * height:
            return grid
    return None
