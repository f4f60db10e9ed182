"""Networks that give SimCC's vectors: trained, judged, used, swept and exported as all others.

Stopped runs, several processes: tests/runs/test_simcc_runs.py.
"""
import numpy as np
import pytest
import torch

from configs.checks import problems
from configs.loader import load_config
from losses.objective import build_objective
from nets import build_net
from nets.pose.cspnext import CSPNEXTS
from nets.pose.hrnet import HRNET_WIDTHS
from nets.pose.vit import VITS
from processors.jobs.info import describe
from processors.models.load_pose_model import load_pose_model
from processors.pose_predictor import PosePredictor
from tests.processors.training.exports import exported_both_ways
from utils.codecs.simcc_codec import SimCCCodec
from utils.errors import UserError

SIMCC = {"model.width": 1, "model.head": "simcc", "codec.kind": "simcc", "codec.bin_sigma": "[2,2]",
         "optim.loss": "simcc_kl"}
RTMPOSE = {"model.head": "rtmcc", "codec.normalize": False, "optim.loss": "rtmpose_kl"}
NETS = {
    "duc": {"model.type": "pose_resnet_duc", "model.name": "resnet18", "model.width": 0.125},
    "dconv": {"model.type": "pose_resnet_dconv", "model.name": "resnet18", "model.width": 0.125,
              "codec.split": 3},
    "hrnet": {"model.type": "pose_hrnet", "model.name": "w32"},
    "vit": {"model.type": "pose_vit", "model.name": "s", "codec.alignment": "udp"},
    "timm": {"model.type": "pose_timm", "model.name": "test_efficientnet"},
    "cspnext": {"model.type": "pose_cspnext", "model.name": "t"},
    "rtmpose": {"model.type": "pose_cspnext", "model.name": "t", **RTMPOSE},
}
QUICK = ("duc", "rtmpose")
BOXES = [[5, 5, 60, 80], [2, 3, 40, 50]]


@pytest.fixture(autouse=True)
def small_nets(monkeypatch):
    monkeypatch.setitem(VITS, "s", (24, 2, 3))
    monkeypatch.setitem(HRNET_WIDTHS, "w32", 8)
    monkeypatch.setitem(CSPNEXTS, "t", (0.167, 0.125))


@pytest.fixture
def image():
    return np.random.default_rng(0).integers(0, 256, (90, 80, 3), dtype=np.uint8)


@pytest.mark.parametrize("name", [
    name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in NETS])
def test_it_is_trained_judged_and_used(tiny, tmp_path, image, name):
    if name == "timm":
        pytest.importorskip("timm")
    processor = tiny(net=None, **SIMCC | NETS[name])
    before = {key: value.clone() for key, value in processor.net.state_dict().items()}
    assert np.isfinite(processor.run()["AP"])
    after = processor.net.state_dict()
    for key in ("head.output.weight", "head.x.weight", "head.y.weight"):
        assert after[key].isfinite().all() and not torch.equal(before[key], after[key])
    weights = tmp_path / "weights" / "quickstart_best.pth"
    model = load_pose_model(weights)
    assert isinstance(model.codec, SimCCCodec)
    split = NETS[name].get("codec.split", 2)
    vectors = model.network(torch.zeros(1, 3, 64, 64))
    assert vectors.shape == (1, 17, *model.codec.output_shape) == (1, 17, 2 * 64 * split)
    people = PosePredictor(weights, device="cpu")(image, BOXES)
    assert len(people) == 2 and all(np.isfinite(one.keypoints).all() for one in people)
    assert f"17x{128 * split}" in describe(model.config)


@pytest.mark.parametrize("name, loss, normalize", [("duc", "simcc_kl", True),
                                                   ("rtmpose", "rtmpose_kl", False)])
def test_it_learns_where_the_joints_are(name, loss, normalize):
    """Two pictures by heart."""
    torch.manual_seed(0)
    form = {key.removeprefix("model."): value for key, value in (SIMCC | NETS[name]).items()
            if key.startswith("model.")}
    net = build_net(**form, num_joints=3, input_size=(64, 64))
    codec = SimCCCodec((64, 64), sigma=(3.0, 3.0), normalize=normalize)
    objective = build_objective(loss, codec)
    images, joints = torch.randn(2, 3, 64, 64), 10 + 44 * torch.rand(2, 3, 2)
    targets, weights = codec.encode(joints, torch.ones(2, 3))
    optimizer = torch.optim.Adam(net.parameters(), lr=0.003)
    for _ in range(60):
        optimizer.zero_grad()
        objective.loss(net(images), targets, weights).backward()
        optimizer.step()
    vectors = net(images)
    assert (codec.decode(vectors)[0] - joints).abs().max() < 2
    assert objective.accuracy(vectors, targets) == 1


def test_a_sweep_has_its_one_decoder(tiny, tmp_path):
    processor = tiny(net=None, **SIMCC | NETS["duc"] | {"optim.epochs": 1})
    swept = processor.evaluation.sweep(processor.net, tmp_path)
    assert [*swept] == ["argmax, no flip", "argmax, flip"]


@pytest.mark.slow
@pytest.mark.parametrize("name", QUICK)
def test_it_is_exported(tiny, tmp_path, image, name):
    """Without --decode as RTMPose's files are: also for those who read nothing else of it."""
    pytest.importorskip("onnxscript")
    pytest.importorskip("onnxruntime")
    tiny(net=None, **SIMCC | NETS[name] | {"optim.epochs": 1, "val.flip_test": False}).run()
    weights = tmp_path / "weights" / "quickstart_best.pth"
    wanted = PosePredictor(weights, device="cpu")(image, BOXES)
    for decode, out, names in exported_both_ways(weights, tmp_path):
        assert names == (["keypoints", "scores"] if decode else ["simcc_x", "simcc_y"])
        for one, other in zip(PosePredictor(out, device="cpu")(image, BOXES), wanted, strict=True):
            np.testing.assert_allclose(one.scores, other.scores, atol=1e-4)
            # a tie between bins may end otherwise
            assert (np.abs(one.keypoints - other.keypoints) < 0.01).mean() > 0.9


@pytest.mark.parametrize("changed, words", [
    ({"codec.kind": "heatmap"}, "codec.kind is heatmap, but model.head simcc gives two vectors"),
    ({"model.head": "default"}, "codec.kind is simcc, but model.head default gives heatmaps"),
    ({"codec.decoder": "argmax"}, "codec.decoder is argmax, but codec.kind simcc has one"),
    ({"model.head": "rtmcc"}, "model.head is 'rtmcc', but pose_resnet_duc has default and simcc"),
])
def test_settings_that_do_not_fit_are_refused(changed, words):
    settings = SIMCC | {"model.type": "pose_resnet_duc"} | changed
    overrides = [f"{key}={value}" for key, value in settings.items()]
    with pytest.raises(UserError, match=words):
        load_config("configs/quickstart.yaml", overrides)


def test_a_loss_of_heatmaps_is_refused_before_anything_is_made(tiny, tmp_path):
    with pytest.raises(UserError, match="optim.loss is mse, but codec.kind is simcc"):
        tiny(net=None, **SIMCC | NETS["duc"] | {"optim.loss": "mse"})
    assert not (tmp_path / "weights").exists()


def test_another_input_size_is_refused():
    net = build_net(type="pose_resnet_dconv", name="resnet18", width=0.125, head="simcc",
                    input_size=(64, 64))
    with pytest.raises(UserError, match="built for maps of 16x16, and these images give 24x16"):
        net(torch.zeros(1, 3, 64, 96))
    assert not [*problems(load_config("configs/quickstart.yaml"))]
