"""`python main.py info --backbones PATTERN`: networks of timm, their cost and their licences."""
from functools import lru_cache
from textwrap import shorten

import torch

from nets import build_net
from nets.files.timm_weights import timm_names
from processors.jobs.info import cost_of
from utils.errors import UserError
from utils.log import show


def print_backbones(pattern: str, input_size: tuple[int, int]) -> None:
    """A line for each name with pretrained weights that fits the pattern, such as convnext_t*.

    input_size: (width, height) in pixels. Raises UserError where timm is missing or nothing fits.
    """
    licences = timm_names(pattern)
    width, height = input_size
    longest = max(map(len, licences))
    show(f"{len(licences)} names of timm, without a head, at {width}x{height} (width x height)\n"
         f"{'model.name':{longest}}  parameters   GMACs  stride  licence of the weights")
    for name, licence in licences.items():
        show(f"{name:{longest}}  {_cost(name.partition('.')[0], input_size)}  {licence}")


@lru_cache(maxsize=1)      # the same for all weights of a network, which follow one another
def _cost(architecture: str, input_size: tuple[int, int]) -> str:
    try:
        with torch.device("meta"):
            net = build_net(type="pose_timm", name=architecture, head="simple",
                            input_size=input_size)
            cost = cost_of(net, input_size)
    except UserError as error:
        return f"left out: {str(error).removesuffix(': choose another network')}"
    except Exception as error:      # over a thousand networks, and not all of them fit any input
        return "left out: " + shorten(f"{type(error).__name__} {error}", 100, placeholder="...")
    stride = int(net.backbone.stride)
    return (f"{cost.parameters['backbone'] / 1e6:8.2f} M {cost.macs['backbone'] / 1e9:7.3f} "
            f"{stride:7}")
