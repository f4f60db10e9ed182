"""ImageNet weights for a ResNet trunk, through torchvision."""
import torch
from torchvision.models import get_model_weights

from nets.torchvision_weights import published_state


def imagenet_state(name: str) -> dict[str, torch.Tensor]:
    """torchvision's state_dict of `name`, from its cache or downloaded into it.

    The first version of the weights (V1), which all published pose networks started from.
    Raises ValueError where there are none, or where they cannot be had.
    """
    try:
        weights = get_model_weights(name)["IMAGENET1K_V1"]
    except ValueError as error:
        raise ValueError(f"model.pretrained is true, but torchvision has no weights for {name}; "
                         f"write the path of its ImageNet file (HRNet's authors call theirs "
                         f"hrnet_w32-36af842e.pth) or false") from error
    return published_state(weights, f"model.pretrained is true, but the ImageNet weights of {name}",
                           "set model.pretrained to its path or to false")
