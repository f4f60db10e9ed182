"""One forward pass over a data set, with as many decodings as asked for."""
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from datasets.sample import Batch
from processors.models.pose_ranking import Predictions
from processors.runtime.normalise import normalise
from processors.runtime.precision import autocast
from utils.geometry import CropGeometry


class PoseCodec(Protocol):
    """What inference asks of a codec: a HeatmapCodec or SimCCCodec, or what stands for it where the
    network decodes by itself."""
    geometry: CropGeometry          # of the crops it is for
    input_size: tuple[int, int]     # (width, height), pixels

    def decode(self, heatmaps: Tensor) -> tuple[Tensor, Tensor]:
        """(B, K, h, w), or vectors (B, K, bins) -> keypoints (B, K, 2), input pixels, and scores
        (B, K)."""

    def flip_back(self, heatmaps: Tensor, flip_order: Sequence[int]) -> Tensor:
        """Heatmaps of mirrored images as those of the images themselves."""


@dataclass(frozen=True)
class Decoding:
    """How heatmaps become keypoints: by which codec, with or without the flip test."""
    codec: PoseCodec
    flip_test: bool


@torch.inference_mode()
def predict(model: Callable[[Tensor], Tensor], batches: Iterable[Batch],
            decodings: dict[str, Decoding], flip_order: tuple[int, ...], input_format: str,
            device: torch.device, dtype: torch.dtype | None = None,
            ) -> dict[str, Predictions]:
    """Predictions in image pixels for each of the named decodings; of nobody if there is no batch.

    `model` maps images (B, 3, H, W) float32 to what the codecs decode. The mirrored images go
    through it once, and only if one of the decodings asks for the flip test.
    """
    assert decodings
    flipping = any(decoding.flip_test for decoding in decodings.values())
    found = {name: [Predictions.empty(len(flip_order))] for name in decodings}
    for batch in batches:
        images = normalise(batch.crop.to(device, non_blocking=True), input_format)
        with autocast(dtype, device):
            plain = model(images).float()
            mirrored = model(images.flip(3)).float() if flipping else None
        for name, decoding in decodings.items():
            heatmaps = plain
            if decoding.flip_test:
                assert mirrored is not None
                heatmaps = (plain + decoding.codec.flip_back(mirrored, flip_order)) / 2
            found[name].append(_in_image(decoding.codec, heatmaps, batch))
    return {name: concatenate(parts) for name, parts in found.items()}


def _in_image(codec: PoseCodec, heatmaps: Tensor, batch: Batch) -> Predictions:
    keypoints, scores = codec.decode(heatmaps)
    matrix = batch.to_image.to(keypoints.device)
    keypoints = keypoints @ matrix[:, :, :2].mT + matrix[:, None, :, 2]
    people = Predictions(keypoints=keypoints.cpu().numpy(), joint_scores=scores.cpu().numpy(),
                         box_scores=batch.box_score.numpy(), areas=batch.area.numpy(),
                         image_ids=batch.image_id.numpy(), index=batch.index.numpy())
    return people.take(~batch.broken.numpy())    # without those whose image is broken


def concatenate(parts: list[Predictions]) -> Predictions:
    """All persons of several Predictions, in their order."""
    return Predictions(**{name: np.concatenate([getattr(part, name) for part in parts])
                          for name in vars(parts[0])})
