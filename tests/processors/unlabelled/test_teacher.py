"""The teacher: its joints in the hard view, who counts, and that it stays as it is."""
import copy
from collections import OrderedDict
from dataclasses import replace

import pytest
import torch
from torch import nn

from configs.schema import AugmentConfig, CodecConfig, Config, OptimConfig, ValConfig
from datasets.annotations.skeleton import load_skeleton
from datasets.coco import MSCOCO
from datasets.crops.augment import strengthened
from datasets.sample import Batch, collate, joined
from datasets.samplers import TrainSampler
from datasets.unlabelled.mixed import MixedSampler
from processors.runtime.colour_augment import augment_colour
from processors.runtime.parallel import OneProcess
from processors.unlabelled.teacher import Teacher, build_teacher, in_other_view, shares
from utils.codecs.visibility_codec import LABELLED, UNKNOWN, Codec, VisibilityCodec
from utils.heatmap_codec import HeatmapCodec

COCO = load_skeleton("coco")
SIZE = (48, 64)
SWAPPED = torch.tensor(COCO.flip_order)
FAR = 0.1       # input pixels between a joint and what is decoded of its heatmap


@pytest.fixture
def views(coco_content, write_coco):
    """Easy and hard views of all eight people, with joints that lie within every crop."""
    files = write_coco(coco_content)
    augment = AugmentConfig(rotation=40, rotation_prob=1, scale=0.3, flip=0.5, brightness=0.1)
    plain = MSCOCO(*files, COCO, input_size=SIZE)
    hard = MSCOCO(*files, COCO, input_size=SIZE, augment=strengthened(augment), seed=4)
    rows = range(len(plain))
    easy = collate([replace(plain[row], draws=hard[(1, row)].draws * 0) for row in rows])
    return easy, collate([hard[(1, row)] for row in rows])


class Answers(nn.Module):
    """Gives the heatmaps of these joints, whatever it sees, as high as these heights; mirrored to
    the second of two questions."""

    def __init__(self, codec: HeatmapCodec, joints: torch.Tensor, heights: torch.Tensor):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1))
        self.heatmaps = codec.encode(joints, torch.ones(joints.shape[:2]))[0] * heights[..., None,
                                                                                        None]
        self.seen: list[torch.Tensor] = []
        self.done = 0

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        assert not torch.is_grad_enabled() and not torch.is_inference_mode_enabled()
        self.seen.append(images.clone())
        first = self.done
        self.done += len(images)
        return self.heatmaps[first:first + len(images)] * self.weight


def teacher(net: nn.Module, codec: Codec, share: int = 2, added: int = 8, devices: int = 1,
            flip_test: bool = False, **optim) -> Teacher:
    config = replace(Config(), codec=CodecConfig(input_size=SIZE),
                     augment=AugmentConfig(rotation=40, brightness=0.1),
                     optim=OptimConfig(ema=0.9, **optim), val=ValConfig(flip_test=flip_test))
    order = MixedSampler(TrainSampler(10, share, 0, 1), 8, added, 1, 1)
    made = build_teacher(config, net.eval(), COCO, codec, OneProcess(()), order)
    assert made
    made.parallel.devices = made.parallel.devices * devices
    return made


def sure_of_all(easy: Batch, **settings) -> Teacher:
    codec = HeatmapCodec(SIZE)
    net = Answers(codec, easy.keypoints, torch.ones_like(easy.visibility))
    return teacher(net, codec, **settings)


# ---- from view to view

def test_joints_come_where_the_warp_of_the_labels_puts_them(views):
    """And with the names that they have there."""
    easy, hard = views
    turns = torch.linalg.det(hard.to_image[..., :2].double())
    assert (turns < 0).any() and (turns > 0).any()
    places, names = in_other_view(easy.keypoints, easy.to_image, hard.to_image, SWAPPED)
    torch.testing.assert_close(places, hard.keypoints, rtol=0, atol=2e-3)
    for mirrored, row in zip((turns < 0).tolist(), names, strict=True):
        assert row.tolist() == (list(COCO.flip_order) if mirrored else list(range(17)))


def test_what_the_teacher_sees_becomes_the_label_of_the_hard_view(views):
    easy, hard = views
    labels = sure_of_all(easy).label(easy, hard)
    torch.testing.assert_close(labels.visibility, torch.ones(8, 17), rtol=0, atol=0.03)
    assert (labels.keypoints - hard.keypoints).abs().max() < 3      # zoomed in up to 2 times
    assert (labels.keypoints - hard.keypoints).abs().mean() < 3 * FAR
    for name in ("index", "image_id", "to_image", "broken", "area", "box_score"):
        assert torch.equal(getattr(labels, name), getattr(hard, name))


