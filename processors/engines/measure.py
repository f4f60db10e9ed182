"""What a model gives and how long it takes, on people of noise."""
import time
from collections.abc import Sequence

import torch
from torch import Tensor

from processors.models.pose_model import PoseModel
from processors.runtime.precision import autocast
from utils.codecs.visibility_codec import VisibilityCodec

ROUNDS = 3      # of which the fastest counts


def seconds_of(models: Sequence[PoseModel], people: int, rounds: int = ROUNDS) -> list[float]:
    """Of each model on one batch, in turns, after a first round that does not count."""
    images = example_images(models[0], people)
    found: list[list[float]] = [[] for _ in models]
    for _ in range(rounds + 1):
        for model, seconds in zip(models, found, strict=True):
            start = time.perf_counter()
            outputs_of(model, images)
            seconds.append(time.perf_counter() - start)
    return [min(seconds[1:]) for seconds in found]


@torch.inference_mode()     # as in prediction, or a compiled network would be compiled again
def example_images(model: PoseModel, people: int) -> Tensor:
    """(people, 3, H, W) float32 on the model's device, the same in each call."""
    width, height = model.codec.input_size
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(people, 3, height, width, generator=generator).to(model.device)
    return images.contiguous(memory_format=torch.channels_last)


@torch.inference_mode()
def outputs_of(model: PoseModel, images: Tensor) -> Tensor:
    """(B, numbers) float32 on the CPU, to which the device is waited for. Visibility is told by
    probabilities, since networks may give other logits for the same ones."""
    with autocast(model.dtype, model.device):
        found = model.network(images).float().cpu()
    if not isinstance(model.codec, VisibilityCodec):
        return found.flatten(1)
    places, logits = model.codec.split(found)
    return torch.cat([places.flatten(1), logits.softmax(dim=-1).flatten(1)], dim=1)
