"""Objective: the loss and the accuracy that belong to what a codec encodes."""
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from torch import Tensor

from losses.accuracy import heatmap_accuracy, simcc_accuracy
from losses.heatmap import LOSSES
from losses.simcc import SIMCC_LOSSES
from losses.visibility import visibility_loss
from utils.codecs.simcc_codec import SimCCCodec
from utils.codecs.visibility_codec import Codec, VisibilityCodec
from utils.errors import UserError


@dataclass(frozen=True)
class Objective:
    loss: Callable[[Tensor, Tensor, Tensor], Tensor]    # of outputs, targets and weights (B, K)
    accuracy: Callable[[Tensor, Tensor], Tensor]        # of outputs and targets


def build_objective(name: str, codec: Codec, visibility_weight: float = 1.0) -> Objective:
    """The loss of that name for outputs of a codec. visibility_weight: factor of the loss of
    visibility, where the codec has it. Raises UserError for a loss of other outputs."""
    if isinstance(codec, VisibilityCodec):
        return _with_visibility(build_objective(name, codec.plain), codec, visibility_weight)
    kind, fitting = ("simcc", list(SIMCC_LOSSES)) if isinstance(codec, SimCCCodec) else (
        "heatmap", list(LOSSES))
    if name not in fitting:
        raise UserError(f"optim.loss is {name}, but codec.kind is {kind}: write "
                        f"{' or '.join(fitting)}")
    if isinstance(codec, SimCCCodec):
        return Objective(partial(SIMCC_LOSSES[name], bins_x=codec.bins[0]),
                         partial(simcc_accuracy, bins_x=codec.bins[0]))
    return Objective(LOSSES[name], heatmap_accuracy)


def _with_visibility(plain: Objective, codec: VisibilityCodec, weight: float) -> Objective:
    """The loss of both parts, and the accuracy of the joints' places. The weights of joints are
    those of their places."""
    def loss(outputs: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
        (found, logits), (wanted, v) = codec.split(outputs), codec.split(targets)
        return plain.loss(found, wanted, weights) + weight * visibility_loss(logits, v)

    def accuracy(outputs: Tensor, targets: Tensor) -> Tensor:
        return plain.accuracy(codec.split(outputs)[0], codec.split(targets)[0])

    return Objective(loss, accuracy)
