"""HeatmapCodec: joints to heatmaps and heatmaps to joints, one object for both directions.

It owns the pixel convention (`utils/alignment.py`), the target and the decoder, so training,
flip test, evaluation and prediction cannot disagree. Everything is batched torch on the device
of its arguments; nothing here knows of images or boxes.
"""
import math
import warnings
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import threshold

from utils.decoders import DECODERS, GaussTaylorKeyPointDecoder, get_decoder, kernel_for
from utils.errors import UserError
from utils.geometry import CropGeometry

# Of one axis: the product of two smaller values is a denormal float, and a tenth of a map of
# those takes a CPU five times as long to multiply as all the rest.
LOWEST_PROFILE = 1.1e-19


class HeatmapCodec:
    """Encodes joints in input pixels as Gaussians and decodes them again.

    input_size: (width, height) of the network input. stride: input pixels per heatmap pixel,
    of the network. sigma: of the Gaussian, heatmap pixels. alignment: hrnet | dark | udp.
    encoding: exact (real-valued centre, DARK and UDP) | rounded (centre on a whole pixel, cut at
    3 sigma, HRNet). decoder: gauss_taylor | vitpose | quarter | argmax. "default" is what the
    alignment has; the official HRNet protocol is hrnet, rounded, quarter, ViTPose's is udp, exact,
    vitpose. Parts that do not fit the alignment are used as asked and warned about. blur_kernel:
    of gauss_taylor and vitpose, odd pixels; 0: from sigma (`decoders.kernel_for`). softmax: the
    network learns probabilities (model.softmax), by which the loss is chosen.
    Raises UserError for names and sizes that cannot be.
    """

    def __init__(self, input_size: tuple[int, int] = (192, 256), stride: int = 4,
                 sigma: float = 2.0, decoder: str = "default", alignment: str = "hrnet",
                 encoding: str = "default", blur_kernel: int = 0, softmax: bool = False):
        if any(side < stride or side % stride for side in input_size):
            raise UserError(f"codec.input_size is {tuple(input_size)}: both sides must be "
                             f"multiples of the network's stride {stride}")
        if not 0 < sigma < math.inf:
            raise UserError(f"codec.sigma is {sigma}: give a number above 0, 2 for 192x256")
        self.geometry = CropGeometry(input_size, alignment)     # of the crops it is for
        self.alignment, self.input_size = self.geometry.rules, self.geometry.input_size
        self.heatmap_size = (input_size[0] // stride, input_size[1] // stride)
        self.output_shape = self.heatmap_size[::-1]     # of one joint, as the network gives it
        self.sigma, self.softmax = sigma, softmax
        self.blur_kernel = blur_kernel or kernel_for(sigma)
        self.flip_shift = self.alignment.flip_shift
        self.encoding = self._choose("encoding", encoding, self.alignment.encodings, ENCODERS)
        self.decoder = self._choose("decoder", decoder, self.alignment.decoders, DECODERS)
        self._decode = get_decoder(self.decoder, self.blur_kernel)
        self._scale, self._offset = self.alignment.input_to_heatmap(
            self.input_size, self.heatmap_size)

    def _choose(self, key: str, value: str, fitting: tuple[str, ...], known: dict) -> str:
        """The name to use for a part; warns if it is none of those that fit the alignment."""
        if value == "default":
            return fitting[0]
        if value not in known:
            raise UserError(f"codec.{key} is {value!r}, which is not known: "
                             f"use default or one of {', '.join(known)}")
        if value not in fitting:
            warnings.warn(f"codec.{key} {value} does not belong to codec.alignment "
                          f"{self.alignment.name} ({', '.join(fitting)} do): expect joints that "
                          f"are off by a part of a heatmap pixel", stacklevel=3)
        return value

    @property
    def output(self) -> str:
        """What the network gives for a joint, in words."""
        return f"heatmaps of {self.heatmap_size[0]}x{self.heatmap_size[1]}"

    def encode(self, keypoints: Tensor, visibility: Tensor) -> tuple[Tensor, Tensor]:
        """Paint the target heatmaps; `decode` reads them.

        keypoints: (B, K, 2) input pixels. visibility: (B, K), 0 = no loss. Returns heatmaps
        (B, K, h, w) float32 with peaks of height 1, and weights (B, K) float32: the visibility,
        or 0 where the whole Gaussian (3 sigma) is outside the map. Maps are empty where the
        weight is not above 0.5. Raises UserError for other shapes, and for what is no tensor.
        """
        ensure_joints(keypoints, visibility)
        keypoints = keypoints.to(torch.promote_types(keypoints.dtype, torch.float32))
        x, y = self.input_to_heatmap(keypoints).unbind(-1)
        columns, in_width = ENCODERS[self.encoding](x, self.heatmap_size[0], self.sigma)
        rows, in_height = ENCODERS[self.encoding](y, self.heatmap_size[1], self.sigma)
        weights = torch.where(in_width & in_height, visibility.float(), 0.0)
        painted = weights[..., None] > 0.5
        columns = torch.where(painted, columns, 0.0).float()
        rows = torch.where(painted, rows, 0.0).float()
        return rows[..., :, None] * columns[..., None, :], weights

    @torch.no_grad()
    def decode(self, heatmaps: Tensor) -> tuple[Tensor, Tensor]:
        """Heatmaps (B, K, h, w) -> joints (B, K, 2) float32 INPUT pixels, scores (B, K) float32.

        The inverse of `encode`. Input pixels go to the image by `Sample.to_image`. Raises
        UserError for maps of another size than this codec's, and for what is no tensor.
        """
        self._ensure_maps(heatmaps)
        coordinates, scores = self._decode(heatmaps)
        return self.heatmap_to_input(coordinates), scores

    @torch.no_grad()
    def decode_with_covariance(self, heatmaps: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """As `decode` with gauss_taylor, whatever the codec's decoder, and the covariance of each
        joint that comes with it: (B, K, 2, 2) float32, INPUT pixels squared.

        It is how wide the network's peak is, NaN where there is no peak (`peak_covariance`), and
        no measure of the error until it is calibrated (processors/ranking/calibration.py).
        """
        self._ensure_maps(heatmaps)
        decoder = GaussTaylorKeyPointDecoder(self.blur_kernel)
        coordinates, scores, covariance = decoder.with_covariance(heatmaps)
        scale = covariance.new_tensor(self._scale)
        return (self.heatmap_to_input(coordinates), scores,
                covariance / (scale[:, None] * scale))

    def _ensure_maps(self, heatmaps: Tensor) -> None:
        ensure_tensor(heatmaps)
        if heatmaps.ndim != 4 or heatmaps.shape[:1:-1] != self.heatmap_size:
            raise UserError(f"heatmaps of shape {tuple(heatmaps.shape)} do not belong to a codec "
                            f"for crops of {self.input_size[0]}x{self.input_size[1]}: give "
                            f"(B, K, {self.heatmap_size[1]}, {self.heatmap_size[0]}), or set the "
                            f"codec's input_size and stride to what the network has")

    def input_to_heatmap(self, points: Tensor) -> Tensor:
        """(..., 2) input pixels -> heatmap pixels."""
        # no tensor out of numbers: a GPU would have to be waited for in every step of training
        parts = zip(points.unbind(-1), self._scale, self._offset, strict=True)
        return torch.stack([part * scale + offset for part, scale, offset in parts], dim=-1)

    def heatmap_to_input(self, points: Tensor) -> Tensor:
        """(..., 2) heatmap pixels -> input pixels."""
        return (points - points.new_tensor(self._offset)) / points.new_tensor(self._scale)

    def flip_back(self, heatmaps: Tensor, flip_order: Sequence[int]) -> Tensor:
        """Heatmaps of the mirrored input, laid over those of the input itself.

        heatmaps: (B, K, h, w). flip_order: `Skeleton.flip_order`. Mirrors the columns, swaps
        left and right joints, and moves everything `flip_shift` columns to the right, where the
        first columns keep their values (HRNet). Returns a new tensor, ready to be averaged.
        """
        width = heatmaps.shape[-1]
        columns = torch.arange(width - 1, -1, -1, device=heatmaps.device)
        columns = torch.cat([columns[:self.flip_shift], columns[:width - self.flip_shift]])
        joints = torch.tensor(list(flip_order), device=heatmaps.device)
        return heatmaps.index_select(1, joints).index_select(-1, columns)


def ensure_tensor(outputs: Any) -> None:
    """Raise UserError for what `decode` cannot take."""
    if not isinstance(outputs, Tensor):
        raise UserError(f"decode takes a tensor, not {type(outputs).__name__}: use "
                        f"torch.from_numpy")


def ensure_joints(keypoints: Tensor, visibility: Tensor) -> None:
    """Raise UserError unless they are tensors (B, K, 2) and (B, K)."""
    if not (isinstance(keypoints, Tensor) and isinstance(visibility, Tensor)):
        raise UserError(f"encode takes tensors, not {type(keypoints).__name__} and "
                        f"{type(visibility).__name__}: use torch.from_numpy")
    if keypoints.ndim != 3 or keypoints.shape != (*visibility.shape, 2):
        raise UserError(f"encode got joints of shape {tuple(keypoints.shape)} and visibilities "
                        f"of {tuple(visibility.shape)}: give (B, K, 2) and (B, K), for one "
                        f"person joints[None]")


def exact_profile(center: Tensor, length: int, sigma: float) -> tuple[Tensor, Tensor]:
    """One axis of a Gaussian around its real-valued centre, over the whole map (DARK, UDP).

    center: (B, K) heatmap pixels. Returns values (B, K, length) and whether any of the 6 sigma
    around the centre is on the map (B, K).
    """
    pixels = torch.arange(length, device=center.device)
    profile = torch.exp((pixels - center[..., None]) ** 2 / (-2 * sigma ** 2))
    profile = threshold(profile, LOWEST_PROFILE, 0.0)
    first, last = torch.trunc(center - 3 * sigma), torch.trunc(center + 3 * sigma + 1)
    return profile, (first < length) & (last >= 0)


def rounded_profile(center: Tensor, length: int, sigma: float) -> tuple[Tensor, Tensor]:
    """As `exact_profile`, with the centre on a whole pixel and 0 beyond 3 sigma (HRNet).

    Adding a half and cutting the fraction off is what HRNet does, also below 0.
    """
    middle = torch.trunc(center + 0.5)
    profile, touches = exact_profile(middle, length, sigma)
    pixels = torch.arange(length, device=center.device)
    return profile * ((pixels - middle[..., None]).abs() <= 3 * sigma), touches


ENCODERS = {"exact": exact_profile, "rounded": rounded_profile}
