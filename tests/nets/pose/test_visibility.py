"""The head of visibility: beside a network whose places it leaves alone."""
import pytest
import torch

from nets import build_net
from nets.pose.hrnet import HRNET_WIDTHS
from nets.pose.visibility import VisibilityHead
from nets.pose.vit import VITS

FORMS = {"duc": {"type": "pose_resnet_duc", "name": "resnet18", "width": 0.125},
         "simcc": {"type": "pose_resnet_dconv", "name": "resnet18", "width": 0.125,
                   "head": "simcc"},
         "hrnet": {"type": "pose_hrnet", "name": "w32"}, "vit": {"type": "pose_vit", "name": "s"},
         "timm": {"type": "pose_timm", "name": "test_efficientnet"}}


@pytest.mark.parametrize("form", FORMS)
def test_the_places_are_those_of_the_network_without_it(monkeypatch, form):
    """Weights and outputs, to the bit: it is drawn behind all others."""
    monkeypatch.setitem(VITS, "s", (24, 2, 3))
    monkeypatch.setitem(HRNET_WIDTHS, "w32", 8)
    if form == "timm":
        pytest.importorskip("timm")
    nets = []
    for visibility in (False, True):
        torch.manual_seed(0)
        nets.append(build_net(**FORMS[form], num_joints=5, input_size=(64, 64),
                              visibility=visibility).eval())
    states = [net.state_dict() for net in nets]
    assert {key for key in states[1] if key not in states[0]} == {
        "visibility.attention.weight", "visibility.weight", "visibility.bias",
        "visibility.temperature"}
    assert all(torch.equal(value, states[1][key]) for key, value in states[0].items())
    images = torch.randn(2, 3, 64, 64)
    plain, both = (net(images) for net in nets)
    assert both.shape == (2, 5, plain[0, 0].numel() + 3)
    assert torch.equal(both[..., :-3], plain.flatten(2))


def test_each_joint_looks_at_places_of_its_own():
    """A joint whose attention is at a place answers by what is there alone."""
    head, features = VisibilityHead(4, 2), torch.randn(1, 4, 3, 3)
    with torch.no_grad():
        features[0, :2] = 0
        features[0, 0, 0, 1], features[0, 1, 2, 2] = 1, 1       # marks of one place each
        head.attention.weight.zero_()
        head.attention.weight[0, 0], head.attention.weight[1, 1] = 100, 100
        found = head(features, torch.zeros(1, 2, 1))[0, :, 1:]
    for joint, place in enumerate([(0, 1), (2, 2)]):
        there = features[0, :, place[0], place[1]]
        torch.testing.assert_close(found[joint], there @ head.weight[joint, :-1])


def test_the_peak_of_a_joint_counts():
    head, features = VisibilityHead(4, 2), torch.zeros(1, 4, 3, 3)
    outputs = torch.tensor([[[0.1, 0.7], [0.4, 0.2]]])
    peaks = torch.tensor([[0.7], [0.4]])
    outputs.requires_grad_()
    found = head(features, outputs)[..., 2:]
    torch.testing.assert_close(found[0], peaks * head.weight[:, -1])
    found.sum().backward()
    assert not outputs.grad.any() and head.weight.grad[:, -1].any()    # places do not learn of it


def test_training_begins_with_the_answers_of_calibrated_weights_and_a_temperature_of_one(tmp_path):
    form = FORMS["duc"] | {"num_joints": 5, "input_size": (64, 64), "visibility": True}
    best = build_net(**form).eval()
    best.visibility.temperature.fill_(0.25)
    torch.nn.init.normal_(best.visibility.bias)
    torch.save(best.state_dict(), tmp_path / "best.pth")
    begun, images = build_net(**form, pretrained=str(tmp_path / "best.pth")).eval(), torch.randn(
        2, 3, 64, 64)
    assert begun.visibility.temperature == 1
    torch.testing.assert_close(begun(images), best(images))


def test_the_temperature_divides_the_logits():
    head, features = VisibilityHead(4, 2), torch.randn(1, 4, 3, 3)
    before = head(features, torch.zeros(1, 2, 1))
    head.temperature.fill_(2)
    torch.testing.assert_close(head(features, torch.zeros(1, 2, 1)), before / 2)
