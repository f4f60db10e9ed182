"""Crops cut on the device: a picture goes there once, and not each person's piece of it."""
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from datasets.crops.warp import shrunk_piece


def device_crops(image: np.ndarray, matrices: Sequence[np.ndarray], input_size: tuple[int, int],
                 device: torch.device) -> Tensor:
    """What `warp_averaged` gives for each matrix (2, 3), image pixels -> input pixels: crops
    (N, H, W, 3) uint8 on the device, of an image (H, W, 3) uint8.

    Single pixels differ by one grey level, where OpenCV rounds otherwise (OpenCV 4 by more, as it
    knows 32 places in a pixel). Pieces with far more pixels than the crop are shrunk by OpenCV.
    """
    width, height = input_size
    crops = torch.empty(len(matrices), height, width, 3, dtype=torch.uint8, device=device)
    whole: list[int] = []       # those that look at the picture itself
    for number, matrix in enumerate(matrices):
        piece = shrunk_piece(image, matrix, input_size)
        if piece is None:
            whole.append(number)
        else:
            crops[number] = _sampled(piece[0], [piece[1]], input_size, device)[0]
    if whole:
        crops[whole] = _sampled(image, [matrices[number] for number in whole], input_size, device)
    return crops


def _sampled(image: np.ndarray, matrices: Sequence[np.ndarray], input_size: tuple[int, int],
             device: torch.device) -> Tensor:
    """Between four pixels each, black beside the image."""
    pixels = torch.tensor(np.ascontiguousarray(image), device=device)   # it may be read-only
    rows, columns = pixels.shape[:2]
    width, height = input_size
    to_input = torch.from_numpy(np.stack(matrices)).to(device, torch.float32)
    to_image = torch.linalg.inv(to_input[:, :, :2])
    x = torch.arange(width, device=device, dtype=torch.float32)
    y = torch.arange(height, device=device, dtype=torch.float32)
    places = torch.stack(torch.meshgrid(x, y, indexing="xy"), dim=-1).reshape(-1, 2)
    places = (places - to_input[:, None, :, 2]) @ to_image.mT       # (N, H W, 2), image pixels
    corner = places.floor()
    share = places - corner
    corner = corner.long()
    found = torch.zeros(*places.shape[:2], 3, device=device)
    for right in (0, 1):
        for below in (0, 1):
            x, y = corner[..., 0] + right, corner[..., 1] + below
            inside = (x >= 0) & (x < columns) & (y >= 0) & (y < rows)
            weight = ((share[..., 0] if right else 1 - share[..., 0])
                      * (share[..., 1] if below else 1 - share[..., 1]) * inside)
            at = y.clamp(0, rows - 1) * columns + x.clamp(0, columns - 1)
            found += weight[..., None] * pixels.reshape(-1, 3)[at]
    return found.round().to(torch.uint8).reshape(len(matrices), height, width, 3)
