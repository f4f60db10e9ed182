"""Decoders: from heatmaps to joint coordinates in heatmap pixels, batched, on any device.

A decoder takes heatmaps (B, K, h, w) of any float type and returns coordinates (B, K, 2) float32,
heatmap pixels (x, y), and scores (B, K) float32, the raw maximum of each map. A map whose
maximum is not positive says nothing: its coordinates are (0, 0), as in the official codes.
"""
import torch
import torch.nn.functional as F
from torch import Tensor

# What OpenCV blurs with at these sizes when no sigma is given; above, sigma follows the size.
SMALL_KERNELS = {
    1: (1,),
    3: (1, 2, 1),
    5: (1, 4, 6, 4, 1),
    7: (2, 7, 14, 18, 14, 7, 2),
    9: (4, 13, 30, 51, 60, 51, 30, 13, 4),
}
SMALLEST = 1e-10     # DARK: values below are raised to this before the logarithm


def gaussian_taps(size: int) -> Tensor:
    """(size,) float64 taps of sum 1, those of OpenCV's GaussianBlur with sigma 0."""
    if size in SMALL_KERNELS:
        taps = torch.tensor(SMALL_KERNELS[size], dtype=torch.float64)
    else:
        sigma = 0.3 * ((size - 1) * 0.5 - 1) + 0.8
        distance = torch.arange(size, dtype=torch.float64) - (size - 1) / 2
        taps = torch.exp(-distance ** 2 / (2 * sigma ** 2))
    return taps / taps.sum()


