"""Machine: what training has to run on, and which weights can be had there."""
from dataclasses import dataclass

import torch
from torchvision.models import get_model_weights

from datasets.workers import cores
from nets.files.torchvision_weights import published_state
from nets.zoo.published import PUBLISHED
from nets.zoo.weights_by_name import place_of
from processors.runtime.torch_errors import machine_memory
from utils.errors import UserError
from utils.log import log


@dataclass(frozen=True)
class Machine:
    gpu: str            # the name of the first one, "": none
    memory: float       # GB, of the GPU, or of the machine or container where there is none
    cores: int

    @property
    def name(self) -> str:
        """In words."""
        return self.gpu or ("one processor core" if self.cores == 1 else
                            f"{self.cores} processor cores") + " and no GPU"


def this_machine() -> Machine:
    """The one this runs on."""
    if torch.cuda.is_available():
        about = torch.cuda.get_device_properties(0)
        return Machine(about.name, about.total_memory / 1e9, cores())
    return Machine("", machine_memory() / 1e9, cores())


GPU_BACKBONE = "resnet50"
SHIPPED = "simplepose/r18_160x128"      # people on photographs, by ResNet-18 to layer3 and DUC


def weights_for(machine: Machine) -> str:
    """What training starts from: "imagenet", the name of the small network that comes along, or
    "" for nothing. A processor gets the small one, which has seen people and is half as large."""
    if machine.gpu and imagenet_can_be_had(GPU_BACKBONE):
        return "imagenet"
    if place_of(PUBLISHED[SHIPPED]).is_file():
        return SHIPPED
    log.warning("training starts from nothing, of which few pictures make little: %s is not with "
                "this project", place_of(PUBLISHED[SHIPPED]))
    return ""


def imagenet_can_be_had(name: str) -> bool:
    """Whether torchvision's ImageNet weights are in torch's cache, downloading them if need be."""
    try:
        published_state(get_model_weights(name)["IMAGENET1K_V1"],
                        f"ImageNet's weights of {name}", "be content with less")
    except (UserError, OSError) as error:
        log.warning("training does not start from ImageNet's weights: %s", error)
        return False
    return True