def test_known_joints_are_never_labels(views):
    easy, hard = views
    strangers = [replace(batch, keypoints=batch.keypoints * 0, visibility=batch.visibility * 0)
                 for batch in views]
    one, other = sure_of_all(easy).label(easy, hard), sure_of_all(easy).label(*strangers)
    assert torch.equal(one.keypoints, other.keypoints) and one.visibility.all()


@pytest.mark.parametrize("visibility, yes, no", [(False, 1, 0), (True, LABELLED, UNKNOWN)])
def test_only_joints_of_which_it_is_sure_count_as_much_as_it_is(views, visibility, yes, no):
    easy, hard = views
    heights = torch.full((8, 17), 0.9)
    heights[:, 0] = 1.2         # the nose, which no mirror moves
    high = [yes] + [0.9] * 16
    heights[:, 5] = 0.39        # the left shoulder, which is the right one in a mirror
    heights[3] = float("nan")
    plain = HeatmapCodec(SIZE)
    net: nn.Module = Answers(plain, easy.keypoints, heights)
    codec: Codec = plain
    if visibility:
        codec, bare = VisibilityCodec(plain), net
        net = nn.Sequential(OrderedDict(bare=bare, rows=Rows()))
    made = teacher(net, codec, unlabelled_score=0.4)
    labels = made.label(easy, hard)
    mirrored = torch.linalg.det(hard.to_image[..., :2]) < 0
    for row in range(8):
        lost = [6 if mirrored[row] else 5] if row != 3 else list(range(17))
        wanted = torch.tensor([float(no if k in lost else high[k]) for k in range(17)])
        torch.testing.assert_close(labels.visibility[row], wanted, rtol=0, atol=0.03)
        assert not labels.keypoints[row, lost].any()
    targets, weights = made.encode(labels.keypoints, labels.visibility)
    assert not weights[3].any() and targets.isfinite().all()
    if visibility:      # it teaches nothing within the crop, where a sure joint beside it is absent
        inside = (labels.keypoints >= 0).all(-1) & (labels.keypoints < torch.tensor(SIZE)).all(-1)
        assert not targets[..., -3:][inside].any() and inside.sum() > 100


def test_a_joint_without_a_place_does_not_count(views, monkeypatch):
    easy, hard = views
    made = sure_of_all(easy)
    places = easy.keypoints.clone()
    places[2, 7, 0], places[4, 1, 1] = float("nan"), float("inf")
    monkeypatch.setattr(made.codec, "decode", lambda outputs: (places, None))
    labels = made.label(easy, hard)
    assert (labels.visibility > 0.4).sum() == 8 * 17 - 2 and labels.keypoints.isfinite().all()


class Rows(nn.Module):
    """Heatmaps in rows, with three logits behind them."""

    def forward(self, heatmaps: torch.Tensor) -> torch.Tensor:
        return torch.cat([heatmaps.flatten(2), torch.zeros(*heatmaps.shape[:2], 3)], dim=-1)


def test_it_looks_at_the_mirror_image_too_if_evaluations_do(views):
    easy, hard = views
    codec = HeatmapCodec(SIZE)
    answers = codec.encode(easy.keypoints, torch.ones(8, 17))[0]
    net = Answers(codec, easy.keypoints, torch.ones(8, 17))
    # what the mirror image gives shows everything elsewhere, so that nothing is left of certainty
    net.heatmaps = torch.cat([answers, answers.roll(5, dims=2)])
    labels = teacher(net, codec, flip_test=True, unlabelled_score=0.8).label(easy, hard)
    assert torch.equal(net.seen[1], net.seen[0].flip(3)) and not labels.visibility.any()
    net.heatmaps = torch.cat([answers, codec.flip_back(answers, COCO.flip_order)])
    net.done = 0
    sure = teacher(net, codec, flip_test=True, unlabelled_score=0.8).label(easy, hard)
    assert sure.visibility.mean() > 0.8     # back and forth loses a column


