"""What runs on a GPU gives what a CPU gives, in full and in half precision; needs one, no data."""
import random

import cv2
import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader

from configs.schema import AugmentConfig, Config, DetectorConfig, OptimConfig
from datasets.annotations.skeleton import load_skeleton
from datasets.crops.colour_params import draw_colour_params
from datasets.sample import Batch, Sample, collate
from nets.detectors.yolov5 import YOLOv5
from processors.detection.person_detector import build_detector
from processors.pose_predictor import PosePredictor
from processors.runtime.colour_augment import augment_colour
from processors.runtime.device_batches import device_batches
from processors.runtime.parallel import OneProcess
from processors.training.train_step import TrainStep
from tests.processors.pose_checkpoints import small_config, write_checkpoint
from utils.decoders import DECODERS
from utils.heatmap_codec import HeatmapCodec

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
CPU, GPU = torch.device("cpu"), torch.device("cuda", 0)
SIZE = 64


@pytest.fixture(autouse=True)
def exact_float32(monkeypatch):
    """Without TF32, whose 10 bits convolutions of float32 get by default."""
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)


# ---- batches

def sample(number: int, side: int) -> Sample:
    return Sample(
        crop=np.full((side, side, 3), number, np.uint8),
        keypoints=np.full((2, 2), number, np.float32), visibility=np.ones(2, np.float32),
        to_image=np.eye(2, 3, dtype=np.float32), index=number, image_id=number, area=1.0,
        box_score=1.0, draws=np.full(3, number, np.float32))


