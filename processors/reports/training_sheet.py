"""The doctor's contact sheet: training crops with their targets, as the network will get them."""
from dataclasses import replace

import cv2
import numpy as np
import torch

from configs.schema import Config
from datasets.annotations.skeleton import Skeleton
from datasets.coco import train_set
from datasets.crops.image_files import spread
from datasets.sample import collate
from processors.models.pose_model import build_codec
from processors.runtime.colour_augment import augment_colour
from utils.draw import contact_sheet, draw_people

COUNT, COLUMNS = 24, 8
CELL = (200, 260)       # width, height of a crop on the sheet, pixels
PEAK_COLOUR = (255, 60, 30)    # RGB of the heatmaps' peaks


def training_sheet(config: Config, skeleton: Skeleton) -> np.ndarray:
    """COUNT persons from all over the training set, augmented as in the first epoch, in two
    ways one below the other: the crop with its heatmaps, and with its joints.

    Returns (H, W, 3) uint8 RGB. Raises UserError or FileNotFoundError as training does, but
    not for images that are missing or broken while others are there.
    """
    config = replace(config, model=replace(config.model, visibility=False))      # places alone
    dataset = train_set(replace(config, data=replace(config.data, skip_broken=True)), skeleton)
    codec = build_codec(config, skeleton)
    samples = [dataset[row] for row in spread(range(len(dataset)), COUNT)]
    batch = collate([sample for sample in samples if not sample.broken] or samples)
    coloured = augment_colour(batch.crop, batch.draws, config.augment)
    crops = coloured.clamp(0, 255).to(torch.uint8).numpy()
    heatmaps, weights = codec.encode(batch.keypoints, batch.visibility)
    overlaid = [heatmap_overlay(crop, maps)
               for crop, maps in zip(crops, heatmaps.numpy(), strict=True)]
    drawn = [draw_people(crop, points[None], seen[None], skeleton.limbs, skeleton.joint_names, 0.5,
                         parts=[*skeleton.parts.values()])
             for crop, points, seen in zip(crops, batch.keypoints.numpy(), weights.numpy(),
                                           strict=True)]
    pictures, captions = [], []
    for first in range(0, len(crops), COLUMNS):
        chosen = range(first, min(first + COLUMNS, len(crops)))
        padding = [np.zeros((4, 4, 3), np.uint8)] * (COLUMNS - len(chosen))
        pictures += [overlaid[i] for i in chosen] + padding + [drawn[i] for i in chosen] + padding
        names = [f"{dataset.image_path(int(batch.index[i])).name}" for i in chosen]
        captions += names + [""] * len(padding)
        captions += [f"{int((weights[i] > 0).sum())} joints" for i in chosen] + [""] * len(padding)
    return contact_sheet(pictures, COLUMNS, CELL, captions)


def heatmap_overlay(crop: np.ndarray, heatmaps: np.ndarray) -> np.ndarray:
    """Crop (H, W, 3) uint8, darkened, with the highest of the heatmaps (K, h, w) laid over it."""
    height, width = crop.shape[:2]
    peak = cv2.resize(heatmaps.max(axis=0), (width, height))[..., None].clip(0, 1)
    return ((1 - peak) * 0.75 * crop + peak * np.array(PEAK_COLOUR)).astype(np.uint8)
