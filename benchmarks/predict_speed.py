"""What `predict` costs beside its two networks on the same batches: frames/s, and the ratio.

    python benchmarks/predict_speed.py [--frames 8] [--video FILE] [--images FOLDER]
                                       [--weights POSE] [--detector YOLOV5] [--amp]

YOLOv5n and ResNet-50 + DUC at 256x192 with the flip test, on the first frames of a video and on
pictures of a folder: reading, boxes, crops, joints, tracks, drawing and writing, beside what the
two networks take of it. --amp: the pose network in half precision, as `predict` chooses for many
frames where that is faster. On the CPU, one thread for the networks. The ratio is of CPU seconds,
those of the threads that read and write among them, though they work beside the networks; `clock`
is that of the clock on the wall, in which the network's own time grows where cores are few. Medians
of several runs. Networks that are not given are random ones, but for the detector that the tests
use where it is on this machine, as are its video and images; elsewhere these are drawn.
"""
import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path

import cv2
import torch

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.common import draw_large, say, shared_data
from benchmarks.detector_speed import random_weights
from configs.loader import config_to_dict, load_config
from configs.schema import DetectorConfig
from nets import build_net
from processors.jobs.predict import predict_frames
from processors.models.checkpoint import save_checkpoint
from processors.models.load_pose_model import load_pose_model
from processors.pose_predictor import PosePredictor
from processors.prediction.frame import Frame
from processors.prediction.frame_sources import ImageFiles, open_source
from processors.prediction.frame_writers import writers_for
from processors.prediction.video_source import Video
from processors.runtime.precision import amp_dtype

BAR = 1.15
PEOPLE = 2      # that a random detector may find in a frame


class Beginning(Video):
    """The first frames of a video."""
    most = 0

    def __iter__(self) -> Iterator[Frame]:
        return islice(super().__iter__(), self.most)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--frames", type=int, default=8, help="of the video, and pictures")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--video", type=Path)
    parser.add_argument("--images", type=Path, help="a folder of pictures")
    parser.add_argument("--weights", help="a pose network, as predict takes it")
    parser.add_argument("--detector", help="a YOLOv5 weights file")
    parser.add_argument("--amp", action="store_true", help="the pose network in half precision")
    options = parser.parse_args()
    Beginning.most = options.frames
    torch.set_num_threads(1)
    device = torch.device("cpu")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model = load_pose_model(options.weights or random_pose(folder / "pose.pth"), device)
        if options.amp:
            model = replace(model, dtype=amp_dtype(True, device))
        found = options.detector or shared_data("weights", "yolov5n.pt")
        detector = DetectorConfig(weights=str(found)) if found else DetectorConfig(
            weights=str(random_weights(folder / "random.pth")), max_detections=PEOPLE)
        predictor = PosePredictor(model, detector)
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
    """Predictions from the file to the files, the first of which does not count."""
    nets = Stopwatch([predictor.model.network, predictor.detector.network.net])
    cpu, clock, seconds = [], [], []
    for _ in range(options.repeats + 1):
        nets.cpu = nets.clock = 0.0
        start = time.process_time(), time.perf_counter()
        frames = source()
        predict_frames(frames, writers_for(frames, out), predictor)
        seconds.append(time.perf_counter() - start[1])
        cpu.append((time.process_time() - start[0]) / nets.cpu)
        clock.append(seconds[-1] / nets.clock)
    nets.remove()
    count = options.frames
    return say("predict_speed", f"predict / both networks, {name}", statistics.median(cpu[1:]),
               at_most=BAR, clock=round(statistics.median(clock[1:]), 3), frames=count,
               frames_s=round(count / min(seconds[1:]), 2),
               dtype=str(predictor.model.dtype or torch.float32).removeprefix("torch."))


class Stopwatch:
    """The seconds that networks compute, of this thread's CPU and by the clock."""

    def __init__(self, networks: list[torch.nn.Module]):
        self.cpu = self.clock = 0.0
        self.hooks = [hook for net in networks for hook in (
            net.register_forward_pre_hook(self._start), net.register_forward_hook(self._stop))]

    def _start(self, *_: object) -> None:
        self.begun = time.thread_time(), time.perf_counter()

    def _stop(self, *_: object) -> None:
        self.cpu += time.thread_time() - self.begun[0]
        self.clock += time.perf_counter() - self.begun[1]

    def remove(self) -> None:
        for hook in self.hooks:
            hook.remove()


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


def drawn_video(images: Path, folder: Path, most: int | None = None) -> Path:
    """The pictures of a folder one after the other, all in the size of the first."""
    path = folder / "drawn.mp4"
    if not path.is_file():
        frames = [cv2.imread(str(file)) for file in sorted(images.glob("*.*"))[:most]]
        size = frames[0].shape[1::-1]
        writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 25, size)
        for frame in frames:
            writer.write(cv2.resize(frame, size))
        writer.release()
    return path


if __name__ == "__main__":
    sys.exit(main())
