"""Objective: the loss and the accuracy that belong to what a codec encodes."""
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from torch import Tensor

from losses.accuracy import heatmap_accuracy, simcc_accuracy
from losses.heatmap import LOSSES, SOFTMAX_LOSSES
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
    if isinstance(codec, SimCCCodec):
        bins = codec.bins[0]
        loss = _of_name(name, SIMCC_LOSSES, "codec.kind is simcc")
        return Objective(partial(loss, bins_x=bins), partial(simcc_accuracy, bins_x=bins))
    losses, because = ((SOFTMAX_LOSSES, "model.softmax is true") if codec.softmax else
                       (LOSSES, "codec.kind is heatmap, model.softmax false"))
    return Objective(_of_name(name, losses, because), heatmap_accuracy)


def _of_name(name: str, losses: Mapping[str, Callable[..., Tensor]], because: str,
             ) -> Callable[..., Tensor]:
    if name not in losses:
        raise UserError(f"optim.loss is {name}, but {because}: write {' or '.join(losses)}")
    return losses[name]


def _with_visibility(plain: Objective, codec: VisibilityCodec, weight: float) -> Objective:
    """The loss of both parts, and the accuracy of the joints' places. The weights of joints are
    those of their places."""
    def loss(outputs: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
        (found, logits), (wanted, v) = codec.split(outputs), codec.split(targets)
        return plain.loss(found, wanted, weights) + weight * visibility_loss(logits, v)

    def accuracy(outputs: Tensor, targets: Tensor) -> Tensor:
        return plain.accuracy(codec.split(outputs)[0], codec.split(targets)[0])

    return Objective(loss, accuracy)
