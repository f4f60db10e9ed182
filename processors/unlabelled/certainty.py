"""How sure a network is of a joint: the height of its peak, as a part of the target's."""
from collections.abc import Callable

import torch
from torch import Tensor

from losses.simcc import SHARPNESS
from utils.codecs.simcc_codec import SimCCCodec
from utils.codecs.visibility_codec import Codec, VisibilityCodec


def heights_of(codec: Codec, loss: str) -> Callable[[Tensor, Tensor], Tensor]:
    """Outputs of a network that learns by a codec and a loss, and the joints (B, K, 2) that are
    decoded of them -> heights (B, K) float32, 1 for a peak as high as that of a target.

    A target heatmap is 1 high, and the mean of all that a joint may be is as much lower as they
    are apart. Between two pixels a peak seems lower than it is, as that of a target does there. The
    vectors of SimCC are the logits of a distribution, whose own height has no meaning: the peak of
    the distribution is held against that of the target's, in the axis where it is lower.
    """
    if isinstance(codec, VisibilityCodec):
        plain = heights_of(codec.plain, loss)
        return lambda outputs, joints: plain(codec.split(outputs)[0], joints)
    if not isinstance(codec, SimCCCodec):
        def above_all(heatmaps: Tensor, joints: Tensor) -> Tensor:
            targets, _ = codec.encode(joints, torch.ones_like(joints[..., 0]))
            return heatmaps.flatten(2).amax(-1) / targets.flatten(2).amax(-1).clamp(min=0.5)
        return above_all
    factor = SHARPNESS[loss]
    middle = torch.tensor(codec.input_size).float().view(1, 1, 2) / 2
    targets = codec.encode(middle, torch.ones(1, 1))[0].split(codec.bins, dim=-1)
    if factor == 1:     # the target is the distribution
        highest = [float(axis.max() / axis.sum()) for axis in targets]
    else:
        highest = [float((factor * axis).softmax(-1).max()) for axis in targets]

    def heights(vectors: Tensor, _joints: Tensor) -> Tensor:
        axes = vectors.split(codec.bins, dim=-1)
        x, y = ((factor * axis).softmax(-1).amax(-1) / top
                for axis, top in zip(axes, highest, strict=True))
        return torch.minimum(x, y)
    return heights
