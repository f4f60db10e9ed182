"""Joints of the same name keep their part of the last layer when the skeleton changes."""
import pytest
import torch

from nets import build_net
from nets.pretrained import load_weights

THEIRS, OURS = ("nose", "left_eye", "right_eye", "tail"), ("right_eye", "paw", "nose")


def make(joints, kind="pose_resnet_dconv"):
    net = build_net(type=kind, name="resnet18", num_joints=joints)
    torch.nn.init.normal_(net.head.output.bias)
    return net


def assert_rows_by_name(net, before, file, report, names=OURS):
    for layer in ("weight", "bias"):
        rows, old = getattr(net.head.output, layer), file[f"head.output.{layer}"]
        for row, name in enumerate(names):
            wanted = old[THEIRS.index(name)] if name in THEIRS else before[layer][row]
            assert torch.equal(rows[row], wanted)
    assert report.kept_joints == tuple(n for n in names if n in THEIRS)
    assert report.new_joints == tuple(n for n in names if n not in THEIRS)
    assert not report.reinitialised and "begins anew for paw" in str(report)


@pytest.mark.parametrize("names", [OURS, (*OURS, "left_eye")], ids=["fewer", "as many"])
def test_an_own_checkpoint_says_its_joints(names):
    file, net = make(4).state_dict(), make(len(names))
    before = {key: value.clone() for key, value in net.head.output.state_dict().items()}
    checkpoint = {"ema": file, "skeleton": {"joints": [[name, 0.1, 1, "upper"] for name in THEIRS]}}
    report = load_weights(net, checkpoint, joint_names=names)
    assert_rows_by_name(net, before, file, report, names)


def test_published_weights_are_known_by_their_number_of_joints():
    file, net = make(4).state_dict(), make(3)
    before = {key: value.clone() for key, value in net.head.output.state_dict().items()}
    official = {key.replace("backbone.", "").replace("head.upsample", "deconv_layers").replace(
        "head.output", "final_layer"): value for key, value in file.items()}
    report = load_weights(net, official, joint_names=OURS, known_joints={4: THEIRS})
    assert_rows_by_name(net, before, file, report)
    unknown = load_weights(make(3), official, joint_names=OURS, known_joints={17: THEIRS})
    assert unknown.reinitialised and not unknown.kept_joints


def test_the_same_skeleton_and_unknown_joints_are_loaded_as_they_are():
    file = make(4).state_dict()
    for skeleton in ({"joints": list(THEIRS)}, {"joints": 3}, None, {"joints": ["a"]}):
        net = make(4)
        report = load_weights(net, {"ema": file, "skeleton": skeleton}, joint_names=THEIRS)
        assert torch.equal(net.head.output.weight, file["head.output.weight"])
        assert not report.kept_joints and not report.new_joints