def test_colours_change_in_the_hard_view_alone_and_only_once(views):
    easy, hard = views
    easy = replace(easy, draws=hard.draws)      # as if it were to be coloured
    made = sure_of_all(easy)
    labels = made.label(easy, hard)
    strong = augment_colour(hard.crop, hard.draws, made.augment)
    assert (labels.crop.float() - strong).abs().max() <= 0.5
    assert (strong - hard.crop.float()).abs().mean() > 5
    again = augment_colour(labels.crop, labels.draws, AugmentConfig(
        brightness=1, contrast=1, saturation=1, hue=90, grey=1, blur=1, dropout=1))
    assert (again - labels.crop.float()).abs().max() < 0.01
    seen, = made.net.seen
    untouched = sure_of_all(easy)
    untouched.label(replace(easy, draws=easy.draws * 0), hard)
    assert torch.equal(seen, untouched.net.seen[0])


# ---- batches

@pytest.mark.parametrize("number, devices", [(1, 1), (2, 1), (1, 2), (2, 2), (1, 3)])
def test_every_piece_of_a_batch_has_its_share_of_both(views, number, devices):
    easy, hard = views
    labelled = replace(hard.split((4, 4))[0], index=torch.arange(100, 104))
    made = sure_of_all(easy, share=4, devices=devices)
    whole = joined([labelled, easy, hard])
    alone = joined(made.micro_batches(whole, number, epoch=0))
    assert torch.equal(alone.crop, labelled.crop) and not made.net.seen     # unlabelled_after: 1
    batches = made.micro_batches(whole, number, epoch=1)
    assert [len(batch) for batch in batches] == [12 // number] * number
    everybody = torch.cat([batch.index for batch in batches])
    assert sorted(everybody.tolist()) == [*range(8), *range(100, 104)]
    for piece in everybody.tensor_split(number * devices):
        known = int((piece >= 100).sum())
        assert abs(known - 4 / (number * devices)) < 1
    whole = joined(batches)
    for row in (everybody >= 100).nonzero().flatten().tolist():
        own = int(everybody[row]) - 100
        assert torch.equal(whole.crop[row], labelled.crop[own])
        assert torch.equal(whole.keypoints[row], labelled.keypoints[own])


def test_shares():
    assert shares(7, 3) == [2, 2, 3] and shares(8, 4) == [2] * 4 and shares(1, 2) == [0, 1]


def test_it_is_the_average_and_stays_as_it_is(views):
    easy, hard = views
    net = nn.Sequential(nn.Conv2d(3, 8, 8, 4, 2), nn.BatchNorm2d(8), nn.ReLU(),
                        nn.Conv2d(8, 17, 3, padding=1)).eval()
    before = copy.deepcopy(net.state_dict())
    made = teacher(net, HeatmapCodec(SIZE), unlabelled_score=0.0, flip_test=True)
    first = made.label(easy, hard)
    assert not net.training and first.keypoints.requires_grad is False
    assert all(torch.equal(value, before[key]) for key, value in net.state_dict().items())
    with torch.no_grad():
        net[3].weight.copy_(torch.randn_like(net[3].weight))    # the average moves
    assert not torch.equal(made.label(easy, hard).keypoints, first.keypoints)


def test_without_the_setting_there_is_none():
    order = TrainSampler(10, 2, 0, 1)
    assert build_teacher(Config(), nn.Identity(), COCO, HeatmapCodec(SIZE), OneProcess(()),
                         order) is None


# ---- what is told

def test_the_log_has_the_share_in_use_and_how_good_it_is(views, caplog):
    easy, hard = views
    codec = HeatmapCodec(SIZE)
    heights = torch.ones(8, 17)
    heights[:, :7] = 0.1
    shifted = easy.keypoints + torch.tensor([1.6, 0.0])     # a fortieth of 64 pixels
    shifted[0, 8:12, 1] += torch.where(shifted[0, 8:12, 1] > 32, -6, 6)
    known = replace(easy, visibility=easy.visibility.clone())
    known.visibility[:, 16] = 0
    made = teacher(Answers(codec, shifted, heights), codec)
    made.label(known, hard)
    with caplog.at_level("INFO"):
        numbers = made.report(3)
    assert numbers["used"] == pytest.approx(10 / 17)
    assert numbers["error"] == pytest.approx(
        (68 * 1.6 + 4 * (1.6 ** 2 + 6 ** 2) ** 0.5) / 72 / 64, abs=3 * FAR / 64)
    assert numbers["near"] == pytest.approx(68 / 72)
    assert "epoch 3, people without labels: the averaged network was sure of 0.588" in caplog.text
    assert made.report(4) == {}         # counted anew
    strangers = replace(easy, visibility=easy.visibility * 0)
    made.net.done = 0
    made.label(strangers, hard)
    assert made.report(5).keys() == {"used"}


