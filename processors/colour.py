"""Colour augmentation: jitter, grey, blur and covered rectangles for a batch on its device.

A sample's own numbers (datasets/colour_draws.py) decide, and nothing mixes samples, so it looks
the same in every batch. The device is never waited for.
"""
import math
from collections.abc import Callable
from functools import lru_cache

import torch
from torch import Tensor
from torch.nn.functional import pad

from configs.schema import AugmentConfig
from datasets.colour_draws import AMOUNTS, BLUR_SIGMA, CHANCES, DROPOUT_COUNT, RECTANGLES

LUMA = (0.299, 0.587, 0.114)    # grey of a colour (ITU-R BT.601, as JPEG has it)
CHROMA = ((0.596, -0.274, -0.322), (0.211, -0.523, 0.312))      # the I and Q of YIQ
MID_GREY = 127.5
SHORTEST_SIDE = 0.1             # of a covered rectangle, as a part of the crop's
PIXELS_AT_ONCE = 4              # matrices 3 wide are slow to multiply; 4 pixels make it 12
CHUNK = 2                       # samples whose pixels stay in a CPU's cache from step to step


def recolour(crops: Tensor, draws: Tensor, config: AugmentConfig, out: Tensor | None = None,
             ) -> Tensor:
    """Change the colours of training crops as the settings ask for.

    crops: (B, H, W, 3) uint8 RGB. draws: (B, R) of the same samples. Returns (B, H, W, 3)
    float32 from 0 to 255, or the crops themselves if all is off. out: memory for the result
    on a CPU, which takes half as long again to map fresh memory for a whole batch.
    """
    steps: list[tuple[Callable[..., Tensor], tuple[Tensor, ...]]] = []
    if config.grey or any(getattr(config, name) for name in AMOUNTS):
        steps.append((mix, pixel_blocks(*colour_matrices(draws, config))))
    if config.blur:
        steps.append((blur, blur_taps(draws, config)))
    if config.dropout:
        steps.append((cover, rectangles(draws, config, *crops.shape[1:3])))
    if not steps:
        return crops

    def changed(some: slice) -> Tensor:
        pixels = crops[some].float()
        for function, values in steps:
            pixels = function(pixels, *(value[some] for value in values))
        return pixels

    if not on_cpu(crops):
        return changed(slice(None))
    out = torch.empty_like(crops, dtype=torch.float32) if out is None else out
    for first in range(0, len(crops), CHUNK):
        out[first:first + CHUNK] = changed(slice(first, first + CHUNK))
    return out


def on_cpu(tensor: Tensor) -> bool:
    return tensor.device.type == "cpu"


def colour_matrices(draws: Tensor, config: AugmentConfig) -> tuple[Tensor, Tensor]:
    """All of jitter and grey as one affine map of colours: (B, 3, 3) and (B,), with
    new = matrix @ old + offset.

    Saturation and hue scale and turn the chroma, the part of a colour that is not its luma;
    brightness scales all, contrast scales the distance from mid grey.
    """
    amount = {name: draws[:, i] * getattr(config, name) for name, i in AMOUNTS.items()}
    to_yiq, from_yiq = _yiq(draws.device)
    colourful = draws[:, CHANCES["grey"]] >= config.grey
    angle = torch.deg2rad(amount["hue"])
    length = colourful * (1 + amount["saturation"])
    cos, sin, zero = length * angle.cos(), length * angle.sin(), torch.zeros_like(angle)
    chroma = torch.stack([zero + 1, zero, zero, zero, cos, -sin, zero, sin, cos], 1)
    matrix = from_yiq @ chroma.view(-1, 3, 3) @ to_yiq
    contrast = 1 + amount["contrast"]
    return (matrix * (contrast * (1 + amount["brightness"]))[:, None, None],
            MID_GREY * (1 - contrast))


@lru_cache(maxsize=16)
def _yiq(device: torch.device) -> tuple[Tensor, Tensor]:
    """RGB -> YIQ and back, (3, 3). Kept, because a tensor made from numbers waits for a GPU."""
    to_yiq = torch.tensor((LUMA, *CHROMA), dtype=torch.float64)
    return to_yiq.float().to(device), torch.linalg.inv(to_yiq).float().to(device)


