"""How sure a network is of a joint: the height of its peak, as a part of the target's."""
from collections.abc import Callable

import torch
from torch import Tensor

from losses.simcc import SHARPNESS
from utils.codecs.simcc_codec import SimCCCodec
from utils.codecs.visibility_codec import Codec, VisibilityCodec


def heights_of(codec: Codec, loss: str) -> Callable[[Tensor], Tensor]:
    """Outputs of a network that learns by a codec and a loss -> heights (B, K) float32, 1 for a
    peak as high as that of a target.

    A target heatmap is 1 high, and the mean of all that a joint may be is as much lower as they
    are apart. The vectors of SimCC are the logits of a distribution, whose own height has no
    meaning: the peak of the distribution is held against that of the target's, in the axis where it
    is lower.
    """
    if isinstance(codec, VisibilityCodec):
        plain = heights_of(codec.plain, loss)
        return lambda outputs: plain(codec.split(outputs)[0])
    if not isinstance(codec, SimCCCodec):
        return lambda heatmaps: heatmaps.flatten(2).amax(dim=-1)
    factor = SHARPNESS[loss]
    middle = torch.tensor(codec.input_size).float().view(1, 1, 2) / 2
    targets = codec.encode(middle, torch.ones(1, 1))[0].split(codec.bins, dim=-1)
    if factor == 1:     # the target is the distribution
        highest = [float(axis.max() / axis.sum()) for axis in targets]
    else:
        highest = [float((factor * axis).softmax(-1).max()) for axis in targets]

    def heights(vectors: Tensor) -> Tensor:
        axes = vectors.split(codec.bins, dim=-1)
        x, y = ((factor * axis).softmax(-1).amax(-1) / top
                for axis, top in zip(axes, highest, strict=True))
        return torch.minimum(x, y)
    return heights
