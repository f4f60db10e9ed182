"""Weights that torchvision publishes, out of torch's cache or downloaded into it."""
import pickle
import sys
from pathlib import Path

import torch
from torchvision.models import WeightsEnum, get_model_weights

from utils.errors import UserError
from utils.shown import on_one_line


def published_state(weights: WeightsEnum, what: str, otherwise: str) -> dict[str, torch.Tensor]:
    """The state_dict of `weights`.

    Raises UserError where it cannot be had: it begins with `what` and ends with `otherwise`, the
    words for whose weights they are and for the setting that does without them.
    """
    try:
        return weights.get_state_dict(progress=sys.stderr.isatty(), check_hash=True,
                                      map_location="cpu", weights_only=True)
    except (OSError, EOFError, RuntimeError, pickle.UnpicklingError) as error:
        folder = Path(torch.hub.get_dir()) / "checkpoints"
        raise UserError(f"{what} cannot be downloaded or read ({on_one_line(error)}): put the "
                        f"file {weights.url} into {folder}, or {otherwise}") from error


def imagenet_state(name: str, own_file: str = "") -> dict[str, torch.Tensor]:
    """torchvision's state_dict of `name`, from its cache or downloaded into it.

    The first version of the weights (V1), which all published pose networks started from.
    own_file: what the weights are called where torchvision has none, for the sentence on it. Raises
    UserError where there are none, or where they cannot be had.
    """
    try:
        weights = get_model_weights(name)["IMAGENET1K_V1"]
    except ValueError as error:
        example = f", such as {own_file}," if own_file else ""
        raise UserError(f"model.pretrained is true, but torchvision has no weights for {name}; "
                         f"write the path of its ImageNet file{example} or false") from error
    return published_state(weights, f"model.pretrained is true, but the ImageNet weights of {name}",
                           "set model.pretrained to its path or to false")
