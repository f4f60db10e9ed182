import math

import numpy as np
import pytest
import torch

from losses.heatmap import (
    LOSSES,
    SOFTMAX_LOSSES,
    adaptive_wing,
    hard_keypoints_mse,
    softmax_kl,
    weighted_mse,
)
from nets.pose.softmax import SpatialSoftmax

ALL = LOSSES | SOFTMAX_LOSSES


@pytest.fixture
def golden(shared):
    arrays = np.load(shared / "golden" / "losses.npz")
    heatmaps = torch.tensor(arrays["out"], requires_grad=True)
    return arrays, heatmaps, torch.tensor(arrays["target"]), torch.tensor(arrays["weight"])[..., 0]


@pytest.fixture
def maps():
    """heatmaps, targets (3, 10, 8, 6) and weights (3, 10) of 0, 1 and 1.5"""
    random = torch.Generator().manual_seed(0)
    heatmaps, targets = torch.rand(2, 3, 10, 8, 6, generator=random)
    weights = torch.tensor([0.0, 1.0, 1.5])[torch.randint(3, (3, 10), generator=random)]
    return heatmaps, targets, weights


def test_mse_and_its_gradient_equal_the_official_ones(golden):
    arrays, heatmaps, targets, weights = golden
    loss = weighted_mse(heatmaps, targets, weights)
    loss.backward()
    assert loss.item() == pytest.approx(arrays["mse_weighted"].item(), abs=1e-7)
    assert loss.item() == pytest.approx(arrays["alpha_mse"].item(), abs=1e-7)
    np.testing.assert_allclose(heatmaps.grad, arrays["mse_weighted_grad"], atol=1e-9)


def test_mse_without_weights_equals_the_official_one(golden):
    arrays, heatmaps, targets, weights = golden
    loss = weighted_mse(heatmaps, targets, torch.ones_like(weights)).item()
    assert loss == pytest.approx(arrays["mse_unweighted"].item(), abs=1e-7)


def test_hard_keypoints_equal_the_official_ones(golden):
    arrays, *inputs = golden
    loss = hard_keypoints_mse(*inputs).item()
    assert loss == pytest.approx(arrays["ohkm_top8_weighted"].item(), abs=1e-7)


def test_mse_is_its_formula(maps):
    heatmaps, targets, weights = maps
    weighed = weights[..., None, None]
    wanted = 0.5 * ((heatmaps * weighed - targets * weighed) ** 2).mean()
    assert weighted_mse(*maps).item() == pytest.approx(wanted.item(), rel=1e-6)


def test_hard_keypoints_are_the_largest_of_each_person(maps):
    heatmaps, targets, weights = maps
    errors = 0.5 * weights.square() * (heatmaps - targets).square().mean((2, 3))
    wanted = np.mean([sorted(person)[-3:] for person in errors.tolist()])
    assert hard_keypoints_mse(*maps, top=3).item() == pytest.approx(wanted, rel=1e-6)
    assert hard_keypoints_mse(*maps, top=99).item() == pytest.approx(weighted_mse(*maps).item())


def wing(y: float, predicted: float, alpha=2.1, omega=14.0, epsilon=1.0, theta=0.5) -> float:
    """Wang et al. 2019, equations 3 and 4, for one pixel."""
    difference, power = abs(y - predicted), alpha - y
    if difference < theta:
        return omega * math.log(1 + (difference / epsilon) ** power)
    a = omega / (1 + (theta / epsilon) ** power) * power * (
        (theta / epsilon) ** (power - 1)) / epsilon
    c = theta * a - omega * math.log(1 + (theta / epsilon) ** power)
    return a * difference - c


