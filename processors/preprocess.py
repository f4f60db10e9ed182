"""From crops to network input, batched on the device."""
from functools import lru_cache

import torch

from utils.input_format import INPUT_FORMATS


def normalise(crops: torch.Tensor, input_format: str) -> torch.Tensor:
    """(B, H, W, 3) RGB from 0 to 255 -> (B, 3, H, W) float32 in the named format.

    crops: uint8, or float32, whose memory is used for the result. The result keeps the
    pixel-major order of the crops in memory, which is torch's channels_last: convolutions like
    it and no copy is made.
    """
    if INPUT_FORMATS[input_format].order == "bgr":
        crops = crops.flip(-1)
    pixels = crops.float()
    mean, std = _rows(input_format, pixels.shape[2], pixels.device)
    pixels.flatten(2).sub_(mean).div_(std)
    return pixels.permute(0, 3, 1, 2)


@lru_cache(maxsize=16)
def _rows(input_format: str, width: int, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and std of a whole row, (3 width,): arithmetic on 3 numbers at a time is slow. Kept,
    because every tensor that is made from numbers waits for a GPU."""
    form = INPUT_FORMATS[input_format]
    with torch.inference_mode(False):   # or training could not use what evaluation has made
        return tuple(255 * torch.tensor(values * width, dtype=torch.float32, device=device)
                     for values in (form.mean, form.std))
