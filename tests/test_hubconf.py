"""torch.hub entry points."""
import inspect
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch

import hubconf
from configs.networks import VECTOR_HEADS
from nets.zoo.published import PUBLISHED

ROOT = str(Path(__file__).resolve().parent.parent)


@pytest.mark.parametrize("entry, settings", [
    ("pose_resnet_duc", {"name": "resnet18", "reduction": True, "num_joints": 5}),
    ("pose_resnet_dconv", {"name": "resnet18"}),
    ("pose_hrnet", {"name": "w32", "num_joints": 5}),
    ("pose_vit", {"name": "s", "num_joints": 5, "head": "simple", "input_size": (64, 48)}),
    ("pose_cspnext", {"name": "t", "num_joints": 5, "input_size": (64, 96)}),
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


def test_what_comes_with_the_project_loads():
    net = torch.hub.load(ROOT, "pose_resnet_duc", source="local", name="resnet18", level=-2,
                         weights="simplepose/r18_160x128")
    assert net.weights_report.missed == () and net(torch.zeros(2, 3, 64, 64)).shape[1:] == (
        17, 16, 16)


def test_entries_have_what_each_name_needs():
    rows = [row for row in PUBLISHED.values() if row.kind == "pose network" and row.address]
    for row in rows:
        model, codec = row.sections["model"], row.config().codec
        words = inspect.signature(getattr(hubconf, model["type"])).parameters.keys()
        assert model.keys() - {"type"} <= words
        if model.get("head") in VECTOR_HEADS:
            assert {"input_size", "split"} <= words and codec.kind == "simcc"
    net = torch.hub.load(ROOT, "pose_resnet_dconv", source="local", name="resnet18", head="simcc",
                         input_size=(64, 96))
    assert net(torch.zeros(2, 3, 96, 64)).shape == (2, 17, 2 * 64 + 2 * 96)


@pytest.mark.parametrize("name, file", [("utils", "utils/__init__.py"), ("configs", "configs/a.py"),
                                        ("nets", "nets.py")])
def test_the_package_in_the_way_is_named(tmp_path, name, file):
    """A package, a folder without __init__, and a file of that name."""
    (tmp_path / file).parent.mkdir(exist_ok=True)
    (tmp_path / file).write_text("")
    code = (f"import sys, torch; sys.path.insert(0, {str(tmp_path)!r}); import {name}\n"
            f"torch.hub.load({ROOT!r}, 'pose_resnet_duc', source='local', name='resnet18')")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True,
                          cwd=tmp_path)
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("ImportError: SimplePose by torch.hub needs the names configs, nets")
    assert f"another {name} ({tmp_path}" in last


def test_no_weights_are_false():
    with pytest.raises(ValueError, match="`weights` in torch.hub.* is None"):
        torch.hub.load(ROOT, "pose_resnet_duc", source="local", name="resnet18", weights=None)
