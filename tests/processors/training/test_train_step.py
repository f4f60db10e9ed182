"""One update: what it computes, and what it does with numbers that are not finite."""
import math
from collections import OrderedDict
from contextlib import contextmanager
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from configs.schema import Config, OptimConfig
from datasets.annotations.skeleton import load_skeleton
from datasets.sample import Batch
from losses.heatmap import LOSSES
from processors.runtime.parallel import OneProcess
from processors.training import train_step
from processors.training.ema import ModelEma
from processors.training.train_step import TrainStep
from utils.heatmap_codec import HeatmapCodec

COCO = load_skeleton("coco")
SIZE = 64


@pytest.fixture
def batch() -> Batch:
    random = torch.Generator().manual_seed(0)
    return Batch(crop=torch.randint(256, (8, SIZE, SIZE, 3), generator=random, dtype=torch.uint8),
                 keypoints=torch.rand((8, 17, 2), generator=random) * SIZE,
                 visibility=torch.ones(8, 17), to_image=torch.zeros(8, 2, 3),
                 index=torch.arange(8), image_id=torch.arange(8), area=torch.ones(8),
                 box_score=torch.ones(8), broken=torch.zeros(8, dtype=torch.bool),
                 draws=torch.empty(8, 0))


@pytest.fixture(autouse=True)
def plain_colours(monkeypatch):
    monkeypatch.setattr(train_step, "augment_colour", lambda crops, draws, config, out: crops)


def make(teacher=None, **optim) -> TrainStep:
    torch.manual_seed(0)
    net = nn.Sequential(OrderedDict(backbone=nn.Conv2d(3, 8, 8, 4, 2), relu=nn.ReLU(),
                                    head=nn.Conv2d(8, 17, 3, padding=1)))
    config = replace(Config(), optim=OptimConfig(**optim))
    step = TrainStep(config, net, COCO, HeatmapCodec((SIZE, SIZE)), OneProcess(()),
                     teacher=teacher)
    step.net = net
    return step


def weights(step: TrainStep) -> list[torch.Tensor]:
    return [p.detach().clone() for p in step.parameters]


def test_a_teacher_says_who_is_learned_from_and_what_is_taught(batch):
    codec = HeatmapCodec((SIZE, SIZE))

    def lower(keypoints, visibility):
        targets, weights = codec.encode(keypoints, visibility)
        return targets / 2, weights

    half = SimpleNamespace(micro_batches=lambda batch, number, epoch: [batch.chunks(2)[0]],
                           encode=codec.encode)
    low = SimpleNamespace(micro_batches=half.micro_batches, encode=lower)
    alone, labels, taught = (make(teacher)(part, 0.1, measure=False)[0] for teacher, part in (
        (None, batch.chunks(2)[0]), (half, batch), (low, batch)))
    assert alone == labels and taught < labels


def test_it_returns_loss_norm_and_accuracy_and_lowers_the_loss(batch):
    step = make(optimizer="sgd")
    first = step(batch, 0.1, measure=True)
    norm = math.sqrt(sum(p.grad.square().sum().item() for p in step.parameters))
    assert first.shape == (3,) and first[1].item() == pytest.approx(norm, rel=1e-5)
    assert 0 <= first[2] <= 1
    second = step(batch, 0.1, measure=False)
    assert second[0] < first[0] and second[2].isnan()


@pytest.mark.parametrize("loss", ["mse", "ohkm"])
def test_pieces_of_a_batch_are_the_batch(batch, loss):
    whole, pieces = make(loss=loss), make(loss=loss, accumulate=4)
    for _ in range(3):
        one, four = whole(batch, 1e-3, measure=False), pieces(batch, 1e-3, measure=False)
    torch.testing.assert_close(one[:2], four[:2])
    torch.testing.assert_close(weights(whole), weights(pieces), rtol=0, atol=1e-6)


def test_processes_exchange_gradients_once_a_step(batch, monkeypatch):
    """Those of the last piece, which hold the sums of all."""
    step, waiting, seen = make(accumulate=4), [], []

    @contextmanager
    def no_sync(_):
        waiting.append(True)
        yield
        waiting.pop()
    monkeypatch.setattr(step.parallel, "no_sync", no_sync)
    backward = step._backward
    step._backward = lambda *args: seen.append(bool(waiting)) or backward(*args)
    step(batch, 1e-3, measure=False)
    assert seen == [True, True, True, False]


def test_the_gradient_is_clipped_and_its_norm_told_from_before(batch):
    free, clipped = make(optimizer="sgd"), make(optimizer="sgd", clip_norm=1e-3)
    start = weights(free)
    norms = [step(batch, 1.0, measure=False)[1].item() for step in (free, clipped)]
    assert norms[0] == norms[1] > 1e-3
    moved = [math.sqrt(sum((a - b).square().sum().item() for a, b in
                           zip(weights(step), start, strict=True))) for step in (free, clipped)]
    assert moved[0] == pytest.approx(norms[0], rel=1e-3)
    assert moved[1] == pytest.approx(1e-3, rel=1e-2)


