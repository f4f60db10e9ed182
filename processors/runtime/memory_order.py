"""channels_last: the pixel-major order in memory, unless torch would crash in it."""
import torch
from torch import nn

from utils.errors import UserError

NARROW = 16             # channels
CRASHES_ABOVE = 192 * 256       # pixels of the input, whose features of a quarter held


def channels_last(net: nn.Module, input_size: tuple[int, int], device: torch.device) -> nn.Module:
    """The net in that order. input_size: (width, height) in pixels.

    Raises UserError where torch's backward pass writes beyond its memory, as seen with 2.14 on
    CPUs: 1x1 convolutions of stride 2 with fewer than 16 channels, of features larger than 48x64.
    """
    narrow = any(isinstance(layer, nn.Conv2d) and layer.kernel_size == (1, 1)
                 and layer.stride != (1, 1) and layer.in_channels < NARROW
                 for layer in net.modules())
    width, height = input_size
    if narrow and device.type == "cpu" and width * height > CRASHES_ABOVE:
        raise UserError(f"optim.channels_last: on CPUs torch crashes with so few channels "
                        f"(model.width) at codec.input_size [{width}, {height}] in this order: "
                        f"set optim.channels_last=false")
    return net.to(memory_format=torch.channels_last)
