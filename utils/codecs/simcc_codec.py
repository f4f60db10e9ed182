"""SimCCCodec: joints to two vectors of bins and back; the same face as HeatmapCodec.

Li et al. 2022, "SimCC: a Simple Coordinate Classification Perspective for Human Pose Estimation".
Each joint has a vector for its x and one for its y, whose bins are parts of an input pixel. The
network gives both as one tensor, x before y, so that all that carries heatmaps carries them, too.
"""
import math
from collections.abc import Sequence

import torch
from torch import Tensor

from utils.errors import UserError
from utils.geometry import CropGeometry
from utils.heatmap_codec import HeatmapCodec, ensure_joints, ensure_tensor


class SimCCCodec:
    """Encodes joints in input pixels as a Gaussian for each axis and decodes them again.

    input_size: (width, height) of the network input. split: bins in an input pixel. sigma: of the
    Gaussians in x and in y, bins. normalize: Gaussians of sum 1, as SimCC has them, or of height 1,
    as RTMPose. alignment: of the crops, see `utils/alignment.py`; bins count input pixels in any.
    Raises UserError for numbers that cannot be.
    """

    def __init__(self, input_size: tuple[int, int] = (192, 256), split: int = 2,
                 sigma: tuple[float, float] = (6.0, 6.0), normalize: bool = True,
                 alignment: str = "hrnet"):
        if split < 1:
            raise UserError(f"codec.split is {split}: give a whole number from 1, such as 2")
        if not all(0 < one < math.inf for one in sigma):
            raise UserError(f"codec.bin_sigma is {list(sigma)}: give two numbers above 0, such as "
                            f"[6, 6]")
        self.geometry = CropGeometry(input_size, alignment)     # of the crops it is for
        self.input_size = self.geometry.input_size
        self.split, self.sigma, self.normalize = split, sigma, normalize
        self.bins = (split * input_size[0], split * input_size[1])      # in x and in y
        self.output_shape = (sum(self.bins),)       # of one joint, as the network gives it

    @property
    def output(self) -> str:
        """What the network gives for a joint, in words."""
        return f"vectors of {self.bins[0]} + {self.bins[1]} bins"

    def encode(self, keypoints: Tensor, visibility: Tensor) -> tuple[Tensor, Tensor]:
        """The target vectors; `decode` reads them.

        keypoints: (B, K, 2) input pixels. visibility: (B, K), 0 = no loss. Returns targets
        (B, K, bins of x + bins of y) float32, Gaussians around the nearest bin (halves go to the
        even one), and weights (B, K) float32: the visibility, or 0 where 3 sigma around the joint
        are outside in one of the axes. Targets are 0 there, and where the visibility is below 0.5.
        Raises UserError for other shapes, and for what is no tensor.
        """
        ensure_joints(keypoints, visibility)
        x, y = (keypoints.float() * self.split).round().unbind(-1)
        columns, in_width = self._profile(x, self.bins[0], self.sigma[0])
        rows, in_height = self._profile(y, self.bins[1], self.sigma[1])
        inside = in_width & in_height
        painted = (inside & (visibility >= 0.5))[..., None]
        targets = torch.where(painted, torch.cat([columns, rows], dim=-1), 0.0)
        return targets, torch.where(inside, visibility.float(), 0.0)

    def _profile(self, middle: Tensor, length: int, sigma: float) -> tuple[Tensor, Tensor]:
        """One axis: values (B, K, length), and whether 3 sigma around it reach a bin (B, K)."""
        places = torch.arange(length, device=middle.device)
        profile = torch.exp((places - middle[..., None]) ** 2 / (-2 * sigma ** 2))
        if self.normalize:
            profile = profile / (sigma * math.sqrt(2 * math.pi))
        return profile, (middle - 3 * sigma < length) & (middle + 3 * sigma + 1 >= 0)

    @torch.no_grad()
    def decode(self, vectors: Tensor) -> tuple[Tensor, Tensor]:
        """Vectors (B, K, bins of x + bins of y) -> joints (B, K, 2) float32 INPUT pixels, scores
        (B, K) float32.

        The inverse of `encode`: the first of the highest bins in each axis. The score is the
        smaller of both maxima, as the network gives them (mmpose); where it is not positive the
        vectors say nothing, and the joint is at bin (-1, -1). Raises UserError for vectors of
        another length than this codec's, and for what is no tensor.
        """
        ensure_tensor(vectors)
        if vectors.ndim != 3 or vectors.shape[2:] != self.output_shape:
            raise UserError(f"vectors of shape {tuple(vectors.shape)} do not belong to a codec for "
                            f"crops of {self.input_size[0]}x{self.input_size[1]} with {self.split} "
                            f"bins a pixel: give (B, K, {self.output_shape[0]}), or set "
                            f"codec.input_size and codec.split to what the network has")
        places, scores = self.highest_bins(vectors)
        return places / self.split, scores

    def highest_bins(self, vectors: Tensor) -> tuple[Tensor, Tensor]:
        """As `decode`, in bins, without a look at the shape: what an exporter can write."""
        x, y = vectors.float().split(self.bins, dim=-1)
        scores = torch.minimum(x.amax(dim=-1), y.amax(dim=-1))
        places = torch.stack([x.argmax(dim=-1), y.argmax(dim=-1)], dim=-1).float()
        return torch.where(scores[..., None] <= 0, -1.0, places), scores

    def flip_back(self, vectors: Tensor, flip_order: Sequence[int]) -> Tensor:
        """Vectors of the mirrored input, laid over those of the input itself.

        vectors: as of `decode`. flip_order: `Skeleton.flip_order`. Swaps left and right joints and
        turns the x vectors round; nothing is shifted (mmpose). Returns a new tensor.
        """
        joints = torch.tensor(list(flip_order), device=vectors.device)
        x, y = vectors.index_select(1, joints).split(self.bins, dim=-1)
        return torch.cat([x.flip(-1), y], dim=-1)


PlainCodec = HeatmapCodec | SimCCCodec      # joints and nothing else
