"""Evaluation: a network, the validation set of a Config, and what comes of it."""
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import nn

from configs.schema import Config
from datasets.coco import MSCOCO
from datasets.images import read_image
from datasets.loaders import val_loader
from datasets.sample import Batch
from datasets.skeleton import Skeleton
from processors.coco_evaluator import (
    Predictions,
    coco_metrics,
    protocol,
    table,
    to_results,
    write_results,
)
from processors.inference import Way, concatenate, predict
from processors.parallel import Parallel
from utils.draw import contact_sheet, draw_people
from utils.heatmap_codec import HeatmapCodec
from utils.log import bar, log


def build_codec(config: Config, skeleton: Skeleton, stride: int = 4, decoder: str = ""
                ) -> HeatmapCodec:
    """The codec of a Config. Raises ValueError if network and skeleton differ in joints."""
    if config.model.num_joints != skeleton.num_joints:
        raise ValueError(f"model.num_joints is {config.model.num_joints}, but data.skeleton "
                         f"'{config.data.skeleton}' has {skeleton.num_joints} joints; make them "
                         f"equal")
    codec = config.codec
    return HeatmapCodec(codec.input_size, stride, codec.sigma, decoder or codec.decoder,
                        codec.alignment, codec.encoding, codec.blur_kernel)
