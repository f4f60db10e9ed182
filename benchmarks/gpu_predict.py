"""`predict` of a video on a GPU, in frames/s, beside its two networks alone on the same batches.

Called by benchmarks/gpu.py. YOLOv5n and ResNet-50 + DUC at 256x192 with the flip test, the pose
network in the precision that `predict` chooses; random weights, of which the detector's find PEOPLE
in each frame.
"""
import time
from pathlib import Path

import torch

from benchmarks.detector_speed import random_weights
from benchmarks.gpu_common import Report, seconds_a_call
from benchmarks.predict_speed import PEOPLE, drawn_video, random_pose
from configs.schema import DetectorConfig
from processors.engines.faster_precision import in_faster_precision
from processors.jobs.predict import predict_frames
from processors.models.load_pose_model import load_pose_model
from processors.pose_predictor import PosePredictor
from processors.prediction.frame_sources import open_source
from processors.prediction.frame_writers import Output, writers_for
from processors.prediction.overlap import in_portions
from processors.runtime.precision import autocast

FRAMES = 400
DEVICE = torch.device("cuda")


def measure_prediction(images: Path, folder: Path, report: Report) -> None:
    """images: drawn ones, of which a video is made in `folder`."""
    model = in_faster_precision(load_pose_model(random_pose(folder / "pose.pth"), DEVICE))
    weights = str(random_weights(folder / "random.pth"))
    predictor = PosePredictor(model, DetectorConfig(weights=weights, max_detections=PEOPLE))
    video = drawn_video(images, folder, FRAMES)
    rates = {}
    for kind in ("warm", "without_pictures", "frames_s"):
        look, frames = Output(pictures=kind == "frames_s"), open_source(str(video))
        since = time.perf_counter()
        predict_frames(frames, writers_for(frames, folder / kind, look), predictor, look=look)
        rates[kind] = round(len(frames) / (time.perf_counter() - since), 1)
    report("prediction", frames=len(frames), people=PEOPLE, frames_s=rates["frames_s"],
           without_pictures=rates["without_pictures"],
           networks=round(networks_alone(predictor, video), 1),
           dtype=str(model.dtype or torch.float32).removeprefix("torch."))


def networks_alone(predictor: PosePredictor, video: Path) -> float:
    """Frames/s of both networks on batches that lie ready, of as many frames as `predict` takes."""
    source = open_source(str(video))
    frames = [frame.pixels for frame in next(in_portions(source, source.at_once))]
    detector, model = predictor.detector, predictor.model
    seen: list[torch.Tensor] = []
    hook = detector.network.net.register_forward_pre_hook(
        lambda _, given: seen.append(given[0].clone()))
    people = sum(len(found.boxes) for found in predictor.find(frames))
    hook.remove()
    width, height = model.codec.input_size
    crops = torch.randn(people, 3, height, width, device=DEVICE)
    crops = crops.contiguous(memory_format=torch.channels_last)

    @torch.inference_mode()
    def compute() -> None:
        for batch in seen:
            detector.network.net(batch)
        with autocast(model.dtype, DEVICE):
            model.network(crops)
            model.network(crops.flip(3))
    return len(frames) / seconds_a_call(compute)
