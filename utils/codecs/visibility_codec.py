"""VisibilityCodec: a codec whose network says of each joint, too, whether it can be seen.

The network keeps its one output: the numbers of a joint in one row (h * w of its heatmap, or the
bins of its vectors), and three more at the end, the logits of COCO's v: 0 absent, 1 hidden, 2
visible. So all that carries outputs carries them.
"""
import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from utils.codecs.simcc_codec import PlainCodec
from utils.errors import UserError
from utils.heatmap_codec import ensure_tensor

# Beside COCO's v, what is known of a joint in training: only that it is labelled, or nothing.
UNKNOWN, ABSENT, HIDDEN, VISIBLE, LABELLED = -1, 0, 1, 2, 3
CLASSES = ("absent", "hidden", "visible")       # by v


class VisibilityCodec:
    """The same face as the codec that it has within, `plain`."""

    def __init__(self, plain: PlainCodec):
        self.plain, self.geometry, self.input_size = plain, plain.geometry, plain.input_size
        self.output_shape = (math.prod(plain.output_shape) + len(CLASSES),)     # of one joint

    @property
    def output(self) -> str:
        """What the network gives for a joint, in words."""
        return f"{self.plain.output} and 3 of visibility"

    def encode(self, keypoints: Tensor, visibility: Tensor) -> tuple[Tensor, Tensor]:
        """Targets and weights as of `plain`, and what the last three numbers are to be.

        keypoints: (B, K, 2) input pixels. visibility: (B, K), one of the five above. Returns
        (B, K, numbers of a joint + 3) float32, at the end a 1 in the place of v and zeros where v
        is not known, and weights (B, K) of the plain targets. A joint beside the crop, which
        nobody can see there, is absent. Raises UserError as `plain` does.
        """
        targets, weights = self.plain.encode(keypoints, (visibility > 0).float())
        x, y = keypoints.unbind(-1)
        width, height = self.input_size     # pixel 0 reaches from -0.5 to 0.5
        inside = (x >= -0.5) & (x < width - 0.5) & (y >= -0.5) & (y < height - 0.5)
        v = torch.where(inside, visibility, visibility.clamp(max=ABSENT)).long()
        wanted = one_hot(v - UNKNOWN, LABELLED - UNKNOWN + 1)[..., 1:-1]
        return torch.cat([targets.flatten(2), wanted.float()], dim=-1), weights

    def split(self, outputs: Tensor) -> tuple[Tensor, Tensor]:
        """Outputs or targets (B, K, numbers + 3) -> those of `plain`, and the last three."""
        numbers, visibility = outputs[..., :-len(CLASSES)], outputs[..., -len(CLASSES):]
        return numbers.unflatten(-1, self.plain.output_shape), visibility

    @torch.no_grad()
    def decode(self, outputs: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Outputs (B, K, numbers + 3) -> joints (B, K, 2) float32 INPUT pixels, scores (B, K)
        float32, and the probabilities of each v, (B, K, 3) float32. Raises UserError for outputs of
        another network, and for what is no tensor."""
        ensure_tensor(outputs)
        if outputs.ndim != 3 or outputs.shape[2:] != self.output_shape:
            raise UserError(f"outputs of shape {tuple(outputs.shape)} are not those of a network "
                            f"with model.visibility for crops of {self.input_size[0]}x"
                            f"{self.input_size[1]}: give (B, K, {self.output_shape[0]})")
        numbers, logits = self.split(outputs)
        return *self.plain.decode(numbers), logits.float().softmax(-1)

    def flip_back(self, outputs: Tensor, flip_order: Sequence[int]) -> Tensor:
        """Outputs of the mirrored input, laid over those of the input itself: left and right joints
        change places, also in what is said of their visibility."""
        numbers, logits = self.split(outputs)
        joints = torch.tensor(list(flip_order), device=outputs.device)
        return torch.cat([self.plain.flip_back(numbers, flip_order).flatten(2),
                          logits.index_select(1, joints)], dim=-1)


Codec = PlainCodec | VisibilityCodec


def plain_codec(codec: Codec) -> PlainCodec:
    """The codec without visibility: itself, or the one within."""
    return codec.plain if isinstance(codec, VisibilityCodec) else codec