def find_maxima(heatmaps: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Maximum of every map: x, y (B, K) int64, and its value (B, K) float32.

    The first one in row-major order if there are several; (0, 0) if it is not positive. Rows
    first, then the columns of the winning row: far cheaper than a search over the flat map.
    """
    rows = heatmaps.amax(dim=-1)
    y = rows.argmax(dim=-1, keepdim=True)
    best = rows.gather(-1, y).float()
    row = heatmaps.gather(-2, y[..., None].expand(*y.shape, heatmaps.shape[-1]))
    x = row.squeeze(-2).argmax(dim=-1, keepdim=True)
    positive = best > 0
    return ((x * positive).squeeze(-1), (y * positive).squeeze(-1), best.squeeze(-1))


def decode_argmax(heatmaps: Tensor) -> tuple[Tensor, Tensor]:
    """The pixel of the maximum."""
    x, y, scores = find_maxima(heatmaps)
    return torch.stack([x, y], dim=-1).float(), scores


def decode_quarter(heatmaps: Tensor) -> tuple[Tensor, Tensor]:
    """The maximum, moved a quarter pixel towards the higher neighbour in x and in y.

    SimpleBaselines and HRNet. Not moved within two pixels of the border as they have it:
    index 1 stays, index w - 2 moves.
    """
    h, w = heatmaps.shape[-2:]
    x, y, scores = find_maxima(heatmaps)
    inside = (x > 1) & (x < w - 1) & (y > 1) & (y < h - 1)
    at = (y * w + x).clamp(w, (h - 1) * w - 1)      # stays in the map; used only where inside
    around = at[..., None] + torch.tensor([1, -1, w, -w], device=heatmaps.device)
    right, left, below, above = heatmaps.flatten(-2).gather(-1, around).float().unbind(-1)
    shift = 0.25 * torch.stack([torch.sign(right - left), torch.sign(below - above)], dim=-1)
    return torch.stack([x, y], dim=-1) + shift * inside[..., None], scores


class GaussTaylorKeyPointDecoder:
    """DARK (Zhang et al. 2020): blur, logarithm, and one Newton step from the maximum.

    The logarithm of a Gaussian is a parabola, so one step from the highest pixel lands on its
    real-valued centre. There is no limit on the step and no check of the curvature, as in the
    official code; maxima within two pixels of the border are not moved. The network predicts
    what `HeatmapCodec.encode` with encoding "exact" paints.

    The step needs the blurred map at 13 pixels only, so only those are computed, each from the
    patch of the kernel's size around it.

    blur_kernel: side of the Gaussian that smooths the map, odd, heatmap pixels.
    """

    def __init__(self, blur_kernel: int = 11):
        if blur_kernel < 1 or blur_kernel % 2 == 0:
            raise ValueError(f"codec.blur_kernel is {blur_kernel}: give an odd number of pixels, "
                             f"11 for sigma 2")
        self.taps = gaussian_taps(blur_kernel)
        self.reach = blur_kernel // 2 + 2               # patch around the maximum
        band = F.pad(self.taps, (0, 4)).repeat(5, 1)    # blur at offsets -2 .. 2 of a patch row
        band = torch.stack([row.roll(i) for i, row in enumerate(band)])
        self.weights = torch.stack(
            [torch.outer(band[2 + dy], band[2 + dx]).flatten() for dx, dy in NEEDED], dim=-1)

    def __call__(self, heatmaps: Tensor) -> tuple[Tensor, Tensor]:
        h, w = heatmaps.shape[-2:]
        x, y, scores = find_maxima(heatmaps)
        blurred = self._blur_around(heatmaps, x, y)
        factor = self._restored_height(heatmaps, blurred, scores)
        step = newton_step((blurred * factor[..., None]).clamp(min=SMALLEST).log())
        inside = (x > 1) & (x < w - 2) & (y > 1) & (y < h - 2)
        usable = inside & step.isfinite().all(dim=-1)   # maps with infinities are not moved
        step = torch.where(usable[..., None], step, torch.zeros_like(step))
        return torch.stack([x, y], dim=-1) + step, scores

    def _blur_around(self, heatmaps: Tensor, x: Tensor, y: Tensor) -> Tensor:
        """(B, K, 13) blurred values at NEEDED; beyond the border everything is 0."""
        h, w = heatmaps.shape[-2:]
        window = torch.arange(-self.reach, self.reach + 1, device=heatmaps.device)
        rows, columns = y[..., None] + window, x[..., None] + window
        exists = (((rows >= 0) & (rows < h))[..., :, None]
                  & ((columns >= 0) & (columns < w))[..., None, :]).flatten(-2)
        where = rows.clamp(0, h - 1)[..., :, None] * w + columns.clamp(0, w - 1)[..., None, :]
        patch = heatmaps.flatten(-2).gather(-1, where.flatten(-2)).float() * exists
        return patch @ self.weights.to(patch)

    def _restored_height(self, heatmaps: Tensor, blurred: Tensor, scores: Tensor) -> Tensor:
        """(B, K) factor that gives the blurred map the maximum of the raw one.

        It does not change derivatives of the logarithm, so it is 1 wherever no needed value is
        so small that DARK would raise it; only the other maps are blurred in full.
        """
        small = (scores > 0) & (blurred.amin(dim=-1) <= SMALLEST)
        maps = heatmaps[small].float()[:, None]
        taps = self.taps.to(maps)
        pad = len(taps) // 2
        maps = F.conv2d(maps, taps[None, None, :, None], padding=(pad, 0))
        highest = F.conv2d(maps, taps[None, None, None, :], padding=(0, pad)).amax(dim=(-3, -2, -1))
        factor = torch.ones_like(scores)
        factor[small] = scores[small] / torch.where(highest == 0, 1.0, highest)
        return factor


# Offsets (dx, dy) from the maximum at which the Newton step reads the map.
NEEDED = ((0, 0), (1, 0), (-1, 0), (2, 0), (-2, 0), (0, 1), (0, -1), (0, 2), (0, -2),
          (1, 1), (-1, 1), (1, -1), (-1, -1))


def newton_step(log: Tensor) -> Tensor:
    """-H^-1 g of the log map, (..., 2) pixels, from its values (..., 13) at NEEDED; 0 where H
    cannot be inverted. Differences as in DARK: second derivatives over two pixels."""
    (at, right, left, right2, left2, below, above, below2, above2,
     right_below, left_below, right_above, left_above) = log.unbind(-1)
    gx, gy = (right - left) * 0.5, (below - above) * 0.5
    hxx, hyy = (right2 - 2 * at + left2) * 0.25, (below2 - 2 * at + above2) * 0.25
    hxy = (right_below - right_above - left_below + left_above) * 0.25
    determinant = hxx * hyy - hxy * hxy
    solvable = determinant != 0
    divisor = torch.where(solvable, determinant, torch.ones_like(determinant))
    step = torch.stack([hxy * gy - hyy * gx, hxy * gx - hxx * gy], dim=-1) / divisor[..., None]
    return torch.where(solvable[..., None], step, torch.zeros_like(step))


DECODERS = {
    "argmax": decode_argmax,
    "quarter": decode_quarter,
    "gauss_taylor": GaussTaylorKeyPointDecoder(),
}
