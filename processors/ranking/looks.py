"""look: what a network says of people and of their mirror images, with the shape of its peaks."""
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from datasets.sample import Batch
from processors.models.pose_model import PoseModel
from processors.runtime.device_batches import device_batches
from processors.runtime.normalise import normalise
from processors.runtime.precision import autocast
from utils.codecs.visibility_codec import VisibilityCodec
from utils.errors import UserError
from utils.heatmap_codec import HeatmapCodec


@dataclass(frozen=True)
class Looks:
    """N people with K joints each, in the order of their batches; image pixels."""
    keypoints: np.ndarray   # (N, K, 2) float64, of both images' mean heatmap (the flip test)
    heights: np.ndarray     # (N, K) float64, of its maximum
    covariance: np.ndarray  # (N, K, 2, 2) float64, pixels squared, see `peak_covariance`; NaN
                            # where there is no peak
    flips: np.ndarray       # (N, K, 2) float64, from the joint that the image alone gives to that
                            # of its mirror image
    at_labels: np.ndarray   # (N, K) float64, height of the mean heatmap where the label is; 0
                            # beside the map and where nothing is labelled
    index: np.ndarray       # (N,) int64, their places in the data set
    broken: np.ndarray      # (N,) bool, their image cannot be used

    def __len__(self) -> int:
        return len(self.keypoints)

    @property
    def no_peak(self) -> np.ndarray:
        """(N, K) bool."""
        return np.isnan(self.covariance).any(axis=(2, 3))

    def take(self, rows: np.ndarray) -> "Looks":
        """Those at these indices, or of this mask."""
        return Looks(**{name: values[rows] for name, values in vars(self).items()})


def concatenated(parts: list[Looks]) -> Looks:
    """Everybody of several Looks, in their order."""
    return Looks(**{name: np.concatenate([getattr(part, name) for part in parts])
                    for name in vars(parts[0])})


def ensure_heatmaps(model: PoseModel) -> None:
    """Raise UserError for a network without heatmaps, whose peaks could be looked at."""
    if not isinstance(_plain(model), HeatmapCodec):
        raise UserError("rank reads how sure a network is off the peaks of its heatmaps, and these "
                        "weights give none (codec.kind is simcc, or the file decodes by itself): "
                        "give those of a network with heatmaps")


@torch.inference_mode()
def look(model: PoseModel, batches: Iterable[Batch]) -> Looks:
    """Run the network over people and over their mirror images."""
    codec = _plain(model)
    assert isinstance(codec, HeatmapCodec)
    order = model.skeleton.flip_order
    parts = list[tuple[Tensor, ...]]()
    people = list[tuple[Tensor, Tensor]]()
    for batch in device_batches(batches, model.device):
        images = normalise(batch.crop, model.input_format)
        with autocast(model.dtype, model.device):
            plain = _heatmaps(model, model.network(images).float())
            mirrored = _heatmaps(model, model.network(images.flip(3)).float())
        mirrored = codec.flip_back(mirrored, order)
        mean = (plain + mirrored) / 2
        joints, heights, covariance = codec.decode_with_covariance(mean)
        matrix = batch.to_image.to(joints.device)
        turn = matrix[:, None, :, :2]       # input pixels to image pixels, without the shift
        flip = codec.decode(mirrored)[0] - codec.decode(plain)[0]
        parts.append((joints @ matrix[:, :, :2].mT + matrix[:, None, :, 2], heights,
                      turn @ covariance @ turn.mT, (turn @ flip[..., None]).squeeze(-1),
                      _heights_at(mean, codec.input_to_heatmap(batch.keypoints),
                                  batch.visibility > 0)))
        people.append((batch.index.clone(), batch.broken.clone()))  # workers may share the memory
    if not parts:
        raise UserError("rank: there is nobody to look at")
    arrays = [torch.cat(column).cpu().double().numpy() for column in zip(*parts, strict=True)]
    index, broken = (torch.cat(column).numpy() for column in zip(*people, strict=True))
    names = ("keypoints", "heights", "covariance", "flips", "at_labels")
    return Looks(**dict(zip(names, arrays, strict=True)), index=index, broken=broken)


def _plain(model: PoseModel):
    """The codec of what the network says of joints, beside visibility."""
    return model.codec.plain if isinstance(model.codec, VisibilityCodec) else model.codec


def _heatmaps(model: PoseModel, outputs: Tensor) -> Tensor:
    return (model.codec.split(outputs)[0] if isinstance(model.codec, VisibilityCodec)
            else outputs)


def _heights_at(heatmaps: Tensor, points: Tensor, there: Tensor) -> Tensor:
    """Of heatmaps (B, K, h, w) at the pixels nearest to points (B, K, 2), (B, K); 0 beside the map
    and where there is none."""
    h, w = heatmaps.shape[-2:]
    x, y = points.round().long().unbind(-1)
    inside = there & (x >= 0) & (x < w) & (y >= 0) & (y < h)
    place = torch.where(inside, y * w + x, 0)
    return torch.where(inside, heatmaps.flatten(-2).gather(-1, place[..., None])[..., 0], 0.0)
