import pytest
import torch

from losses.accuracy import simcc_accuracy
from losses.objective import build_objective
from utils.codecs.simcc_codec import SimCCCodec
from utils.codecs.visibility_codec import VisibilityCodec
from utils.errors import UserError
from utils.heatmap_codec import HeatmapCodec


@pytest.mark.parametrize("codec, name", [(HeatmapCodec(), "mse"), (SimCCCodec(), "simcc_kl")])
def test_what_a_codec_encodes_is_right(codec, name):
    joints = torch.rand(3, 5, 2, generator=torch.Generator().manual_seed(0)) * 150 + 20
    targets, weights = codec.encode(joints, torch.ones(3, 5))
    objective = build_objective(name, codec)
    assert objective.accuracy(targets, targets) == 1
    assert objective.loss(targets, targets, weights).isfinite()


PLAIN = "codec.kind is heatmap, model.softmax false: write mse or ohkm or adaptive_wing"


@pytest.mark.parametrize("codec, name, words", [
    (HeatmapCodec(), "rtmpose_kl", PLAIN), (HeatmapCodec(), "softmax_kl", PLAIN),
    (HeatmapCodec(softmax=True), "mse", "is mse, but model.softmax is true: write softmax_kl"),
    (VisibilityCodec(HeatmapCodec(softmax=True)), "ohkm", "is true: write softmax_kl"),
    (SimCCCodec(), "mse", "codec.kind is simcc: write simcc_kl or rtmpose_kl")])
def test_a_loss_of_other_outputs_is_refused(codec, name, words):
    with pytest.raises(UserError, match=words):
        build_objective(name, codec)


def test_peaks_within_a_twentieth_of_the_other_side_are_near():
    """mmpose's 0.05, with the sides exchanged."""
    codec = SimCCCodec((100, 200))
    wanted = torch.tensor([[[50.0, 100.0], [50.0, 100.0], [50.0, 100.0], [50.0, 100.0]]])
    moved = wanted + torch.tensor([[[9.5, 0], [10.5, 0], [0, 4.5], [0, 5.5]]])
    visible = torch.ones(1, 4)
    targets, found = (codec.encode(joints, visible)[0] for joints in (wanted, moved))
    assert simcc_accuracy(found, targets, codec.bins[0]).item() == 0.5
    targets[:, 1:] = 0      # no joint there
    assert simcc_accuracy(found, targets, codec.bins[0]).item() == 1
