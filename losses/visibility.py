"""The loss of what a network says of the visibility of joints (VisibilityCodec)."""
from torch import Tensor
from torch.nn.functional import log_softmax


def visibility_loss(logits: Tensor, wanted: Tensor) -> Tensor:
    """Cross entropy of logits (B, K, 3) and `wanted` of the same shape, a 1 for what is right and
    zeros alone for a joint of which that is not known.

    The mean runs over all persons and joints, those too, as in the other losses: so processes and
    micro-batches that share a batch add up to it. No class counts for more than another, or the
    scores would be no probabilities.
    """
    return -(wanted * log_softmax(logits, dim=-1)).sum(-1).mean()
