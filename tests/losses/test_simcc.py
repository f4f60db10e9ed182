"""The losses of SimCC and RTMPose, and their gradients, as in mmpose."""
import numpy as np
import pytest
import torch

from losses.simcc import SIMCC_LOSSES
from utils.codecs.simcc_codec import SimCCCodec

CASES = {"simcc": ("simcc_kl", SimCCCodec()),
         "rtmpose": ("rtmpose_kl", SimCCCodec(sigma=(4.9, 5.66), normalize=False))}
PERSONS, BINS_X = 20, 384


@pytest.fixture(scope="module")
def golden(shared):
    return dict(np.load(shared / "golden" / "next" / "simcc.npz"))


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("row, factor", [(0, 1), (1, 0.1), (2, 0.01)])
def test_loss_and_gradients_are_mmposes(golden, name, row, factor):
    """mmpose's sum over persons, not their mean."""
    loss, codec = CASES[name]
    logits = np.concatenate([golden[f"logits_{axis}_q"] for axis in "xy"], axis=-1)
    vectors = torch.from_numpy(logits.astype(np.float32) / 4096 * np.float32(factor))
    vectors.requires_grad_()
    targets, weights = codec.encode(torch.from_numpy(golden["joints"][:PERSONS]),
                                    torch.from_numpy(golden["visible"][:PERSONS]))
    found = PERSONS * SIMCC_LOSSES[loss](vectors, targets, weights, BINS_X)
    found.backward()
    stored = golden[f"{name}_loss_gradnormx_gradnormy_gradmaxx_gradmaxy"][row]
    gradients = vectors.grad.split(codec.bins, dim=-1)
    assert found.item() == pytest.approx(stored[0], rel=1e-5)
    assert [one.double().norm().item() for one in gradients] == pytest.approx(stored[1:3], rel=2e-5)
    assert [one.abs().max().item() for one in gradients] == pytest.approx(stored[3:], rel=2e-5)
    if factor == 1:
        for one, axis in zip(gradients, "xy", strict=True):
            wanted = golden[f"{name}_grad_{axis}_person0_joints0_3"]
            np.testing.assert_allclose(one[0, :4], wanted, rtol=2e-5, atol=2e-5 * abs(wanted).max())


@pytest.fixture
def batch():
    """vectors, targets (6, 5, 56 + 64) and weights of 0, 1 and 1.5"""
    random = torch.Generator().manual_seed(0)
    codec = SimCCCodec((28, 32), sigma=(2.0, 2.0))
    weights = torch.tensor([0.0, 1.0, 1.5])[torch.randint(3, (6, 5), generator=random)]
    targets, _ = codec.encode(28 * torch.rand(6, 5, 2, generator=random), torch.ones(6, 5))
    return torch.randn(targets.shape, generator=random), targets, weights, codec.bins[0]


@pytest.mark.parametrize("loss", SIMCC_LOSSES.values(), ids=SIMCC_LOSSES)
def test_halves_of_a_batch_add_up_to_it(batch, loss):
    vectors, targets, weights, bins = batch
    halves = [loss(vectors[rows], targets[rows], weights[rows], bins)
              for rows in (slice(3), slice(3, 6))]
    assert (sum(halves) / 2).item() == pytest.approx(loss(*batch).item(), rel=1e-6)


@pytest.mark.parametrize("loss", SIMCC_LOSSES.values(), ids=SIMCC_LOSSES)
def test_joints_of_weight_zero_do_not_count(batch, loss):
    vectors, targets, weights, bins = batch
    spoiled = torch.where(weights[..., None] == 0, 100.0, vectors).requires_grad_()
    found = loss(spoiled, targets, weights, bins)
    assert found.item() == pytest.approx(loss(*batch).item()) and found.shape == ()
    found.backward()
    assert (spoiled.grad[weights == 0] == 0).all()


def test_the_best_vectors_are_those_of_the_targets(batch):
    """What the targets are the softmax of costs nothing, and a step against the gradient less."""
    vectors, targets, weights, bins = batch
    whole = torch.cat([axis / axis.sum(2, keepdim=True)        # at the border a part is cut off
                       for axis in targets.split([bins, targets.shape[2] - bins], dim=2)], dim=2)
    assert SIMCC_LOSSES["simcc_kl"](whole.clamp(min=1e-12).log(), whole, weights,
                                    bins).item() == pytest.approx(0, abs=1e-6)
    assert SIMCC_LOSSES["rtmpose_kl"](targets, targets, weights, bins).item() == pytest.approx(
        0, abs=1e-6)
    for loss in SIMCC_LOSSES.values():
        start = vectors.clone().requires_grad_()
        before = loss(start, targets, weights, bins)
        before.backward()
        assert loss(vectors - start.grad, targets, weights, bins) < before


@pytest.mark.parametrize("loss", SIMCC_LOSSES.values(), ids=SIMCC_LOSSES)
def test_shapes_that_do_not_fit_are_refused(batch, loss):
    vectors, targets, weights, bins = batch
    for wrong in ((vectors, targets[:1], weights), (vectors, targets, weights[:1]),
                  (vectors, targets, weights[..., None])):
        with pytest.raises(ValueError, match="give targets of the same shape, and weights"):
            loss(*wrong, bins)