@pytest.mark.parametrize("target", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("predicted", [-2.0, -0.499, 0.0, 0.2, 0.5, 0.8, 1.0, 1.7])
def test_adaptive_wing_is_the_formula_of_the_paper(target, predicted):
    one = torch.ones(1, 1, 1, 1)
    loss = adaptive_wing(predicted * one, target * one, one[..., 0, 0]).item()
    assert loss == pytest.approx(wing(target, predicted), rel=1e-4, abs=1e-4)


def test_adaptive_wing_has_no_jump_between_its_branches():
    predicted = torch.tensor([0.4999, 0.5001]).reshape(2, 1, 1, 1)
    near, far = (adaptive_wing(p[None], torch.zeros(1, 1, 1, 1), torch.ones(1, 1)).item()
                 for p in predicted)
    assert far - near == pytest.approx(0, abs=0.01) and far > near


def test_softmax_kl_is_its_formula(maps):
    _, targets, weights = maps
    found = maps[0] / maps[0].sum(dim=(2, 3), keepdim=True)
    wanted = []
    for values in zip(found, targets, weights, strict=True):
        for q, p, weight in zip(*(one.numpy() for one in values), strict=True):
            p = p ** 6 / np.sum(p ** 6)
            wanted.append(weight * np.sum(p * np.log(p / q)))
    assert softmax_kl(found, targets, weights).item() == pytest.approx(np.mean(wanted), rel=1e-4)


@pytest.mark.parametrize("spread", [1, 20])
def test_what_goes_into_the_softmax_is_pulled_by_the_difference_of_both_distributions(maps, spread):
    logits, targets, weights = maps
    logits = (spread * logits).requires_grad_()
    targets[0, 0] *= 0.3        # the joint is beside the map
    weights[0, 0] = 1
    softmax_kl(SpatialSoftmax(2)(logits)[0], targets, weights).backward()
    q = logits.detach().flatten(2).softmax(dim=-1).view(logits.shape)
    p = targets ** 6 / (targets ** 6).sum(dim=(2, 3), keepdim=True)
    wanted = (q - p) * weights[..., None, None] / 30
    wanted[0, 0] = 0
    torch.testing.assert_close(logits.grad, wanted, rtol=1e-4, atol=1e-8)


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("difference", [0.0, 1e-9, 1e-6, 0.5, 30.0])
def test_gradients_are_finite_and_go_towards_the_target(name, difference):
    targets = torch.linspace(0, 1, 48).reshape(1, 1, 8, 6)
    heatmaps = (targets + difference).requires_grad_()
    LOSSES[name](heatmaps, targets, torch.ones(1, 1)).backward()
    assert torch.isfinite(heatmaps.grad).all() and (heatmaps.grad >= 0).all()
    assert difference < 1e-3 or (heatmaps.grad > 0).all()


@pytest.mark.parametrize("name", LOSSES)
def test_a_perfect_prediction_costs_nothing(name, maps):
    assert LOSSES[name](maps[1], maps[1], maps[2]).item() == 0


def test_the_narrowed_target_itself_has_no_divergence(maps):
    _, targets, weights = maps
    perfect = targets ** 6 / (targets ** 6).sum(dim=(2, 3), keepdim=True)
    assert softmax_kl(perfect, targets, weights).item() == pytest.approx(0, abs=1e-7)


@pytest.mark.parametrize("name", ALL)
def test_joints_of_weight_zero_do_not_count(name, maps):
    heatmaps, targets, weights = maps
    spoiled = torch.where(weights[..., None, None] == 0, 100.0, heatmaps).requires_grad_()
    loss = ALL[name](spoiled, targets, weights)
    assert loss.item() == pytest.approx(ALL[name](*maps).item()) and loss.shape == ()
    loss.backward()
    assert (spoiled.grad[weights == 0] == 0).all()


@pytest.mark.parametrize("name", ALL)
def test_no_loss_without_any_joint(name, maps):
    assert ALL[name](maps[0], maps[1], torch.zeros(3, 10)).item() == 0


@pytest.mark.parametrize("loss", ALL.values(), ids=ALL)
@pytest.mark.parametrize("persons", [1, 3])
def test_weights_as_hrnet_has_them_count_the_same_and_others_are_refused(maps, loss, persons):
    heatmaps, targets, weights = (values[:persons] for values in maps)
    assert torch.equal(loss(heatmaps, targets, weights[..., None]),
                       loss(heatmaps, targets, weights))
    for wrong in (weights.T[:, :1], weights[:, :1], weights[..., None].expand(-1, -1, 2)):
        with pytest.raises(ValueError, match="give targets of the same shape, and weights"):
            loss(heatmaps, targets, wrong)
    with pytest.raises(ValueError, match="give targets of the same shape, and weights"):
        loss(heatmaps, targets[:1, :1], weights)