def test_pinned_batches_arrive_whole():
    """50 MB take a millisecond to copy: who does not wait for them reads something else."""
    loader = DataLoader([sample(1 + i // 64, 512) for i in range(64 * 4)], batch_size=64,
                        collate_fn=collate, pin_memory=True)
    found = []
    for batch in device_batches(loader, GPU):
        found.append(batch.crop.sum(dtype=torch.int64))
        assert batch.crop.device == batch.keypoints.device == GPU
        assert batch.index.device == CPU and not batch.crop.is_pinned()
    assert [total.item() for total in found] == [(1 + n) * 64 * 512 ** 2 * 3 for n in range(4)]
    assert next(iter(loader)).crop.is_pinned()


# ---- training

def random_batch() -> Batch:
    generator = torch.Generator().manual_seed(0)
    draws = np.stack([draw_colour_params(random.Random(number)) for number in range(8)])
    crops = torch.randint(256, (8, SIZE, SIZE, 3), generator=generator, dtype=torch.uint8)
    return Batch(crop=crops, keypoints=torch.rand((8, 17, 2), generator=generator) * SIZE,
                 visibility=torch.ones(8, 17), to_image=torch.zeros(8, 2, 3),
                 index=torch.arange(8), image_id=torch.arange(8), area=torch.ones(8),
                 box_score=torch.ones(8), broken=torch.zeros(8, dtype=torch.bool),
                 draws=torch.from_numpy(draws))


COLOURS = AugmentConfig(brightness=0.4, contrast=0.3, saturation=0.3, hue=20, grey=0.3, blur=0.5,
                        dropout=0.6)


def test_colours_are_those_of_the_cpu():
    batch = random_batch()
    wanted = augment_colour(batch.crop, batch.draws, COLOURS)
    found = augment_colour(batch.crop.to(GPU), batch.draws.to(GPU), COLOURS)
    torch.testing.assert_close(found.cpu(), wanted, rtol=0, atol=0.01)


def make_step(gpus: tuple[int, ...], augment: AugmentConfig, **optim) -> TrainStep:
    torch.manual_seed(0)
    parallel = OneProcess(gpus)
    net = nn.Sequential(nn.Conv2d(3, 16, 8, 4, 2, bias=False), nn.BatchNorm2d(16), nn.ReLU(),
                        nn.Conv2d(16, 17, 3, padding=1)).to(parallel.device)
    config = Config(augment=augment, optim=OptimConfig(**optim))
    return TrainStep(config, net.to(memory_format=torch.channels_last), load_skeleton("coco"),
                     HeatmapCodec((SIZE, SIZE)), parallel)


@pytest.mark.parametrize("settings", [
    {}, {"amp": "bf16"}, {"amp": "fp16", "clip_norm": 1.0}, {"amp": "bf16", "accumulate": 2},
    {"amp": "bf16", "compile": True}, {"amp": "fp16", "compile": True}], ids=str)
def test_a_training_step_does_what_the_cpu_does(settings):
    plain = {key: value for key, value in settings.items() if key in ("clip_norm", "accumulate")}
    wanted, found = make_step((), AugmentConfig(), **plain), make_step((0,), AugmentConfig(),
                                                                       **settings)
    batch = random_batch()
    for _ in range(10):
        one, other = wanted(batch, 1e-3, True), found(batch.to(GPU), 1e-3, True)
    assert other.device == GPU and other.dtype == torch.float32 and other.isfinite().all()
    half = "amp" in settings
    torch.testing.assert_close(other[:2].cpu(), one[:2], rtol=0.05 if half else 0.01, atol=1e-3)
    assert all(p.dtype == torch.float32 and p.isfinite().all() for p in found.parameters)


@pytest.mark.parametrize("settings", [{}, {"amp": "bf16"}, {"amp": "fp16", "clip_norm": 1.0}],
                         ids=str)
def test_a_training_step_never_waits_for_the_gpu(settings):
    step, batch = make_step((0,), COLOURS, **settings), random_batch().to(GPU)
    for _ in range(3):      # the first ones make what is kept
        step(batch, 1e-3, measure=True)
    torch.cuda.set_sync_debug_mode("error")     # whatever waits raises a RuntimeError
    try:
        numbers = step(batch, 1e-3, measure=True)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert numbers.isfinite().all()


# ---- decoding

@pytest.mark.parametrize("decoder", sorted(DECODERS))
def test_decoders_give_the_joints_of_the_cpu(decoder):
    codec = HeatmapCodec((192, 256), decoder=decoder)
    generator = torch.Generator().manual_seed(0)
    joints = torch.rand((16, 17, 2), generator=generator) * torch.tensor([192.0, 256.0])
    heatmaps = codec.encode(joints, torch.ones(16, 17))[0]
    heatmaps += 1e-3 * torch.rand(heatmaps.shape, generator=generator)
    wanted, scores = codec.decode(heatmaps)
    found, found_scores = codec.decode(heatmaps.to(GPU))
    torch.testing.assert_close(found.cpu(), wanted, rtol=0, atol=1e-3)
    torch.testing.assert_close(found_scores.cpu(), scores)
    order = load_skeleton("coco").flip_order
    assert torch.equal(codec.flip_back(heatmaps.to(GPU), order).cpu(),
                       codec.flip_back(heatmaps, order))


# ---- detector

@pytest.fixture(scope="module")
def detector_weights(tmp_path_factory) -> str:
    """A nano YOLOv5 of two classes that finds something in any image. Signals keep their size in
    it, or half precision would give another chaos."""
    torch.manual_seed(0)
    net = YOLOv5("yolov5n", num_classes=2)
    for part in net.modules():
        if isinstance(part, nn.Conv2d):
            nn.init.normal_(part.weight, std=(2 / part.weight[0].numel()) ** 0.5)
    for output in net.detect.m:
        output.weight.data *= 10
        output.bias.data.zero_()
    path = tmp_path_factory.mktemp("weights") / "nano.pth"
    torch.save(net.state_dict(), path)
    return str(path)


def pictures() -> list[np.ndarray]:
    generator = np.random.default_rng(0)
    return [cv2.resize(generator.integers(0, 255, (9, 12, 3), dtype=np.uint8), size)
            for size in ((400, 300), (400, 300), (300, 400), (380, 300), (640, 480))]


def share_found(people, others, iou: float) -> float:
    """Of `people`: those that overlap by more than `iou` with one of `others`."""
    hits = count = 0
    for one, other in zip(people, others, strict=True):
        a, b = one.boxes[:, None], other.boxes[None]
        low = np.maximum(a[..., :2], b[..., :2])
        high = np.minimum(a[..., :2] + a[..., 2:], b[..., :2] + b[..., 2:])
        both = np.clip(high - low, 0, None).prod(-1)
        union = a[..., 2:].prod(-1) + b[..., 2:].prod(-1) - both
        hits += np.count_nonzero((both / union).max(axis=1, initial=0) > iou)
        count += len(one.boxes)
    return hits / count


@pytest.mark.parametrize("amp, iou, least", [
    (False, 0.99, 0.97), ("fp16", 0.97, 0.95), ("bf16", 0.9, 0.85)])
def test_the_detector_finds_what_it_finds_on_the_cpu(detector_weights, amp, iou, least):
    settings = {"weights": detector_weights, "image_size": 320, "confidence": 0.3}
    wanted = build_detector(DetectorConfig(**settings), CPU)(pictures())
    detector = build_detector(DetectorConfig(**settings, amp=amp), GPU)
    found = detector(pictures())
    assert detector.network.net.stem.conv.weight.dtype == {
        False: torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}[amp]
    assert detector.network.net.detect.m[0].weight.dtype == torch.float32
    assert sum(len(people.boxes) for people in wanted) > 50
    assert share_found(found, wanted, iou) >= least and share_found(wanted, found, iou) >= least
    assert all(people.boxes.dtype == np.float32 for people in found)


# ---- prediction

@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    return write_checkpoint(tmp_path_factory.mktemp("pose") / "x_best.pth", small_config())


BOXES = [[(20, 30, 90, 160)], [], [(5, 5, 60, 100), (150, 40, 80, 200), (0, 0, 300, 400)],
         [(100, 50, 100, 200)], [(200, 100, 300, 350)]]


@pytest.mark.parametrize("flip_test", [False, True])
def test_poses_are_those_of_the_cpu(weights, flip_test):
    """By the pixel of the maximum: on the noise of an untrained network, a Newton step would
    magnify the last digits."""
    found, wanted = (PosePredictor(
        weights, device=device, flip_test=flip_test, overrides=["codec.decoder=argmax"])(
            pictures(), BOXES) for device in (GPU, CPU))
    assert [len(people) for people in found] == [len(boxes) for boxes in BOXES]
    pairs = [pair for one, other in zip(found, wanted, strict=True)
             for pair in zip(one, other, strict=True)]
    equal = [np.abs(a.keypoints - b.keypoints).max(axis=1) < 1e-2 for a, b in pairs]
    assert np.mean(equal) > 0.95        # two maxima may be as high as each other
    for a, b in pairs:
        assert a.scores == pytest.approx(b.scores, rel=1e-3) and np.array_equal(a.box, b.box)


def test_a_detector_and_half_precision_for_poses(weights, detector_weights):
    detector = DetectorConfig(weights=detector_weights, image_size=320, confidence=0.3, amp=True)
    predictor = PosePredictor(weights, detector, overrides=["optim.amp=true"])
    assert predictor.model.device.type == predictor.detector.device.type == "cuda"
    assert predictor.model.dtype in (torch.bfloat16, torch.float16)
    found = predictor(pictures())
    assert len(found) == 5 and sum(map(len, found)) > 5
    for person in sum(found, []):
        assert np.isfinite(person.keypoints).all() and np.isfinite(person.scores).all()
        assert person.keypoints.dtype == person.scores.dtype == np.float32