def bad_gradient(heatmaps, targets, weights):
    """Loss 0, gradient nan."""
    return (heatmaps * 0).sqrt().sum()


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd"])
@pytest.mark.parametrize("clip", [0.0, 1.0])
def test_a_gradient_that_is_not_finite_moves_nothing(batch, optimizer, clip):
    step = make(optimizer=optimizer, clip_norm=clip, weight_decay=0.1)
    step(batch, 1e-3, measure=False)
    before = weights(step)
    step.loss = bad_gradient
    numbers = step(batch, 1e-3, measure=False)
    assert numbers[0] == 0 and not numbers[1].isfinite()
    assert all(torch.equal(a, b) for a, b in zip(before, weights(step), strict=True))
    step.loss = LOSSES["mse"]
    step(batch, 1e-3, measure=False)
    assert all(p.isfinite().all() for p in step.parameters)
    assert not torch.equal(before[0], weights(step)[0])     # and goes on


def test_an_fp16_overflow_halves_the_scale_and_moves_nothing(batch):
    step = make(amp="fp16")
    step.scaler = torch.amp.GradScaler("cpu", init_scale=2.0 ** 60, growth_interval=10 ** 6)
    before = weights(step)
    loss, norm, _ = step(batch, 1e-3, measure=False)
    assert loss.isfinite() and not norm.isfinite()
    assert all(torch.equal(a, b) for a, b in zip(before, weights(step), strict=True))
    assert step.scaler.get_scale() == 2.0 ** 59
    for _ in range(60):
        loss, norm, _ = step(batch, 1e-3, measure=False)
    assert norm.isfinite() and not torch.equal(before[0], weights(step)[0])


@pytest.mark.parametrize("amp", ["bf16", "fp16"])
def test_mixed_precision_gives_about_the_same_in_float32(batch, amp):
    full, mixed = make(), make(amp=amp)
    for _ in range(5):
        one, other = full(batch, 1e-3, measure=True), mixed(batch, 1e-3, measure=True)
    assert other.dtype == torch.float32
    torch.testing.assert_close(one[:2], other[:2], rtol=0.05, atol=1e-3)


def test_the_average_follows(batch):
    step = make()
    averaged, start = ModelEma(step.net, 0.9), weights(step)
    step(batch, 1e-2, measure=False)
    averaged.update(0)      # decay 0.1
    for mean, now, before in zip(averaged.net.parameters(), step.parameters, start, strict=True):
        assert not torch.equal(mean, before)
        torch.testing.assert_close(mean, 0.1 * before + 0.9 * now)


def test_compiled_it_computes_the_same(batch):
    """With torch's interpreting back end, as machines without a compiler run this too."""
    plain, compiled = make(), make()
    compiled.model = torch.compile(compiled.model, dynamic=False, backend="eager")
    for step in (plain, compiled):
        step(batch, 1e-3, measure=False)
    torch.testing.assert_close(weights(plain), weights(compiled))


def test_a_thaw_is_compiled_once(batch, monkeypatch):
    graphs = []

    def compiled(model, dynamic, compile=torch.compile):
        return compile(model, dynamic=dynamic, backend=lambda graph, _: (
            graphs.append(graph), graph.forward)[1])
    monkeypatch.setattr(torch, "compile", compiled)
    step, found = make(compile=True, freeze_epochs=2), []
    for epoch in range(4):
        step.net.eval()         # as after an evaluation
        step.start_epoch(epoch)
        step(batch, 1e-3, measure=False), step(batch, 1e-3, measure=False)
        found.append(len(graphs))
    assert found == [1, 1, 2, 2]


def test_regions_are_compiled_once_and_not_the_whole(batch, monkeypatch):
    compiled = []
    monkeypatch.setattr(train_step, "compile_regions", lambda net: compiled.append(net) or "some")
    monkeypatch.setattr(torch, "compile", lambda *_, **__: pytest.fail("the whole is compiled"))
    step = make(compile="regions", freeze_epochs=1)
    step.start_epoch(1)
    step(batch, 1e-3, measure=False)
    assert compiled == [step.net]


def test_only_gradients_of_what_learns_are_clipped(batch):
    step, free = make(freeze_epochs=1, optimizer="sgd"), make(optimizer="sgd")
    head = list(step.net.head.parameters())
    norm = step(batch, 1e-3, measure=False)[1].item()
    assert norm == pytest.approx(math.sqrt(sum(p.grad.square().sum().item() for p in head)))
    assert norm < free(batch, 1e-3, measure=False)[1].item() * 0.999


@pytest.mark.parametrize("channels_last", [True, False])
def test_the_order_in_memory_is_the_one_asked_for(batch, channels_last):
    step, seen = make(channels_last=channels_last), []
    step.net[1].register_forward_hook(lambda _, images, __: seen.extend(images))
    step.net.to(memory_format=torch.channels_last if channels_last else torch.contiguous_format)
    step(batch, 1e-3, measure=False)
    assert seen[0].is_contiguous(memory_format=torch.channels_last) is channels_last
    assert seen[0].is_contiguous() is not channels_last
