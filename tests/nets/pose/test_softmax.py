"""SpatialSoftmax: probabilities while it learns, the heatmaps to be expected afterwards."""
import pytest
import torch

from nets import build_net
from nets.pose.softmax import SpatialSoftmax
from utils.heatmap_codec import HeatmapCodec


@pytest.fixture
def maps():
    return 50 * torch.randn(2, 3, 9, 7, generator=torch.Generator().manual_seed(0))


def test_any_maps_become_probabilities_also_in_half_precision(maps):
    softmax = SpatialSoftmax(2)
    with torch.autocast("cpu", torch.bfloat16):
        found, given = softmax(maps.bfloat16())
    assert given is found and found.dtype == torch.float32 and (found >= 0).all()
    torch.testing.assert_close(found.sum(dim=(2, 3)), torch.ones(2, 3))
    assert torch.equal(found.flatten(2).argmax(-1), maps.bfloat16().flatten(2).argmax(-1))


def test_afterwards_they_become_the_mean_of_the_heatmaps_of_all_places(maps):
    found, given = SpatialSoftmax(1.5).eval()(maps / 20)
    codec = HeatmapCodec((28, 36), sigma=1.5)
    wanted = torch.zeros(2, 3, 9, 7)
    for y in range(9):
        for x in range(7):
            place = codec.heatmap_to_input(torch.tensor([[[x, y]]], dtype=torch.float32))
            heatmap, _ = codec.encode(place, torch.ones(1, 1))
            wanted += found[..., y, x, None, None] * heatmap[0, 0]
    torch.testing.assert_close(given, wanted, rtol=1e-4, atol=1e-4)


def test_visibility_looks_at_the_same_peaks_in_training_and_afterwards():
    net = build_net(type="pose_resnet_duc", name="resnet18", width=0.125, softmax=True,
                    visibility=True)
    for norm in net.modules():
        if isinstance(norm, torch.nn.BatchNorm2d):
            norm.track_running_stats, norm.running_mean, norm.running_var = False, None, None
    torch.nn.init.ones_(net.visibility.weight)
    images = torch.randn(2, 3, 64, 64)
    learning, afterwards = net.train()(images), net.eval()(images)
    torch.testing.assert_close(learning[..., -3:], afterwards[..., -3:])
    assert not torch.allclose(learning[..., :-3], afterwards[..., :-3])