def pixel_blocks(matrices: Tensor, offsets: Tensor) -> tuple[Tensor, Tensor]:
    """Colour maps as `mix` multiplies them: (B, 12, 12) with one matrix for each of 4 pixels."""
    blocks = matrices.new_zeros(len(matrices), PIXELS_AT_ONCE, 3, PIXELS_AT_ONCE, 3)
    for i in range(PIXELS_AT_ONCE):
        blocks[:, i, :, i] = matrices.mT
    return blocks.flatten(3).flatten(1, 2), offsets[:, None, None]


def mix(pixels: Tensor, blocks: Tensor, offsets: Tensor) -> Tensor:
    """Map the colours of (B, H, W, 3) and cut them to 0 .. 255."""
    rows = pixels.view(len(pixels), -1, 3 * PIXELS_AT_ONCE)
    return torch.baddbmm(offsets, rows, blocks).clamp_(0, 255).view_as(pixels)


def blur_taps(draws: Tensor, config: AugmentConfig) -> tuple[Tensor, Tensor]:
    """Which samples are blurred (B,), and the weights of the pixels around (B, 2 radius + 1)."""
    chosen = draws[:, CHANCES["blur"]] < config.blur
    sigma = (draws[:, BLUR_SIGMA] * config.blur_sigma).clamp(min=0.1)
    radius = math.ceil(2.5 * config.blur_sigma)
    distance = torch.arange(-radius, radius + 1, device=draws.device)
    taps = torch.exp(distance ** 2 / (-2 * sigma[:, None] ** 2))
    taps *= distance.abs() <= (2.5 * sigma[:, None]).ceil()
    taps = torch.where(chosen[:, None], taps / taps.sum(1, keepdim=True), (distance == 0).to(taps))
    return chosen, taps


def blur(pixels: Tensor, chosen: Tensor, taps: Tensor) -> Tensor:
    """Gaussian blur of the chosen ones of (B, H, W, 3), down and across; edges are continued.

    Sums of shifted pictures: a convolution with kernels of its own for each sample may compute
    differently in another batch.
    """
    if on_cpu(pixels) and not chosen.all():     # a GPU would have to be waited for: there the
        picked = chosen.nonzero()[:, 0]         # others go through it with one tap of 1
        if len(picked):
            pixels[picked] = blur(pixels[picked], chosen[picked], taps[picked])
        return pixels
    radius = taps.shape[1] // 2
    for dim, frame in ((1, (0, 0, radius, radius)), (2, (radius, radius, 0, 0))):
        size = pixels.shape[dim]
        wide = pad(pixels.permute(0, 3, 1, 2), frame, mode="replicate").permute(0, 2, 3, 1)
        pixels = torch.zeros_like(pixels)
        for i, weights in enumerate(taps.T):
            if on_cpu(pixels) and not weights.any():
                continue
            pixels.addcmul_(wide.narrow(dim, i, size), weights[:, None, None, None])
    return pixels


def rectangles(draws: Tensor, config: AugmentConfig, height: int, width: int,
               ) -> tuple[Tensor, Tensor]:
    """Coarse dropout: 1 where a rectangle has a row (B, H, N) or a number of a row (B, N, 3 W)."""
    happens = draws[:, CHANCES["dropout"]] < config.dropout
    count = happens * (1 + (draws[:, DROPOUT_COUNT] * config.dropout_count).floor())
    numbers = draws[:, RECTANGLES].view(len(draws), -1, 4)[:, :config.dropout_count]
    used = torch.arange(numbers.shape[1], device=draws.device) < count[:, None]
    shortest = min(SHORTEST_SIDE, config.dropout_size)
    sides = shortest + numbers[..., :2] * (config.dropout_size - shortest)
    first = numbers[..., 2:] * (1 - sides)
    last = first + sides * used[..., None]

    def inside(axis: int, length: int) -> Tensor:
        places = (torch.arange(length, device=draws.device) + 0.5) / length
        first_, last_ = first[..., axis, None], last[..., axis, None]
        return ((places >= first_) & (places < last_)).float()

    across = inside(0, width)[..., None].expand(-1, -1, -1, 3)      # red, green and blue
    return inside(1, height).mT.contiguous(), across.flatten(2)


def cover(pixels: Tensor, down: Tensor, across: Tensor) -> Tensor:
    """Black under the rectangles. The joints there keep their weight: the network is to guess
    them, as behind real things.

    1 less the number of rectangles over a pixel, by a product of floats: torch's booleans take
    ten times as long.
    """
    if on_cpu(pixels) and not down.any():
        return pixels
    seen = torch.baddbmm(pixels.new_ones(1, 1, 1), down, across, alpha=-1).clamp_(min=0)
    return pixels.flatten(2).mul_(seen).view_as(pixels)
