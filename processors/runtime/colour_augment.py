"""Colour augmentation: jitter, grey, blur and covered rectangles for a batch on its device.

A sample's own numbers (datasets/crops/colour_params.py) decide, and nothing mixes samples, so it
looks the same in every batch. The device is never waited for. Parameters are computed here for the
batch; they are applied batched on a GPU and sample by sample on a CPU (colour_augment_cpu.py).
"""
import math
from functools import lru_cache

import torch
from torch import Tensor
from torch.nn.functional import pad

from configs.schema import AugmentConfig
from datasets.crops.colour_params import AMOUNTS, BLUR_SIGMA, CHANCES, DROPOUT_COUNT, RECTANGLES
from processors.runtime.colour_augment_cpu import change_each

LUMA = (0.299, 0.587, 0.114)    # grey of a colour (ITU-R BT.601, as JPEG has it)
CHROMA = ((0.596, -0.274, -0.322), (0.211, -0.523, 0.312))      # the I and Q of YIQ
MID_GREY = 127.5
SHORTEST_SIDE = 0.1             # of a covered rectangle, as a part of the crop's


def augment_colour(crops: Tensor, draws: Tensor, config: AugmentConfig, out: Tensor | None = None,
             ) -> Tensor:
    """Change the colours of training crops as the settings ask for.

    crops: (B, H, W, 3) uint8 RGB. draws: (B, R) of the same samples. Returns (B, H, W, 3)
    float32 from 0 to 255, or the crops themselves if all is off. out: memory for the result
    on a CPU, which takes half as long again to map fresh memory for a whole batch.
    """
    steps: dict[str, tuple[Tensor, Tensor]] = {}
    if config.grey or any(getattr(config, name) for name in AMOUNTS):
        steps["matrix"] = colour_matrices(draws, config)
    if config.blur:
        steps["blur"] = blur_taps(draws, config)
    if config.dropout:
        steps["erase"] = rectangles(draws, config, *crops.shape[1:3])
    if not steps:
        return crops
    if on_cpu(crops):
        return change_each(crops, steps, out)
    pixels = crops.float()
    for name, values in steps.items():
        pixels = BATCHED[name](pixels, *values)
    return pixels


def on_cpu(tensor: Tensor) -> bool:
    return tensor.device.type == "cpu"


# ---- what is done, for all samples -------------------------------------------------------------

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


def rectangles(draws: Tensor, config: AugmentConfig, height: int, width: int,
               ) -> tuple[Tensor, Tensor]:
    """Coarse dropout: 1 where one of N rectangles has a row (B, H, N) or a column (B, N, W).

    The joints under it keep their weight: the network is to guess them, as behind real things.
    """
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

    return inside(1, height).mT.contiguous(), inside(0, width)


# ---- doing it to a batch on a GPU --------------------------------------------------------------

def apply_colour_matrix(pixels: Tensor, matrices: Tensor, offsets: Tensor) -> Tensor:
    """Map the colours of (B, H, W, 3) and cut them to 0 .. 255.

    Matrices 3 wide are slow to multiply, so 4 pixels at once go through one of 12 x 12.
    """
    blocks = matrices.new_zeros(len(matrices), 4, 3, 4, 3)
    for i in range(4):
        blocks[:, i, :, i] = matrices.mT
    rows = pixels.view(len(pixels), -1, 12)
    mixed = torch.baddbmm(offsets[:, None, None], rows, blocks.view(-1, 12, 12))
    return mixed.clamp_(0, 255).view_as(pixels)


def blur(pixels: Tensor, chosen: Tensor, taps: Tensor) -> Tensor:
    """Gaussian blur of (B, H, W, 3), down and across; edges are continued. What is not chosen has
    one tap of 1: picking the others out would wait for the device.

    Sums of shifted pictures: a convolution with kernels of its own for each sample may compute
    differently in another batch.
    """
    radius = taps.shape[1] // 2
    for dim, frame in ((1, (0, 0, radius, radius)), (2, (radius, radius, 0, 0))):
        size = pixels.shape[dim]
        wide = pad(pixels.permute(0, 3, 1, 2), frame, mode="replicate").permute(0, 2, 3, 1)
        pixels = torch.zeros_like(pixels)
        for i, weights in enumerate(taps.T):
            pixels.addcmul_(wide.narrow(dim, i, size), weights[:, None, None, None])
    return pixels


def erase(pixels: Tensor, down: Tensor, across: Tensor) -> Tensor:
    """Black under the rectangles: 1 less their number over a pixel, by a product of floats."""
    seen = torch.baddbmm(pixels.new_ones(1, 1, 1), down, across, alpha=-1).clamp_(min=0)
    return pixels.mul_(seen[..., None])


BATCHED = {"matrix": apply_colour_matrix, "blur": blur, "erase": erase}
