"""Decoders: from heatmaps to joint coordinates in heatmap pixels, batched, on any device.

A decoder takes heatmaps (B, K, h, w) of any float type and returns coordinates (B, K, 2) float32,
heatmap pixels (x, y), and scores (B, K) float32, the raw maximum of each map. A map whose
maximum is not positive says nothing: its coordinates are (0, 0), as in the official codes.
`HeatmapCodec.encode` paints what they read.
"""
from collections.abc import Callable

import torch
from torch import Tensor

from utils.errors import UserError

Decoder = Callable[[Tensor], tuple[Tensor, Tensor]]

# What OpenCV blurs with at these sizes when no sigma is given; above, sigma follows the size.
SMALL_KERNELS = {
    1: (1,),
    3: (1, 2, 1),
    5: (1, 4, 6, 4, 1),
    7: (2, 7, 14, 18, 14, 7, 2),
    9: (4, 13, 30, 51, 60, 51, 30, 13, 4),
}
LOWEST_VALUE = 1e-10       # DARK raises values below this before it takes the logarithm
LONGEST_BLOCK = 128        # pixels searched one by one for a maximum, the fastest on CPUs
PIXELS_AT_ONCE = 2 ** 18   # blurred together: what they take fits the cache of a CPU

# Places of a 5 x 5 neighbourhood, column by column, that the Newton step reads: the middle; right,
# left, two right, two left; below, above, two below, two above; and, diagonally, right below, left
# below, right above, left above.
NEEDED = (12, 17, 7, 22, 2, 13, 11, 14, 10, 18, 8, 16, 6)


def gaussian_taps(size: int) -> Tensor:
    """(size,) float64 taps of sum 1, those of OpenCV's GaussianBlur with sigma 0. Raises UserError
    for a size that is not odd."""
    if size < 1 or size % 2 == 0:
        raise UserError(f"codec.blur_kernel is {size}: give an odd number of pixels, 11 for "
                        f"sigma 2")
    if size in SMALL_KERNELS:
        taps = torch.tensor(SMALL_KERNELS[size], dtype=torch.float64)
    else:
        sigma = 0.3 * ((size - 1) * 0.5 - 1) + 0.8
        distance = torch.arange(size, dtype=torch.float64) - (size - 1) / 2
        taps = torch.exp(-distance ** 2 / (2 * sigma ** 2))
    return taps / taps.sum()


def kernel_for(sigma: float) -> int:
    """Side of the Gaussian that smooths maps whose peaks have this sigma, odd pixels.

    The size at which OpenCV's blur has the same sigma, 0.3 * ((size - 1) / 2 - 1) + 0.8, rounded
    to the nearest odd one, at least 3: 5 for sigma 1, 7 for 1.5, 11 for 2 (as DARK) and 17 for 3
    (as mmpose). DARK's own files keep 11 for sigma 3 and have 3 for some networks with sigma 1;
    where a published number is to be met, codec.blur_kernel names what it was made with.
    """
    return 2 * max(1, 1 + round((sigma - 0.8) / 0.3)) + 1


