"""Colour augmentation of one sample after the other on a CPU, by OpenCV: a tenth of the time that
batched arithmetic takes there. The same steps for GPUs, and what their values mean, are in
processors/runtime/colour_augment.py.
"""
import cv2
import numpy as np
import torch
from torch import Tensor


def change_each(crops: Tensor, steps: dict[str, tuple[Tensor, Tensor]], out: Tensor | None,
                ) -> Tensor:
    """crops: (B, H, W, 3) uint8. steps: two values (B, ...) for each step. out: memory for the
    result, (B, H, W, 3) float32."""
    out = torch.empty_like(crops, dtype=torch.float32) if out is None else out
    values = {name: list(zip(*(value.numpy() for value in pair), strict=True))
              for name, pair in steps.items()}
    for i, (crop, result) in enumerate(zip(crops.numpy(), out.numpy(), strict=True)):
        pixels = crop.astype(np.float32)
        for name, of_samples in values.items():
            pixels = ALONE[name](pixels, *of_samples[i])
        result[...] = pixels
    return out


def apply_colour_matrix(pixels: np.ndarray, matrix: np.ndarray, offset: np.ndarray) -> np.ndarray:
    """Map the colours of (H, W, 3) and cut them to 0 .. 255."""
    affine = np.column_stack([matrix, np.full(3, offset)])
    mixed = cv2.transform(pixels, affine)
    return np.clip(mixed, 0, 255, out=mixed)


def blur(pixels: np.ndarray, chosen: np.ndarray, taps: np.ndarray) -> np.ndarray:
    """Gaussian blur, if chosen; edges are continued."""
    if not chosen:
        return pixels
    blurred = cv2.sepFilter2D(pixels, -1, taps, taps, borderType=cv2.BORDER_REPLICATE)
    return np.clip(blurred, 0, 255, out=blurred)    # a sum of taps may round above 1


def erase(pixels: np.ndarray, down: np.ndarray, across: np.ndarray) -> np.ndarray:
    """Black under the rectangles, whose rows are in (H, N) and columns in (N, W)."""
    for inside in zip(down.T, across, strict=True):
        rows, columns = (np.flatnonzero(side) for side in inside)
        if len(rows) and len(columns):
            pixels[rows[0]:rows[-1] + 1, columns[0]:columns[-1] + 1] = 0
    return pixels


ALONE = {"matrix": apply_colour_matrix, "blur": blur, "erase": erase}
