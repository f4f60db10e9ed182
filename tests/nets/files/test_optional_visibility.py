"""Weights with and without a visibility output, for networks with and without one."""
import pytest
import torch

from nets import build_net
from nets.pretrained import load_weights


def net(joints=3, **model):
    return build_net(type="pose_resnet_duc", name="resnet18", width=0.125, num_joints=joints,
                     **model)


def test_a_network_with_it_begins_from_weights_without():
    ours, theirs = net(visibility=True), net()
    own = {key: value.clone() for key, value in ours.state_dict().items()}
    report = load_weights(ours, theirs.state_dict())
    assert "not in the file: visibility." in str(report)
    for key, value in ours.state_dict().items():
        wanted = own[key] if key.startswith("visibility.") else theirs.state_dict()[key]
        assert torch.equal(value, wanted)


def test_a_network_without_it_leaves_it_out_and_says_so():
    ours, theirs = net(), net(visibility=True)
    report = load_weights(ours, theirs.state_dict())
    assert "its visibility output was left out" in str(report) and not report.missed


@pytest.mark.parametrize("joints, names", [(4, ("a", "b", "c", "d")), (3, ("c", "b", "a"))])
def test_for_other_joints_it_begins_anew(joints, names):
    """Also for the same ones in another order: its rows belong to joints."""
    ours, theirs = net(joints, visibility=True), net(visibility=True)
    own = ours.state_dict()["visibility.weight"].clone()
    report = load_weights(ours, {"ema": theirs.state_dict(), "skeleton": {
        "joints": ["a", "b", "c"]}}, source="this_project", joint_names=names)
    assert "which is for other joints or features, was left out" in str(report)
    assert torch.equal(ours.state_dict()["visibility.weight"], own)


def test_its_own_is_loaded():
    ours, theirs = net(visibility=True), net(visibility=True)
    theirs.visibility.temperature.fill_(1.5)
    report = load_weights(ours, theirs.state_dict())
    assert not report.missed and ours.visibility.temperature == 1.5
