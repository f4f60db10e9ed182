"""How sure a network is: heights as parts of the target's, whatever it gives."""
import pytest
import torch

from processors.unlabelled.certainty import heights_of
from utils.codecs.simcc_codec import SimCCCodec
from utils.codecs.visibility_codec import VisibilityCodec
from utils.heatmap_codec import HeatmapCodec

JOINTS = torch.tensor([[[20.0, 30.0], [40.0, 10.0], [33.0, 50.0]]])
SEEN = torch.ones(1, 3)
SOFT = SimCCCodec((64, 64), normalize=True)
SHARP = SimCCCodec((64, 64), sigma=(3.5, 4.0), normalize=False)


def test_a_target_heatmap_is_as_high_as_can_be_and_a_mean_of_two_half_of_it():
    codec = HeatmapCodec((64, 64))
    heights = heights_of(codec, "mse")
    targets = codec.encode(JOINTS, SEEN)[0]
    torch.testing.assert_close(heights(targets, JOINTS), SEEN, rtol=0, atol=1e-5)
    other = codec.encode(JOINTS.flip(1), SEEN)[0]
    far = heights((targets + other) / 2, JOINTS)
    torch.testing.assert_close(far[0, [0, 2]], torch.full((2,), 0.5), rtol=0, atol=0.02)
    assert torch.equal(heights(torch.zeros(1, 3, 16, 16), JOINTS), torch.zeros(1, 3))


def logits(codec: SimCCCodec, loss: str, *joints: torch.Tensor) -> torch.Tensor:
    """Of the distribution that the loss wants, the mean of those of several places."""
    parts = []
    for axis in range(2):
        wanted = torch.zeros(())
        for one in joints:
            target = codec.encode(one, SEEN)[0].split(codec.bins, dim=-1)[axis]
            wanted = wanted + (target / target.sum(-1, keepdim=True) if loss == "simcc_kl"
                               else (10 * target).softmax(-1)) / len(joints)
        parts.append(wanted.clamp(min=1e-30).log() / (10 if loss == "rtmpose_kl" else 1))
    return torch.cat(parts, dim=-1)


@pytest.mark.parametrize("codec, loss", [(SOFT, "simcc_kl"), (SHARP, "rtmpose_kl")])
def test_vectors_are_held_against_the_distribution_of_the_target(codec, loss):
    heights = heights_of(codec, loss)
    sure = logits(codec, loss, JOINTS)
    torch.testing.assert_close(heights(sure, JOINTS), SEEN, rtol=0, atol=0.01)
    torch.testing.assert_close(heights(sure + 7, JOINTS),   # which means nothing to a softmax
                               heights(sure, JOINTS))
    torn = heights(logits(codec, loss, JOINTS, JOINTS.flip(1)), JOINTS)
    assert (torn[0, [0, 2]] < 0.75).all() and torn[0, 1] > 0.99
    assert (heights(torch.zeros_like(sure), JOINTS) < 0.2).all()


@pytest.mark.parametrize("axis", [slice(0, SOFT.bins[0]), slice(SOFT.bins[0], None)])
def test_the_lower_axis_counts(axis):
    flat = logits(SOFT, "simcc_kl", JOINTS)
    flat[..., axis] = 0
    assert (heights_of(SOFT, "simcc_kl")(flat, JOINTS) < 0.2).all()


def test_logits_of_visibility_are_none_of_its_business():
    codec = VisibilityCodec(HeatmapCodec((64, 64)))
    targets = codec.encode(JOINTS, SEEN)[0]
    targets[..., -3:] = 99
    torch.testing.assert_close(heights_of(codec, "mse")(targets, JOINTS), SEEN, rtol=0, atol=1e-5)