def find_maxima(heatmaps: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Maximum of every map: x, y (B, K) int64, and its value (B, K) float32.

    The first one in row-major order if there are several; (0, 0) if it is not positive. First
    the best block of pixels, then the pixel in it, by its number counted from the end: all by
    `amax`, which costs a CPU a tenth of `max` over the flat map, and a fifth of `argmax`.
    """
    b, k, h, w = heatmaps.shape
    length = max(d for d in range(1, LONGEST_BLOCK + 1) if h * w % d == 0)
    maps = heatmaps.contiguous().view(b * k, h * w // length, length)
    highest = maps.amax(dim=-1)
    block = highest.argmax(dim=-1, keepdim=True)
    scores = highest.gather(-1, block)
    first_block = torch.arange(b * k, device=heatmaps.device) * maps.shape[1]
    pixels = maps.view(-1, length).index_select(0, first_block + block.squeeze(-1))
    to_end = torch.arange(length, 0, -1, device=heatmaps.device).to(pixels.dtype)
    place = length - pixels.ge_(scores).mul_(to_end).amax(dim=-1, keepdim=True).long()
    place = torch.where(scores > 0, block * length + place, 0).view(b, k)
    scores = scores.float().view(b, k)
    rows = (place.float() / w).floor().long()   # ONNX exporters of torch 2.6 have no // of integers
    return place % w, rows, scores


def decode_argmax(heatmaps: Tensor) -> tuple[Tensor, Tensor]:
    """The pixel of the maximum."""
    x, y, scores = find_maxima(heatmaps)
    return torch.stack([x, y], dim=-1).float(), scores


def decode_quarter(heatmaps: Tensor) -> tuple[Tensor, Tensor]:
    """The maximum, moved a quarter pixel towards the higher neighbour in x and in y.

    SimpleBaselines and HRNet. Maxima at the border are not moved, with the limits these have:
    index 1 stays, index w - 2 moves.
    """
    h, w = heatmaps.shape[-2:]
    x, y, scores = find_maxima(heatmaps)
    inside = (x > 1) & (x < w - 1) & (y > 1) & (y < h - 1)
    place = torch.where(inside, y * w + x, w + 1)       # anywhere with four neighbours
    around = place[..., None] + torch.tensor([1, -1, w, -w], device=heatmaps.device)
    right, left, below, above = heatmaps.flatten(-2).gather(-1, around).float().unbind(-1)
    shift = 0.25 * torch.stack([torch.sign(right - left), torch.sign(below - above)], dim=-1)
    return torch.stack([x, y], dim=-1) + shift * inside[..., None], scores


class GaussTaylorKeyPointDecoder:
    """DARK (Zhang et al. 2020): blur, logarithm, and one Newton step from the maximum.

    The logarithm of a Gaussian is a parabola, so one step from the highest pixel lands on its
    real-valued centre. There is no limit on the step and no check of the curvature, as in the
    official code, and maxima within two pixels of the border are not moved. Beyond the border
    everything is 0, so joints nearer to it than half the kernel are read too far inside: by up to
    half a pixel with 11 pixels, but by less than 0.01 from 4 pixels on.

    The step needs the blurred map at 13 pixels only, so only a window around the maximum is
    blurred, by one small matrix from each side.

    blur_kernel: side of the Gaussian that smooths the map, odd, heatmap pixels.
    """

    def __init__(self, blur_kernel: int = 11):
        self.taps = gaussian_taps(blur_kernel)
        self.matrices = window_matrices(self.taps)

    def __call__(self, heatmaps: Tensor) -> tuple[Tensor, Tensor]:
        if not len(heatmaps):
            return decode_argmax(heatmaps)
        coordinates, scores, _, _ = self._step(heatmaps)
        return coordinates, scores

    def with_covariance(self, heatmaps: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """As a decoder, and beside coordinates and scores how far the joint may lie from them by
        the shape of the peak: `peak_covariance` (B, K, 2, 2) float32, heatmap pixels squared; NaN
        for maxima within two pixels of the border, where there is no Hessian, too."""
        if not len(heatmaps):
            coordinates, scores = decode_argmax(heatmaps)
            return coordinates, scores, coordinates.new_zeros(*coordinates.shape, 2)
        coordinates, scores, second, inside = self._step(heatmaps)
        covariance = peak_covariance(*second)
        return coordinates, scores, torch.where(inside[..., None, None], covariance, torch.nan)

    def _step(self, heatmaps: Tensor) -> tuple[Tensor, Tensor, tuple[Tensor, Tensor, Tensor],
                                               Tensor]:
        """Coordinates and scores, the second derivatives of the log map (`derivatives`), and
        whether there are any: (B, K) bool."""
        h, w = heatmaps.shape[-2:]
        heatmaps = heatmaps.contiguous()
        x, y, scores = find_maxima(heatmaps)
        inside = (x > 1) & (x < w - 2) & (y > 1) & (y < h - 2)
        blurred = self._blur_around(heatmaps, x, y)
        factor = self._restored_height(heatmaps, blurred, scores, inside)
        first, second = derivatives((blurred * factor).clamp(min=LOWEST_VALUE).log())
        dx, dy = newton_step(first, second)
        usable = inside & (dx + dy).isfinite()      # maps with infinities are not moved
        x, y = x + torch.where(usable, dx, 0.0), y + torch.where(usable, dy, 0.0)
        return torch.stack([x, y], dim=-1), scores, second, inside

    def _blur_around(self, heatmaps: Tensor, x: Tensor, y: Tensor) -> Tensor:
        """(13, B, K) float32 blurred values at NEEDED.

        The window stays inside the map, so that near the border the maximum is off its middle;
        pixels that are not there then add nothing, as if they were 0.
        """
        b, k, h, w = heatmaps.shape
        x, y, device, side = x.flatten(), y.flatten(), heatmaps.device, len(self.matrices)
        height, width = min(side, h), min(side, w)
        left = (x - side // 2).clamp(0, w - width)
        top = (y - side // 2).clamp(0, h - height)
        first = torch.arange(b * k, device=device) * (h * w) + top * w + left
        starts = first[:, None] + torch.arange(height, device=device) * w
        pieces = heatmaps.view(-1).unfold(0, width, 1)      # a view: a piece from every pixel on
        # double on CUDA, where products of floats may have been set to TF32's 10 bits
        matrices = self.matrices.to(device, torch.float64 if heatmaps.is_cuda else torch.float32)
        across, down = matrices[:width, :, :width], matrices[:height, :, :height]
        parts = []
        with torch.autocast(device.type, enabled=False):
            portion = at_once(height * width)
            for rows, column, row in zip(starts.split(portion), (x - left).split(portion),
                                         (y - top).split(portion), strict=True):
                window = pieces.index_select(0, rows.flatten()).view(-1, height, width)
                window = down.index_select(0, row) @ window.to(matrices.dtype)
                parts.append(across.index_select(0, column) @ window.transpose(1, 2))
        needed = torch.tensor(NEEDED, device=device)
        blurred = torch.cat(parts).flatten(1).t().index_select(0, needed)
        return blurred.float().view(-1, b, k)

    def _restored_height(self, heatmaps: Tensor, blurred: Tensor, scores: Tensor,
                         inside: Tensor) -> Tensor:
        """(B, K) factor that gives the blurred map the maximum of the raw one, as DARK does.

        It does not change derivatives of the logarithm. So it is left at 1 wherever no needed
        value is so small that DARK would raise it, and only the other maps are blurred in full.
        """
        factor = torch.ones_like(scores).flatten()
        small = (inside & (blurred.amin(dim=0) <= LOWEST_VALUE)).flatten().nonzero().squeeze(-1)
        if not len(small):
            return factor.view_as(scores)
        h, w = heatmaps.shape[-2:]
        maps = heatmaps.flatten(0, 1)
        # double on CUDA, as above
        kind = torch.float64 if maps.is_cuda else torch.float32
        down, across = (blur_matrix(self.taps, length).to(maps.device, kind) for length in (h, w))
        with torch.autocast(maps.device.type, enabled=False):
            for these in small.split(at_once(h * w)):
                highest = (down @ (maps.index_select(0, these).to(kind) @ across)).amax(
                    dim=(-2, -1)).float()
                factor[these] = scores.flatten()[these] / torch.where(highest == 0, 1.0, highest)
        return factor.view_as(scores)


def blur_matrix(taps: Tensor, length: int) -> Tensor:
    """(length, length) float32: its product with a column, or that of a row with it, is blurred
    by the taps, with 0 beyond the ends. A product costs a CPU a third of adding shifted maps."""
    return _blurring_rows(taps, torch.arange(length), length).float()


def window_matrices(taps: Tensor) -> Tensor:
    """(n, 5, n), n = len(taps) + 4: [m] @ row is the row, n pixels or less, blurred at m - 2 ..
    m + 2, with 0 beyond its ends. For shorter rows the matrices are cut."""
    side = len(taps) + 4
    return _blurring_rows(taps, torch.arange(side)[:, None] + torch.arange(-2, 3), side)


def _blurring_rows(taps: Tensor, targets: Tensor, length: int) -> Tensor:
    """(..., length): the product of a column with row [i] is the column blurred at targets[i]."""
    distance, reach = torch.arange(length) - targets[..., None], len(taps) // 2
    return torch.where(distance.abs() <= reach, taps[(distance + reach).clamp(0, 2 * reach)], 0.0)


def at_once(pixels: int) -> int:
    """How many maps or windows of so many pixels to blur together."""
    return max(1, PIXELS_AT_ONCE // pixels)


def derivatives(log: Tensor) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor, Tensor]]:
    """First (x, y) and second (xx, yy, xy) derivatives of the log map at its maximum, from its
    values (13, ...) at NEEDED. Differences as in DARK: second ones over two pixels."""
    (at, right, left, right2, left2, below, above, below2, above2,
     right_below, left_below, right_above, left_above) = log
    first = (right - left) * 0.5, (below - above) * 0.5
    hxy = (right_below - right_above - left_below + left_above) * 0.25
    return first, ((right2 - 2 * at + left2) * 0.25, (below2 - 2 * at + above2) * 0.25, hxy)


def newton_step(first: tuple[Tensor, Tensor], second: tuple[Tensor, Tensor, Tensor],
                ) -> tuple[Tensor, Tensor]:
    """-H^-1 g in x and y, pixels, of `derivatives`; 0 where H cannot be inverted."""
    (gx, gy), (hxx, hyy, hxy) = first, second
    determinant = hxx * hyy - hxy * hxy
    inverse = torch.where(determinant != 0, 1 / determinant, 0.0)
    return (hxy * gy - hyy * gx) * inverse, (hxy * gx - hxx * gy) * inverse


def peak_covariance(hxx: Tensor, hyy: Tensor, hxy: Tensor) -> Tensor:
    """-H^-1 of the second derivatives of a log map: (..., 2, 2), pixels squared.

    Of a Gaussian it is the covariance; of a blurred one, that of the blur is in it. NaN where H is
    not negative definite: the place is no peak, as on flat maps, ridges and saddles.
    """
    determinant = hxx * hyy - hxy * hxy
    scale = torch.where((hxx < 0) & (determinant > 0), 1 / determinant, torch.nan)
    adjugate = torch.stack([-hyy, hxy, hxy, -hxx], dim=-1).unflatten(-1, (2, 2))
    return adjugate * scale[..., None, None]


class ViTPoseDecoder:
    """UDP's decoder as ViTPose's own code has it: blur, logarithm, one Newton step.

    Huang et al. 2020, "The Devil is in the Details". Unlike DARK's it mirrors the map at its border
    (without repeating the edge), keeps values between 0.001 and 50 before the logarithm, takes
    differences over one pixel, moves maxima at the border too, and does not give the blurred map
    the height of the raw one. mmpose 1.x differs near the border, where it blurs as DARK.

    blur_kernel: side of the Gaussian that smooths the map, odd, heatmap pixels.
    """

    def __init__(self, blur_kernel: int = 11):
        self.taps = gaussian_taps(blur_kernel)

    def __call__(self, heatmaps: Tensor) -> tuple[Tensor, Tensor]:
        h, w = heatmaps.shape[-2:]
        x, y, scores = find_maxima(heatmaps)
        around = torch.tensor([-1, 0, 1], device=heatmaps.device)
        down = mirrored_blur_matrix(self.taps.to(heatmaps.device), h)[
            (y[..., None] + around).clamp(0, h - 1)]
        across = mirrored_blur_matrix(self.taps.to(heatmaps.device), w)[
            (x[..., None] + around).clamp(0, w - 1)]
        # in double, which neither autocast nor TF32 shortens: (B, K, 3, 3)
        blurred = (down @ heatmaps.double() @ across.mT).float()
        # 50.0: beside a float the exporter takes no whole number
        rows = blurred.clamp(1e-3, 50.0).log().flatten(-2).unbind(-1)
        left_above, above, _, left, at, right, _, below, right_below = rows
        gx, gy = (right - left) * 0.5, (below - above) * 0.5
        tiny = torch.finfo(torch.float32).eps
        hxx, hyy = right - 2 * at + left + tiny, below - 2 * at + above + tiny
        hxy = (right_below - right - below + 2 * at - left - above + left_above) * 0.5
        determinant = hxx * hyy - hxy * hxy
        step = torch.stack([hxy * gy - hyy * gx, hxy * gx - hxx * gy], dim=-1)
        step = step / torch.where(determinant == 0, torch.inf, determinant)[..., None]
        usable = (scores > 0) & (step.abs().sum(-1) < float("inf"))    # false for NaN, too
        moved = torch.where(usable[..., None], step, 0.0)
        return torch.stack([x, y], dim=-1) + moved, scores


def mirrored_blur_matrix(taps: Tensor, length: int) -> Tensor:
    """(length, length) float64: its product with a column is blurred by the taps, with the column
    mirrored at its ends, which are not repeated."""
    pixel, reach = torch.arange(length, device=taps.device), len(taps) // 2
    period = max(1, 2 * (length - 1))
    source = (pixel[:, None] + torch.arange(-reach, reach + 1, device=taps.device)) % period
    source = torch.minimum(source, period - source)
    return ((source[..., None] == pixel) * taps[:, None]).sum(1)


# By name. Here those that blur do so with 11 pixels, DARK's kernel for sigma 2, as a function of
# maps cannot know the sigma they were painted with; HeatmapCodec makes its own for other sigmas.
DECODERS: dict[str, Decoder] = {
    "argmax": decode_argmax,
    "quarter": decode_quarter,
    "gauss_taylor": GaussTaylorKeyPointDecoder(),
    "vitpose": ViTPoseDecoder(),
}
BLURRING: dict[str, Callable[[int], Decoder]] = {       # those that a kernel belongs to
    "gauss_taylor": GaussTaylorKeyPointDecoder, "vitpose": ViTPoseDecoder}


def get_decoder(name: str, blur_kernel: int) -> Decoder:
    """The decoder of that name, with a Gaussian of `blur_kernel` pixels if it blurs."""
    return BLURRING[name](blur_kernel) if name in BLURRING else DECODERS[name]
