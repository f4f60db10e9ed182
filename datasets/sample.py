"""Sample: one person as a data worker hands it over. Batch: many of them, stacked.

A sample carries pixels as uint8 and joints as coordinates; colour, normalisation and heatmaps
are made in batches on the device (processors/runtime/normalise.py, utils/heatmap_codec.py).
"""
from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace

import numpy as np
import torch

ON_DEVICE = ("crop", "keypoints", "visibility", "draws")    # what training computes with


@dataclass
class Sample:
    crop: np.ndarray         # (H, W, 3) uint8, RGB
    keypoints: np.ndarray    # (K, 2) float32, pixels of the crop ("input pixels")
    visibility: np.ndarray   # (K,) float32, 1 = labelled, also beside the crop: how far
                             # from it a joint is still painted is the codec's to say;
                             # with model.visibility what visibility_codec.py lists
    to_image: np.ndarray     # (2, 3) float32, affine from input pixels to image pixels; NaN for
                             # training samples with perspective, which no affine undoes
    index: int               # position in the data set
    image_id: int
    area: float              # of the padded box, image pixels squared (what OKS-NMS uses)
    box_score: float         # detector score, 1 for ground-truth boxes
    broken: bool = False     # its image cannot be used
    draws: np.ndarray = field(      # (R,) float32 for the colours, or (0,) without augmentation
        default_factory=lambda: np.empty(0, np.float32))


@dataclass
class Batch:
    crop: torch.Tensor        # (B, H, W, 3) uint8
    keypoints: torch.Tensor   # (B, K, 2) float32
    visibility: torch.Tensor  # (B, K) float32
    to_image: torch.Tensor    # (B, 2, 3) float32
    index: torch.Tensor       # (B,) int64
    image_id: torch.Tensor    # (B,) int64
    area: torch.Tensor        # (B,) float32
    box_score: torch.Tensor   # (B,) float32
    broken: torch.Tensor      # (B,) bool
    draws: torch.Tensor       # (B, R) float32, see datasets/crops/colour_params.py

    def __len__(self) -> int:
        return len(self.crop)

    def chunks(self, number: int) -> list["Batch"]:
        """`number` equal micro-batches, for gradient accumulation."""
        assert len(self) % number == 0
        columns = [getattr(self, field.name).chunk(number) for field in fields(self)]
        return [Batch(*parts) for parts in zip(*columns, strict=True)]

    def split(self, sizes: Sequence[int]) -> list["Batch"]:
        """Batches of these sizes, one after the other."""
        columns = [getattr(self, field.name).split(sizes) for field in fields(self)]
        return [Batch(*parts) for parts in zip(*columns, strict=True)]

    def pin_memory(self) -> "Batch":
        """Called by the DataLoader when it is asked for pinned memory."""
        return Batch(*(getattr(self, field.name).pin_memory() for field in fields(self)))

    def to(self, device: torch.device) -> "Batch":
        """The tensors that a device computes with, moved there; ids, areas and scores stay."""
        return replace(self, **{name: getattr(self, name).to(device, non_blocking=True)
                                for name in ON_DEVICE})

    def used_on(self, stream: torch.cuda.Stream) -> None:
        """Keep the memory until `stream` is done with it, though another stream filled it."""
        for name in ON_DEVICE:
            getattr(self, name).record_stream(stream)


def joined(batches: Sequence[Batch]) -> Batch:
    """One behind the other."""
    return Batch(*(torch.cat([getattr(batch, field.name) for batch in batches])
                   for field in fields(Batch)))


def collate(samples: list[Sample]) -> Batch:
    """Stack samples; the data loader's `collate_fn`."""
    columns = ([getattr(sample, column.name) for sample in samples] for column in fields(Batch))
    return Batch(*(torch.from_numpy(np.stack(values)) if isinstance(values[0], np.ndarray)
                   else torch.tensor(values) for values in columns))
