"""The decoders as an exporter can write them: no branch or loop that looks at the numbers.

Only gauss_taylor needs a second statement. `tests/processors/models/test_exported_decoder.py`
holds that it gives what `utils/decoders.py` gives.
"""
import torch
from torch import Tensor, nn

from utils.codecs.simcc_codec import PlainCodec, SimCCCodec
from utils.decoders import (
    LOWEST_VALUE,
    NEEDED,
    Decoder,
    blur_matrix,
    derivatives,
    find_maxima,
    gaussian_taps,
    get_decoder,
    newton_step,
)
from utils.heatmap_codec import HeatmapCodec


class ExportedDecoder(nn.Module):
    """Heatmaps (B, K, h, w), or SimCC's vectors (B, K, bins), -> keypoints (B, K, 2) in INPUT
    pixels and scores (B, K), float32.

    Does what `codec.decode` does. h and w are those of the codec; B is free.
    """

    def __init__(self, codec: PlainCodec):
        super().__init__()
        self.codec = codec
        self.decode: Decoder
        if isinstance(codec, SimCCCodec):
            self.decode = codec.highest_bins
        elif codec.decoder == "gauss_taylor":
            self.decode = GaussTaylor(codec)
        else:
            self.decode = get_decoder(codec.decoder, codec.blur_kernel)

    def forward(self, heatmaps: Tensor) -> tuple[Tensor, Tensor]:
        coordinates, scores = self.decode(heatmaps)
        if isinstance(self.codec, SimCCCodec):
            return coordinates / self.codec.split, scores
        return self.codec.heatmap_to_input(coordinates), scores


class GaussTaylor(nn.Module):
    """GaussTaylorKeyPointDecoder with every map blurred in full: two products with a matrix.

    Costs more than the windows of the other one, and is a plain graph of some thirty nodes.
    """

    down: Tensor        # (h, h)
    across: Tensor      # (w, w)
    around: Tensor      # (13,) places from the middle in the flat map

    def __init__(self, codec: HeatmapCodec):
        super().__init__()
        width, height = codec.heatmap_size
        taps = gaussian_taps(codec.blur_kernel)
        self.register_buffer("down", blur_matrix(taps, height))
        self.register_buffer("across", blur_matrix(taps, width))
        place = torch.tensor(NEEDED)
        self.register_buffer("around", (place % 5 - 2) * width + torch.div(
            place, 5, rounding_mode="floor") - 2)

    def forward(self, heatmaps: Tensor) -> tuple[Tensor, Tensor]:
        h, w = heatmaps.shape[-2:]
        x, y, scores = find_maxima(heatmaps)
        inside = (x > 1) & (x < w - 2) & (y > 1) & (y < h - 2)
        blurred = (self.down @ heatmaps @ self.across).flatten(-2)
        highest = blurred.amax(dim=-1)
        factor = scores / torch.where(highest == 0, 1.0, highest)
        middle = torch.where(inside, y * w + x, 2 * w + 2)    # anywhere with all 13 neighbours
        needed = blurred.gather(-1, middle[..., None] + self.around) * factor[..., None]
        dx, dy = newton_step(*derivatives(
            needed.clamp(min=LOWEST_VALUE).log().movedim(-1, 0)))
        usable = inside & ((dx + dy).abs() < float("inf"))    # false for NaN, too
        x, y = x + torch.where(usable, dx, 0.0), y + torch.where(usable, dy, 0.0)
        return torch.stack([x, y], dim=-1), scores
