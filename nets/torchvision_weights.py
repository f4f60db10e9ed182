"""Weights that torchvision publishes, out of torch's cache or downloaded into it."""
import pickle
import sys
from pathlib import Path

import torch
from torchvision.models import WeightsEnum


def published_state(weights: WeightsEnum, what: str, otherwise: str) -> dict[str, torch.Tensor]:
    """The state_dict of `weights`.

    Raises ValueError where it cannot be had: it begins with `what` and ends with `otherwise`, the
    words for whose weights they are and for the setting that does without them.
    """
    try:
        return weights.get_state_dict(progress=sys.stderr.isatty(), check_hash=True,
                                      map_location="cpu", weights_only=True)
    except (OSError, EOFError, RuntimeError, pickle.UnpicklingError) as error:
        folder = Path(torch.hub.get_dir()) / "checkpoints"
        reason = " ".join(str(error).split())[:100]
        raise ValueError(f"{what} cannot be downloaded or read ({reason}): put the file "
                         f"{weights.url} into {folder}, or {otherwise}") from error
