"""The upper bound: the AP that perfect heatmaps reach, which no network at this input can pass."""
from dataclasses import dataclass, replace

import numpy as np
import torch

from configs.schema import Config
from datasets.annotations.coco_file import read_coco
from datasets.annotations.skeleton import Skeleton
from datasets.coco import MSCOCO, val_set
from processors.evaluation.coco_metrics import CocoMetrics, coco_metrics
from processors.evaluation.ground_truth import read_ground_truth
from processors.evaluation.results_file import to_results
from processors.models.inference import concatenate
from processors.models.pose_model import build_codec
from processors.models.pose_ranking import Predictions
from utils.codecs.simcc_codec import PlainCodec
from utils.codecs.visibility_codec import plain_codec
from utils.geometry import apply_affine, invert_affine, padded_area
from utils.log import bar

CHUNK = 64      # persons at once


@dataclass(frozen=True)
class UpperBound:
    metrics: CocoMetrics
    outside: int        # labelled joints that are not in their person's crop
    labelled: int


def upper_bound(config: Config, skeleton: Skeleton) -> UpperBound:
    """Encode the joints of the validation set, decode and judge them, with ground-truth boxes.

    What is missing to 1 is lost to the resolution and the decoder, and to joints outside of their
    crop, which count as found at its nearest edge. There is one pose for each person, so there is
    no NMS. Images are not read. Raises UserError or FileNotFoundError as an evaluation does.
    """
    data, codec = config.data, plain_codec(build_codec(config, skeleton))
    config = replace(config, val=replace(config.val, boxes="gt", nms="none"))
    file = read_coco(data.val_ann_path, "data.val_ann_path")    # held: it is read only once
    dataset = val_set(config, skeleton, check_files=False)
    truth = read_ground_truth(file, skeleton.num_joints, data.category)
    if data.debug:      # who is not chosen is not missed
        truth = truth.on(dataset.persons.image_ids.tolist(), dataset.persons.rows.tolist())
    rows = np.arange(len(dataset))
    parts = [_decoded(dataset, codec, rows[first:first + CHUNK])
             for first in bar(range(0, len(rows), CHUNK), "upper bound")]
    results = to_results(concatenate([found for found, _ in parts]), config.val, skeleton.sigmas,
                         category_id=truth.category)
    return UpperBound(coco_metrics(truth, results, skeleton.sigmas),
                      outside=sum(outside for _, outside in parts),
                      labelled=int(dataset.persons.visibility.sum()))


@torch.inference_mode()
def _decoded(dataset: MSCOCO, codec: PlainCodec, rows: np.ndarray) -> tuple[Predictions, int]:
    """The persons of these rows, through their heatmaps and back, and their joints outside."""
    persons = dataset.persons
    matrix = codec.geometry.matrix(dataset.center[rows], dataset.scale[rows])
    points = apply_affine(persons.keypoints[rows], matrix)
    nearest = points.clip(0, np.array(codec.input_size) - 1)
    # pixel 0 reaches from -0.5 to 0.5
    outside = (np.abs(points - nearest) > 0.5).any(axis=2) & (persons.visibility[rows] > 0)
    heatmaps, _ = codec.encode(torch.from_numpy(nearest),
                               torch.from_numpy(persons.visibility[rows]))
    joints, scores = codec.decode(heatmaps)
    return Predictions(
        keypoints=apply_affine(joints.numpy(), invert_affine(matrix)).astype(np.float32),
        joint_scores=scores.numpy(), box_scores=np.ones(len(rows), np.float32),
        areas=padded_area(dataset.scale[rows]).astype(np.float32),
        image_ids=persons.image_ids[persons.image_rows[rows]],
        visibility=np.eye(3, dtype=np.float32)[2 * (persons.visibility[rows] > 0)],
        ), int(outside.sum())
