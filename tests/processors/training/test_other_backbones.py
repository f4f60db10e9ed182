"""ViTPose and networks of timm with everything else that a run can be asked for.

Stopped runs, several processes: tests/runs/test_backbone_runs.py.
"""
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

import main
from nets import build_net
from nets.pose.vit import VITS
from processors.jobs.info import describe
from processors.models.checkpoint import load_checkpoint
from processors.models.load_pose_model import load_pose_model
from processors.models.onnx_model import from_metadata, to_metadata
from processors.pose_predictor import PosePredictor

NETS = {
    "vit classic": {"model.type": "pose_vit", "model.name": "s", "codec.alignment": "udp",
                    "codec.decoder": "vitpose", "optim.layer_decay": 0.8},
    "vit simple": {"model.type": "pose_vit", "model.name": "s", "model.head": "simple"},
    "timm with batch norms": {"model.type": "pose_timm", "model.name": "test_efficientnet"},
    "timm with layer norms": {"model.type": "pose_timm", "model.name": "test_convnext",
                              "model.head": "duc"},
    "a ViT of timm": {"model.type": "pose_timm", "model.name": "test_vit", "model.head": "simple"},
}
WAYS = {
    "as it is": {},
    "drop path and clipping": {"model.drop_path": 0.3, "optim.clip_norm": 1,
                               "optim.optimizer": "adamw", "optim.weight_decay": 0.1},
    "pieces, no averages": {"optim.accumulate": 2, "optim.ema": 0},
    "bf16": {"optim.amp": "bf16"},
    "fp16": {"optim.amp": "fp16"},
    "pixels of a channel together": {"optim.channels_last": False},
    "a backbone that stands still": {"optim.freeze_epochs": 1},
    "one process of ddp": {"processor": "ddp", "optim.sync_bn": True},
}


@pytest.fixture(autouse=True)
def small_vit(monkeypatch):
    monkeypatch.setitem(VITS, "s", (24, 2, 3))


@pytest.fixture(params=NETS)
def network(request):
    if NETS[request.param]["model.type"] == "pose_timm":
        pytest.importorskip("timm")
    return {"model.width": 1, **NETS[request.param]}


def kinds(others, quickest: str) -> list:
    """Every network with every one of the others: slow for the quickest network, long for all."""
    return [pytest.param(network, other, marks=pytest.mark.slow if network == quickest else
                         pytest.mark.long) for network in NETS for other in others]


@pytest.mark.parametrize("network, way", [
    *kinds(["fp16"], quickest="vit simple"),
    *[pytest.param(network, way, marks=pytest.mark.slow) for network in NETS
      for way in WAYS if way != "fp16"]], indirect=["network"])
def test_a_run_with(tiny, tmp_path, network, way):
    processor = tiny(net=None, **network, **WAYS[way])
    before = {name: value.clone() for name, value in processor.net.state_dict().items()}
    best = processor.run()
    assert np.isfinite(best["AP"])
    after = processor.net.state_dict()
    assert all(value.isfinite().all() for value in after.values())
    assert not torch.equal(before["head.output.weight"], after["head.output.weight"])
    first = next(name for name in before if name.endswith((".proj.weight", "conv.weight",
                                                           "conv_stem.weight", "stem_0.weight")))
    assert not torch.equal(before[first], after[first])     # down to the pixels


def test_it_is_used_as_any_other(tiny, tmp_path, network):
    tiny(net=None, **network, **{"optim.epochs": 1}).run()
    weights = tmp_path / "weights" / "quickstart_best.pth"
    model = load_pose_model(weights)
    assert model.config.model.type == network["model.type"]
    image = np.random.default_rng(0).integers(0, 256, (90, 80, 3), dtype=np.uint8)
    people = PosePredictor(weights, device="cpu")(image, [[5, 5, 60, 80], [2, 3, 40, 50]])
    assert len(people) == 2 and all(np.isfinite(one.keypoints).all() for one in people)
    assert "parameters" in describe(model.config)
    hub = torch.hub.load(".", network["model.type"], source="local", name=network["model.name"],
                         head=network.get("model.head", "default"), input_size=(64, 64),
                         weights=str(weights))
    stored = load_checkpoint(weights)["ema"]
    assert all(torch.equal(value, stored[key]) for key, value in hub.state_dict().items())


def test_the_pixels_of_timms_weights_are_kept(tiny, tmp_path, capsys):
    """In the checkpoint, in an exported file, and in a run that goes on."""
    pytest.importorskip("timm")

    def net(config, **settings):        # as out of Hugging Face's cache
        made = build_net(replace(config, pretrained=False), **settings)
        made.weights_report = SimpleNamespace(where="", input_format="rgb_half", alignment=None)
        return made

    asked = {**NETS["timm with layer norms"], "model.width": 1, "model.pretrained": True,
             "val.save_steps": 1}
    tiny(net=net, **asked, **{"optim.epochs": 1}).run()
    model = load_pose_model(tmp_path / "weights" / "quickstart_best.pth")
    assert model.input_format == "rgb_half"
    stored = from_metadata(to_metadata(model.config, model.skeleton, False), tmp_path)
    assert stored.config.model.input_format == "rgb_half"
    said = capsys.readouterr()
    assert "input_format is rgb_half instead of rgb_mean_std" in said.out + said.err
    tiny(net=net, **asked).run()
    said = capsys.readouterr()
    assert "optim.epochs was 1, is 2" in said.out + said.err
    assert "input_format was" not in said.out + said.err


@pytest.mark.parametrize("network, decode", [
    *kinds([False], quickest="vit simple"),
    *[pytest.param(network, True, marks=pytest.mark.slow) for network in NETS]],
    indirect=["network"])
def test_it_is_exported(tiny, tmp_path, network, decode):
    pytest.importorskip("onnxscript")
    pytest.importorskip("onnxruntime")
    tiny(net=None, **network).run()
    words = ["export", "--weights", str(tmp_path / "weights" / "quickstart_best.pth"), "--out",
             str(tmp_path / "net.onnx"), *(["--decode"] if decode else [])]
    assert main.main(words) == 0
    image = np.random.default_rng(0).integers(0, 256, (90, 80, 3), dtype=np.uint8)
    assert len(PosePredictor(tmp_path / "net.onnx", device="cpu")(image, [[5, 5, 60, 80]])) == 1


@pytest.mark.parametrize("network, compile", kinds([True], quickest="vit simple"),
                         indirect=["network"])
def test_it_is_compiled(tiny, network, compile):
    assert np.isfinite(tiny(net=None, **network, **{"optim.compile": compile}).run()["AP"])
