"""torch.hub entry points."""
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch

ROOT = str(Path(__file__).resolve().parent.parent)


@pytest.mark.parametrize("entry, settings", [
    ("pose_resnet_duc", {"name": "resnet18", "reduction": True, "num_joints": 5}),
    ("pose_resnet_dconv", {"name": "resnet18"}),
    ("pose_hrnet", {"name": "w32", "num_joints": 5}),
    ("pose_vit", {"name": "s", "num_joints": 5, "head": "simple", "input_size": (64, 48)}),
    pytest.param("pose_timm", {"name": "mobilenetv4_conv_small", "head": "duc"},
                 marks=pytest.mark.skipif(not find_spec("timm"), reason="timm is not installed")),
])
def test_entries_build_networks_with_weights(tmp_path, entry, settings):
    first = torch.hub.load(ROOT, entry, source="local", **settings)
    path = tmp_path / "weights.pth"
    torch.save({"ema": first.state_dict()}, path)
    net = torch.hub.load(ROOT, entry, source="local", weights=str(path), **settings)
    assert net.weights_report.where == str(path)
    assert all(torch.equal(value, first.state_dict()[key])
               for key, value in net.state_dict().items())


def test_no_weights_are_false():
    with pytest.raises(ValueError, match="`weights` in torch.hub.* is None"):
        torch.hub.load(ROOT, "pose_resnet_duc", source="local", name="resnet18", weights=None)
