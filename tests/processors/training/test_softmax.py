"""Networks whose maps are a softmax over pixels: trained, judged, used, exported as all others."""
import numpy as np
import pytest
import torch

from configs.schema import ModelConfig
from losses.heatmap import softmax_kl
from nets import build_net
from nets.official_forms import ensure_expressible
from processors.models.load_pose_model import load_pose_model
from processors.pose_predictor import PosePredictor
from tests.processors.training.exports import exported_both_ways
from utils.errors import UserError
from utils.heatmap_codec import HeatmapCodec

SOFTMAX = {"model.softmax": True, "optim.loss": "softmax_kl"}
BOXES = [[5, 5, 60, 80], [2, 3, 40, 50]]


@pytest.fixture
def image():
    return np.random.default_rng(0).integers(0, 256, (90, 80, 3), dtype=np.uint8)


def test_it_is_trained_judged_and_used(tiny, tmp_path, image):
    processor = tiny(net=None, **SOFTMAX | {"codec.sigma": 1.5})
    before = processor.net.head.output.weight.clone()
    assert np.isfinite(processor.run()["AP"])
    assert not torch.equal(before, processor.net.head.output.weight)
    weights = tmp_path / "weights" / "quickstart_best.pth"
    model = load_pose_model(weights)
    assert processor.net.softmax.sigma == model.network.softmax.sigma == 1.5
    maps = model.network(torch.randn(2, 3, 64, 64))
    assert ((0 <= maps) & (maps <= 1)).all()
    people = PosePredictor(weights, device="cpu")(image, BOXES)
    assert all(np.isfinite(one.keypoints).all() and (one.scores > 0).all() for one in people)
    with pytest.raises(UserError, match="model.softmax = False, it was made with True"):
        tiny(net=None, **{"resume": True})


def test_it_learns_where_the_joints_are():
    """Two pictures by heart; a sure joint has a peak of nearly 1, as its heatmap."""
    torch.manual_seed(0)
    net = build_net(type="pose_resnet_duc", name="resnet18", width=0.125, num_joints=3,
                    softmax=True, sigma=1.5)
    codec = HeatmapCodec((64, 64), sigma=1.5)
    images, joints = torch.randn(2, 3, 64, 64), 10 + 44 * torch.rand(2, 3, 2)
    targets, weights = codec.encode(joints, torch.ones(2, 3))
    optimizer = torch.optim.Adam(net.parameters(), lr=0.003)
    for _ in range(100):
        optimizer.zero_grad()
        softmax_kl(net(images), targets, weights).backward()
        optimizer.step()
    net.softmax.eval()      # batch norms go on with what these two pictures give
    found, scores = codec.decode(net(images))
    assert (found - joints).abs().max() < 1
    assert ((scores > 0.8) & (scores < 1.01)).all()


@pytest.mark.slow
def test_it_is_exported(tiny, tmp_path, image):
    pytest.importorskip("onnxscript")
    tiny(net=None, **SOFTMAX | {"optim.epochs": 1, "val.flip_test": False,
                                "model.width": 0.125}).run()
    weights = tmp_path / "weights" / "quickstart_best.pth"
    wanted = PosePredictor(weights, device="cpu")(image, BOXES)
    for _, out, _ in exported_both_ways(weights, tmp_path):
        for one, other in zip(PosePredictor(out, device="cpu")(image, BOXES), wanted, strict=True):
            np.testing.assert_allclose(one.scores, other.scores, atol=1e-4)
            np.testing.assert_allclose(one.keypoints, other.keypoints, atol=0.01)


def test_forms_of_other_projects_have_no_place_for_it():
    with pytest.raises(UserError, match="has no place for the softmax over pixels"):
        ensure_expressible(ModelConfig(type="pose_hrnet", name="w32", softmax=True), "hrnet")
