"""From crops to network input, batched on the device."""
from functools import lru_cache

import torch

from utils.input_format import INPUT_FORMATS


def normalise(crops: torch.Tensor, input_format: str, out: torch.Tensor | None = None,
              ) -> torch.Tensor:
    """(B, H, W, 3) RGB from 0 to 255 -> (B, 3, H, W) float32 in the named format.

    crops: uint8, or float32, whose memory is used for the result. The result keeps the
    pixel-major order of the crops in memory, which is torch's channels_last: convolutions like
    it and no copy is made. out: (B, H, W, 3) float32, memory for the result.
    """
    if INPUT_FORMATS[input_format].order == "bgr":
        crops = crops.flip(-1)
    pixels = crops.float() if out is None else out.copy_(crops)
    factor, offset = _rows(input_format, pixels.shape[2], pixels.device)
    rows = pixels.flatten(2)
    torch.addcmul(offset, rows, factor, out=rows)
    return pixels.permute(0, 3, 1, 2)


@lru_cache(maxsize=16)
def _rows(input_format: str, width: int, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """1 / std and -mean / std of a whole row, (3 width,): arithmetic on 3 numbers at a time is
    slow. Kept, because every tensor that is made from numbers waits for a GPU."""
    form = INPUT_FORMATS[input_format]
    factor = [1 / (255 * std) for std in form.std]
    offset = [-mean / std for mean, std in zip(form.mean, form.std, strict=True)]
    with torch.inference_mode(False):   # or training could not use what evaluation has made
        return (torch.tensor(factor * width, dtype=torch.float32, device=device),
                torch.tensor(offset * width, dtype=torch.float32, device=device))
