"""What `predict` costs beside its two networks on the same batches: frames/s, and the ratio.

    python benchmarks/predict_speed.py [--frames 16] [--video FILE] [--images FOLDER]
                                       [--weights POSE] [--detector YOLOV5] [--amp]

YOLOv5n and ResNet-50 + DUC at 256x192 with the flip test, on the first frames of a video and on
pictures of a folder: reading, boxes, crops, joints, tracks, drawing and writing, beside the
networks alone on the batches that they were given. --amp: the pose network in half precision, as
`predict` chooses for many frames where that is faster. Seconds by the clock on the wall, since
reading and writing go on beside the networks; medians of runs that take turns. Networks that are
not given are random ones, but for the detector that the tests use where it is on this machine, as
are its video and images; elsewhere these are drawn.
"""
import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path

import cv2
import torch
from torch import Tensor

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.common import draw_large, medians, say, shared_data
from benchmarks.detector_speed import random_weights
from configs.loader import config_to_dict, load_config
from nets import build_net
from processors.jobs.predict import predict_frames
from processors.models.checkpoint import save_checkpoint
from processors.models.load_pose_model import load_pose_model
from processors.pose_predictor import PosePredictor
from processors.prediction.frame import Frame
from processors.prediction.frame_sources import ImageFiles, open_source
from processors.prediction.frame_writers import writers_for
from processors.prediction.video_source import Video
from processors.runtime.precision import amp_dtype, autocast

BAR = 1.15


class Beginning(Video):
    """The first frames of a video."""
    most = 0

    def __iter__(self) -> Iterator[Frame]:
        return islice(super().__iter__(), self.most)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--frames", type=int, default=16, help="of the video, and pictures")
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--video", type=Path)
    parser.add_argument("--images", type=Path, help="a folder of pictures")
    parser.add_argument("--weights", help="a pose network, as predict takes it")
    parser.add_argument("--detector", help="a YOLOv5 weights file")
    parser.add_argument("--amp", action="store_true", help="the pose network in half precision")
    options = parser.parse_args()
    Beginning.most = options.frames
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model = load_pose_model(options.weights or random_pose(folder / "pose.pth"), device)
        if options.amp:
            model = replace(model, dtype=amp_dtype(True, device))
        predictor = PosePredictor(model, options.detector or shared_data("weights", "yolov5n.pt")
                                  or random_weights(folder / "detector.pth"))
        video = options.video or shared_data("videos", "basketball_mmaction2.mp4")
        images = options.images or shared_data("coco", "val2017") or draw_large(
            folder, options.frames)[1]
        good = judge(predictor, lambda: Beginning(str(video or drawn_video(images, folder))),
                     folder / "video", "video", options)
        good &= judge(predictor, lambda: first_images(images, options.frames), folder / "images",
                      "pictures", options)
    return 0 if good else 1


def judge(predictor: PosePredictor, source: Callable[[], Video | ImageFiles], out: Path, name: str,
          options: argparse.Namespace) -> bool:
    """A prediction from the file to the files, beside the networks alone."""
    def whole() -> None:
        frames = source()
        predict_frames(frames, writers_for(frames, out), predictor)

    calls = recorded(predictor, whole)

    @torch.inference_mode()
    def bare() -> None:
        for network, images, dtype in calls:
            with autocast(dtype, images.device):
                found = network(images)
        (found[0] if isinstance(found, tuple) else found).sum().item()    # a GPU has ended, too

    seconds = medians({"bare": bare, "whole": whole}, options.repeats, clock=time.perf_counter)
    people = sum(len(images) for network, images, _ in calls
                 if network is predictor.model.network) // (2 if predictor.flip_test else 1)
    return say("predict_speed", f"predict / both networks, {name}",
               seconds["whole"] / seconds["bare"], at_most=BAR, frames=options.frames,
               frames_s=round(options.frames / seconds["whole"], 2), people=people,
               dtype=str(predictor.model.dtype or torch.float32).removeprefix("torch."))


def recorded(predictor: PosePredictor, whole: Callable[[], None],
             ) -> list[tuple[torch.nn.Module, Tensor, torch.dtype | None]]:
    """What the networks are given in a prediction: (network, images, dtype of autocast)."""
    calls: list[tuple[torch.nn.Module, Tensor, torch.dtype | None]] = []
    pose, detector = predictor.model.network, predictor.detector.network.net
    hooks = [net.register_forward_pre_hook(
        lambda net, words, dtype=dtype: calls.append((net, words[0], dtype)))
        for net, dtype in ((pose, predictor.model.dtype), (detector, None))]
    whole()
    for hook in hooks:
        hook.remove()
    return calls


def random_pose(path: Path) -> Path:
    """ResNet-50 with the DUC head at 256x192, as a checkpoint."""
    config = load_config(ROOT / "configs" / "duc_r50_256x192.yaml", ["model.pretrained=false"])
    torch.manual_seed(0)
    net = build_net(config.model, input_size=config.codec.input_size)
    save_checkpoint({"ema": net.state_dict(), "config": config_to_dict(config)}, path)
    return path


def first_images(folder: Path, count: int) -> ImageFiles:
    files = open_source(str(folder))
    assert isinstance(files, ImageFiles)
    return replace(files, names=files.names[:count])


def drawn_video(images: Path, folder: Path) -> Path:
    """The pictures of a folder one after the other, all in the size of the first."""
    path = folder / "drawn.mp4"
    if not path.is_file():
        frames = [cv2.imread(str(file)) for file in sorted(images.glob("*.*"))]
        size = frames[0].shape[1::-1]
        writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 25, size)
        for frame in frames:
            writer.write(cv2.resize(frame, size))
        writer.release()
    return path


if __name__ == "__main__":
    sys.exit(main())
