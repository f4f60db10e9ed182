"""Weights of timm: out of Hugging Face's cache, and files by timm's names."""
import re

import pytest
import torch

from nets import build_net
from utils.input_format import INPUT_FORMATS

timm = pytest.importorskip("timm")
hub = pytest.importorskip("huggingface_hub")
safetensors = pytest.importorskip("safetensors.torch")
HALF = "test_convnext.r160_in1k"        # a tiny network whose weights want mean and std 0.5
BN, VIT = "test_efficientnet.r160_in1k", "test_vit.r160_in1k"


def make(name=HALF, **settings):
    return build_net(type="pose_timm", name=name, num_joints=3, input_size=(64, 96), **settings)


def whole(name=HALF):
    """The tensors of a network of timm with its classifier, as timm's files have them."""
    torch.manual_seed(1)
    return timm.create_model(name, pretrained=False).state_dict()


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """Hugging Face's cache, and no network."""
    monkeypatch.setattr(hub.constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(hub.constants, "HF_HUB_OFFLINE", True)
    return tmp_path


def put_into(cache, name=HALF):
    folder = cache / f"models--timm--{name}"
    (folder / "refs").mkdir(parents=True)
    (folder / "refs" / "main").write_text("1")
    (folder / "snapshots" / "1").mkdir(parents=True)
    safetensors.save_file(whole(name), folder / "snapshots" / "1" / "model.safetensors")


def features_of_timm(cache, name, **size):
    return timm.create_model(name, pretrained=True, features_only=True, **size).state_dict()


def test_timms_own_come_out_of_the_cache(cache):
    put_into(cache)
    net = make(pretrained=True)
    found, wanted = net.backbone.features.state_dict(), features_of_timm(cache, HALF)
    assert found.keys() == wanted.keys()
    assert all(torch.equal(found[key], value) for key, value in wanted.items())
    assert "their licence is apache-2.0" in str(net.weights_report)
    assert net.weights_report.input_format == "rgb_half"


def test_without_a_network_it_is_one_sentence(cache):
    with pytest.raises(ValueError, match=f"{HALF} cannot be had of timm.*: give its file by "
                                         "model.pretrained, put it into the cache") as caught:
        make(pretrained=True)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("name", [HALF, BN, VIT])
@pytest.mark.parametrize("ending", ["pth", "safetensors"])
def test_a_file_gives_what_the_cache_gives(cache, name, ending):
    """Positions of a ViT are resized as timm does it."""
    put_into(cache, name)
    path = cache / f"file.{ending}"
    if ending == "pth":
        torch.save({"state_dict": whole(name)}, path)
    else:
        safetensors.save_file(whole(name), path)
    net = make(name, pretrained=str(path))
    wanted = features_of_timm(cache, name, **({"img_size": (96, 64)} if name == VIT else {}))
    found = net.backbone.features.state_dict()
    assert all(torch.equal(found[key], value) for key, value in wanted.items())
    assert {"head.fc.weight", "head.weight", "classifier.weight"} & set(net.weights_report.left)
    assert f"{path} (timm)" in str(net.weights_report)


@pytest.mark.filterwarnings("ignore:.*copying from a non-meta parameter")
def test_weights_that_keep_to_a_size_name_it(cache, monkeypatch):
    """Neither a file nor the cache is the cure, which have the same weights."""
    torch.save(whole("mixer_s32_224"), cache / "w.pth")
    with torch.device("meta"), pytest.raises(ValueError) as caught:
        make("mixer_s32_224", pretrained=str(cache / "w.pth"))
    assert re.search(r"size mismatch.*must be timm's .* keep to the codec.input_size of their "
                     r"weights, here \[224, 224\]$", str(caught.value))
    monkeypatch.setattr("timm.models._builder.load_pretrained", refuse_the_size)
    with torch.device("meta"), pytest.raises(ValueError) as caught:
        make("mixer_s32_224", pretrained=True)
    assert re.search(r"size mismatch.*: set codec.input_size to what it was made for, "
                     r"\[224, 224\], or choose another network$", str(caught.value))


def refuse_the_size(model, **_):
    """What timm does with its own weights, which this network has not without a connection."""
    model.load_state_dict({"blocks.0.mlp_tokens.fc1.weight": torch.zeros(1, 1)}, strict=False)


def less(state):
    del state["stages.1.blocks.0.gamma"]


def more(state):
    state["stages.1.blocks.9.gamma"] = torch.zeros(1)


def other(state):
    state["stages.1.blocks.0.gamma"] = torch.zeros(7)


def broken(state):
    state["stages.1.blocks.0.gamma"] *= torch.nan


@pytest.mark.parametrize("spoil, words", [
    (less, "not in the file are stages_1.blocks.0.gamma"),
    (more, "in the file only are stages.1.blocks.9.gamma"),
    (other, "size mismatch for stages.1.blocks.0.gamma.*: the file of model.pretrained must be"),
    (broken, "weights that are not finite"), (lambda state: state.clear(), "holds no weights")])
def test_files_that_do_not_fit_are_refused(tmp_path, spoil, words):
    state = whole()
    spoil(state)
    torch.save(state, tmp_path / "w.pth")
    with pytest.raises(ValueError, match=f"model.pretrained.*{words}|{words}"):
        make(pretrained=str(tmp_path / "w.pth"))
    with pytest.raises(FileNotFoundError, match="model.pretrained: there is no weights file"):
        make(pretrained=str(tmp_path / "nothing.pth"))


def test_a_checkpoint_of_a_whole_network_is_still_one(tmp_path):
    first = make()
    torch.save({"ema": first.state_dict()}, tmp_path / "ours.pth")
    net = make(pretrained=str(tmp_path / "ours.pth"))
    assert net.weights_report.source == "this_project"
    assert torch.equal(net.head.output.weight, first.head.output.weight)


def test_blocks_behind_the_features_are_no_fault(tmp_path):
    state = whole("ghostnet_050")
    torch.save(state, tmp_path / "w.pth")
    report = make("ghostnet_050", pretrained=str(tmp_path / "w.pth")).weights_report
    assert any(key.startswith("blocks.9.") for key in report.left)


def test_every_name_of_timm_has_an_input_format():
    known = {(form.mean, form.std) for form in INPUT_FORMATS.values() if form.order == "rgb"}
    for name in timm.list_models(pretrained=True):
        cfg = timm.get_pretrained_cfg(name)
        assert (tuple(cfg.mean), tuple(cfg.std)) in known, name
