"""Objective: the loss and the accuracy that belong to what a codec encodes."""
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from torch import Tensor

from losses.accuracy import heatmap_accuracy, simcc_accuracy
from losses.heatmap import LOSSES
from losses.simcc import SIMCC_LOSSES
from utils.codecs.simcc_codec import Codec, SimCCCodec
from utils.errors import UserError


@dataclass(frozen=True)
class Objective:
    loss: Callable[[Tensor, Tensor, Tensor], Tensor]    # of outputs, targets and weights (B, K)
    accuracy: Callable[[Tensor, Tensor], Tensor]        # of outputs and targets


def build_objective(name: str, codec: Codec) -> Objective:
    """The loss of that name for outputs of a codec. Raises UserError for one of other outputs."""
    kind, fitting = ("simcc", list(SIMCC_LOSSES)) if isinstance(codec, SimCCCodec) else (
        "heatmap", list(LOSSES))
    if name not in fitting:
        raise UserError(f"optim.loss is {name}, but codec.kind is {kind}: write "
                        f"{' or '.join(fitting)}")
    if isinstance(codec, SimCCCodec):
        return Objective(partial(SIMCC_LOSSES[name], bins_x=codec.bins[0]),
                         partial(simcc_accuracy, bins_x=codec.bins[0]))
    return Objective(LOSSES[name], heatmap_accuracy)
