"""From uint8 crops to network input, batched on the device."""
import torch

from utils.input_format import INPUT_FORMATS


def normalise(crops: torch.Tensor, input_format: str) -> torch.Tensor:
    """(B, H, W, 3) uint8 RGB -> (B, 3, H, W) float32 in the named format.

    The result keeps the pixel-major order of the crops in memory, which is torch's
    channels_last: convolutions like it and no copy is made.
    """
    form = INPUT_FORMATS[input_format]
    if form.order == "bgr":
        crops = crops.flip(-1)
    mean = crops.new_tensor([255 * value for value in form.mean], dtype=torch.float32)
    std = crops.new_tensor([255 * value for value in form.std], dtype=torch.float32)
    return ((crops - mean) / std).permute(0, 3, 1, 2)
