"""Targets as high as the teacher's peaks, and those of labels as they always are."""
import pytest
import torch

from processors.unlabelled.certainty import heights_of
from processors.unlabelled.soft_targets import encode, visibilities
from utils.codecs.simcc_codec import SimCCCodec
from utils.codecs.visibility_codec import ABSENT, HIDDEN, LABELLED, VISIBLE, VisibilityCodec
from utils.heatmap_codec import HeatmapCodec

PLAIN = HeatmapCodec((64, 64))
VECTORS = SimCCCodec((64, 64))
JOINTS = torch.tensor([[[20.3, 30.1], [40.0, 10.0], [33.0, 50.0], [9.0, 9.0]]])
HEIGHTS = torch.tensor([[0.35, 0.8, 1.3, 0.9]])
SURE = torch.tensor([[True, True, True, False]])


@pytest.mark.parametrize("codec", [PLAIN, VisibilityCodec(PLAIN)])
def test_a_target_has_the_height_that_was_found(codec):
    targets, weights = encode(codec, JOINTS, visibilities(codec, HEIGHTS, SURE))
    assert weights.tolist() == [[1, 1, 1, 0]]
    wanted = torch.tensor([[0.35, 0.8, 1, 0]])      # not more than that of a label
    torch.testing.assert_close(heights_of(codec, "mse")(targets, JOINTS), wanted)
    if codec is not PLAIN:
        assert not targets[..., -3:].any()          # nothing is known of their visibility


def test_a_teacher_that_is_taught_its_own_height_keeps_it():
    """Joints between pixels, where no pixel is as high as the peak: else all would sink."""
    joints, seen = JOINTS, visibilities(PLAIN, HEIGHTS, SURE)
    for _ in range(5):
        heatmaps, _ = encode(PLAIN, joints, seen)
        joints = PLAIN.decode(heatmaps)[0]
        seen = visibilities(PLAIN, heights_of(PLAIN, "mse")(heatmaps, joints), SURE)
    torch.testing.assert_close(seen[0, :2], HEIGHTS[0, :2], rtol=0, atol=0.03)


@pytest.mark.parametrize("codec", [VECTORS, HeatmapCodec((64, 64), softmax=True)])
def test_distributions_weigh_as_much_less(codec):
    targets, weights = encode(codec, JOINTS, visibilities(codec, HEIGHTS, SURE))
    torch.testing.assert_close(weights, torch.tensor([[0.35, 0.8, 1, 0]]))
    assert torch.equal(targets, codec.encode(JOINTS, SURE.float())[0])


@pytest.mark.parametrize("codec, seen", [
    (PLAIN, [1, 0, 1, 1]), (VECTORS, [1, 0, 1, 1]),
    (VisibilityCodec(PLAIN), [VISIBLE, ABSENT, HIDDEN, LABELLED])])
def test_labels_are_encoded_to_the_bit_as_without_a_teacher(codec, seen):
    seen = torch.tensor([seen]).float()
    for mine, theirs in zip(encode(codec, JOINTS, seen), codec.encode(JOINTS, seen), strict=True):
        assert torch.equal(mine, theirs)
