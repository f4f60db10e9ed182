"""One forward pass over a data set, with as many decodings as asked for."""
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from datasets.sample import Batch
from processors.models.pose_ranking import Predictions
from processors.runtime.device_batches import device_batches
from processors.runtime.normalise import normalise
from processors.runtime.precision import autocast
from utils.geometry import CropGeometry


class PoseCodec(Protocol):
    """What inference asks of a codec: a HeatmapCodec or SimCCCodec, or what stands for it where the
    network decodes by itself."""
    geometry: CropGeometry          # of the crops it is for
    input_size: tuple[int, int]     # (width, height), pixels

    def decode(self, heatmaps: Tensor) -> tuple[Tensor, ...]:
        """(B, K, h, w), or vectors (B, K, bins) -> keypoints (B, K, 2), input pixels, scores
        (B, K), and of networks with model.visibility its probabilities (B, K, 3)."""

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
    through it once, and only if one of the decodings asks for the flip test. Joints stay on the
    device until the last batch: to fetch them would be to wait for it.
    """
    assert decodings
    flipping = any(decoding.flip_test for decoding in decodings.values())
    joints: dict[str, list[tuple[Tensor, ...]]] = {name: [] for name in decodings}
    people, whole = list[Predictions](), list[np.ndarray]()
    for batch in device_batches(batches, device):
        images = normalise(batch.crop, input_format)
        with autocast(dtype, device):
            plain = model(images).float()
            mirrored = model(images.flip(3)).float() if flipping else None
        for name, decoding in decodings.items():
            heatmaps = plain
            if decoding.flip_test:
                assert mirrored is not None
                heatmaps = (plain + decoding.codec.flip_back(mirrored, flip_order)) / 2
            joints[name].append(_in_image(decoding.codec, heatmaps, batch.to_image))
        people.append(_without_joints(batch))
        whole.append(~batch.broken.numpy())     # without those whose image is broken
    if not people:
        return {name: Predictions.empty(len(flip_order)) for name in decodings}
    everybody, usable = concatenate(people), np.concatenate(whole)
    return {name: _with_joints(everybody, parts).take(usable) for name, parts in joints.items()}


def _in_image(codec: PoseCodec, heatmaps: Tensor, to_image: Tensor) -> tuple[Tensor, ...]:
    """Joints (B, K, 2) in image pixels, and what else `decode` gives, on the device."""
    keypoints, *others = codec.decode(heatmaps)
    matrix = to_image.to(keypoints.device, non_blocking=True)
    return keypoints @ matrix[:, :, :2].mT + matrix[:, None, :, 2], *others


def _without_joints(batch: Batch) -> Predictions:
    """Whom a batch shows, copied: its own memory may be shared with a worker."""
    nothing = np.zeros((len(batch), 0, 2), np.float32)
    return Predictions(nothing, nothing[..., 0], batch.box_score.numpy().copy(),
                       batch.area.numpy().copy(), batch.image_id.numpy().copy(),
                       batch.index.numpy().copy())


def _with_joints(people: Predictions, parts: list[tuple[Tensor, ...]]) -> Predictions:
    """The same people with what `decode` gave of all batches."""
    columns = [torch.cat(column).cpu().numpy() for column in zip(*parts, strict=True)]
    names = ("keypoints", "joint_scores", "visibility")[:len(columns)]
    return replace(people, **dict(zip(names, columns, strict=True)))


def concatenate(parts: list[Predictions]) -> Predictions:
    """All persons of several Predictions, in their order."""
    parts = [part for part in parts if len(part)] or parts[:1]      # nobody has no visibility
    return Predictions(**{name: np.concatenate([getattr(part, name) for part in parts])
                          for name in vars(parts[0])})
