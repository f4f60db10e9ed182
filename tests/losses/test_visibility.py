"""The loss of visibility: cross entropy of what is known, shared by micro-batches."""
import pytest
import torch
from torch.nn.functional import cross_entropy

from losses.objective import build_objective
from losses.visibility import visibility_loss
from utils.codecs.visibility_codec import VisibilityCodec
from utils.heatmap_codec import HeatmapCodec


def test_it_is_cross_entropy_where_the_truth_is_known():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(4, 5, 3, generator=generator)
    v = torch.randint(0, 3, (4, 5), generator=generator)
    known = torch.rand(4, 5, generator=generator) < 0.7
    wanted = torch.eye(3)[v] * known[..., None]
    alone = cross_entropy(logits[known], v[known], reduction="sum") / 20
    torch.testing.assert_close(visibility_loss(logits, wanted), alone)
    halves = [visibility_loss(one, other) for one, other in
              zip(logits.chunk(2), wanted.chunk(2), strict=True)]
    torch.testing.assert_close(sum(halves) / 2, alone)


def test_the_objective_adds_it_by_its_weight():
    codec = VisibilityCodec(HeatmapCodec((32, 32)))
    joints = 4 + 24 * torch.rand(2, 3, 2)
    targets, weights = codec.encode(joints, torch.tensor([[0.0, 1, 2], [2, 3, -1]]))
    outputs = torch.randn(2, 3, *codec.output_shape)
    plain, both = build_objective("mse", codec.plain), build_objective("mse", codec, 0.25)
    (places, logits), (wanted, v) = codec.split(outputs), codec.split(targets)
    torch.testing.assert_close(
        both.loss(outputs, targets, weights),
        plain.loss(places, wanted, weights) + 0.25 * visibility_loss(logits, v))
    assert both.accuracy(outputs, targets) == plain.accuracy(places, wanted)
    assert both.accuracy(targets, targets) == 1


def test_joints_of_which_nothing_is_known_teach_nothing():
    logits = torch.randn(2, 3, 3, requires_grad=True)
    loss = visibility_loss(logits, torch.zeros(2, 3, 3))
    loss.backward()
    assert loss.item() == pytest.approx(0) and not logits.grad.any()
