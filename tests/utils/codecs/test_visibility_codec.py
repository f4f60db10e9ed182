"""The codec of networks that tell visibility: targets, and that places stay what they are."""
import pytest
import torch

from datasets.annotations.skeleton import load_skeleton
from utils.codecs.simcc_codec import SimCCCodec
from utils.codecs.visibility_codec import (
    ABSENT,
    HIDDEN,
    LABELLED,
    UNKNOWN,
    VISIBLE,
    VisibilityCodec,
    plain_codec,
)
from utils.errors import UserError
from utils.heatmap_codec import HeatmapCodec

FLIP_ORDER = load_skeleton("coco").flip_order
PLAIN = {"heatmap": HeatmapCodec((48, 64)), "simcc": SimCCCodec((48, 64))}


@pytest.fixture(params=PLAIN)
def codec(request):
    return VisibilityCodec(PLAIN[request.param])


@pytest.fixture
def joints():
    return 4 + 40 * torch.rand(2, 17, 2, generator=torch.Generator().manual_seed(0))


def test_places_are_those_of_the_codec_within(codec, joints):
    v = torch.randint(-1, 4, (2, 17), generator=torch.Generator().manual_seed(1)).float()
    targets, weights = codec.encode(joints, v)
    assert targets.shape == (2, 17, *codec.output_shape)
    places, _ = codec.split(targets)
    wanted, wanted_weights = codec.plain.encode(joints, (v > 0).float())
    assert torch.equal(places, wanted) and torch.equal(weights, wanted_weights)
    found, scores, probabilities = codec.decode(targets)
    wanted, wanted_scores = codec.plain.decode(wanted)
    assert torch.equal(found, wanted) and torch.equal(scores, wanted_scores)
    assert torch.equal(probabilities, targets[..., -3:].softmax(-1))
    assert plain_codec(codec) is codec.plain is plain_codec(codec.plain)


@pytest.mark.parametrize("v, inside, beside", [
    (VISIBLE, [0, 0, 1], [1, 0, 0]), (HIDDEN, [0, 1, 0], [1, 0, 0]),
    (ABSENT, [1, 0, 0], [1, 0, 0]), (LABELLED, [0, 0, 0], [1, 0, 0]),
    (UNKNOWN, [0, 0, 0], [0, 0, 0])])
def test_a_joint_beside_the_crop_is_absent(codec, v, inside, beside):
    """The first and the last pixel reach half a pixel beyond their middle."""
    joints = torch.tensor([[-0.4, -0.4], [47.4, 63.4], [-0.6, 5], [47.6, 5], [5, -0.6], [5, 63.6]])
    wanted = codec.encode(joints[None], torch.full((1, 6), float(v)))[0][0, :, -3:]
    assert wanted.tolist() == [inside] * 2 + [beside] * 4


def test_the_mirror_swaps_what_is_said_of_left_and_right(codec):
    outputs = torch.randn(2, 17, *codec.output_shape)
    flipped = codec.flip_back(outputs, FLIP_ORDER)
    assert torch.equal(flipped[..., -3:], outputs[:, list(FLIP_ORDER), -3:])
    places, _ = codec.split(flipped)
    assert torch.equal(places, codec.plain.flip_back(codec.split(outputs)[0], FLIP_ORDER))


def test_what_is_of_another_network_is_refused(codec):
    with pytest.raises(UserError, match="are not those of a network with model.visibility"):
        codec.decode(torch.zeros(2, 17, 5))
    with pytest.raises(UserError, match="decode takes a tensor"):
        codec.decode([0])
    assert "3 of visibility" in codec.output
