"""export --form simplepose, and a file that it wrote as weights that come with the project."""
import hashlib
import json
from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch

import main
from configs.loader import config_to_dict
from configs.schema import ModelConfig
from nets import build_net
from nets.files.weights_file import read_weights_file
from nets.zoo.published import FREE_DETECTOR, FREE_POSE, PUBLISHED, Published
from nets.zoo.weights_by_name import find_weights
from processors.models.checkpoint import load_checkpoint, save_checkpoint
from processors.models.load_pose_model import load_pose_model
from processors.pose_predictor import PosePredictor
from processors.publishing.half_precision import export_half
from tests.processors.pose_checkpoints import small_config, write_checkpoint
from utils.errors import UserError
from utils.files import ROOT

NAME, PLACE = "simplepose/small", "weights/simplepose_small.pth"
BEST = {"AP": 0.4123, "epoch": 3, "weights": "ema"}
SECRET = "/home/ann/secret"


def config():
    plain = small_config(weight_path=SECRET)
    return replace(plain, model=ModelConfig(name="resnet18", width=0.25, input_format="rgb_half"),
                   data=replace(plain.data, train_ann_path=f"{SECRET}/train.json"))


@pytest.fixture(scope="module")
def best(tmp_path_factory):
    return write_checkpoint(tmp_path_factory.mktemp("run") / "best.pth", config(), best=BEST,
                            step=9, optimizer={}, run="2026-11-29 10:00:00")


@pytest.fixture(scope="module")
def project(best, tmp_path_factory):
    """A folder that stands for the project, with the file in it."""
    folder = tmp_path_factory.mktemp("project")
    for _ in range(2):      # what is ours is replaced
        assert main.main(["export", "--weights", str(best), "--form", "simplepose", "--out",
                          str(folder / PLACE)]) == 0
    return folder


@pytest.fixture
def row(project, monkeypatch, tmp_path):
    """Its row in the table, in a cache without anything and a world without a network."""
    digits = hashlib.sha256((project / PLACE).read_bytes()).hexdigest()[:8]
    row = Published(name=NAME, place=PLACE, digits=digits, licence="MIT", ap=0.412,
                    protocol="some photographs")
    monkeypatch.setitem(PUBLISHED, NAME, row)
    for name in (FREE_POSE, FREE_DETECTOR):
        monkeypatch.setitem(PUBLISHED, name, replace(PUBLISHED[name],
                                                     address="http://127.0.0.1:9/x.pth"))
    monkeypatch.setattr("nets.zoo.weights_by_name.ROOT", project)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "cache"))
    return row


def test_it_is_half_as_large_and_has_nothing_of_the_run(best, project):
    path = project / PLACE
    assert path.stat().st_size < 0.6 * best.stat().st_size and b"secret" not in path.read_bytes()
    content = read_weights_file(path)
    assert content.keys() == {"format", "version", "torch", "config", "skeleton", "best", "run",
                              "ema"}
    assert content["run"] == "2026-11-29 10:00:00" and content["config"]["codec"]["sigma"] == 2
    kinds = {(value.ndim > 1, value.dtype) for value in content["ema"].values()}
    assert kinds == {(True, torch.float16), (False, torch.float32), (False, torch.int64)}


def test_the_same_weights_give_the_same_bytes_and_the_log_their_hash(best, tmp_path, capsys):
    files = [tmp_path / "a.pth", tmp_path / "other" / "b.pth"]
    for path in files:
        export_half(best, path)
    first, second = (path.read_bytes() for path in files)
    assert first == second
    digits = hashlib.sha256(first).hexdigest()[:8]
    assert f"in half precision, sha256 {digits}..." in capsys.readouterr().out


@torch.no_grad()
def test_its_heatmaps_are_those_of_the_checkpoint_but_for_the_rounding(best, project, row):
    first, second = load_pose_model(best), load_pose_model(NAME)
    images = torch.randn(1, 3, 96, 64)
    wanted = first.network(images)
    assert next(second.network.parameters()).dtype == torch.float32
    assert 0 < (second.network(images) - wanted).abs().max() < 5e-3 * wanted.abs().max()
    assert second.config.codec == first.config.codec and second.input_format == "rgb_half"


def test_its_name_stands_wherever_weights_do(project, row, capsys):
    stored = read_weights_file(project / PLACE)["ema"]
    model = {"name": "resnet18", "width": 0.25}
    for net in (build_net(type="pose_resnet_duc", pretrained=NAME, **model),
                torch.hub.load(str(ROOT), "pose_resnet_duc", source="local", weights=NAME,
                               **model),
                PosePredictor(NAME, device="cpu").model.network):
        assert all(torch.equal(value, stored[key].to(value.dtype))
                   for key, value in net.state_dict().items())
    assert main.main(["weights"]) == 0
    [line] = [line for line in capsys.readouterr().out.splitlines() if line.startswith(NAME)]
    assert line.split() == [NAME, "0.412", f"{(project / PLACE).stat().st_size / 1e6:.1f}", "MB",
                            "yes", "MIT"]


def test_a_photograph_alone_without_a_network(project, row, tmp_path, capsys):
    photo = tmp_path / "photo.jpg"
    cv2.imwrite(str(photo), np.random.default_rng(0).integers(0, 255, (60, 80, 3), np.uint8))
    assert main.main(["predict", str(photo), "gpus="]) == 0
    out, err = capsys.readouterr()
    said = out + err
    assert f"{NAME}, which comes with this project, is taken" in said
    assert (f"{NAME}, under MIT, finds the joints (AP 0.412 on some photographs)") in said
    assert "each picture is taken as one person, its whole area as the box" in said
    [line] = (tmp_path / "photo_pose.jsonl").read_text().splitlines()
    [person] = json.loads(line)["people"]
    assert person["box"] == [0, 0, 80, 60]
    assert cv2.imread(str(tmp_path / "photo_pose.jpg")).shape == (60, 80, 3)


def test_a_damaged_one_is_told(project, row, monkeypatch):
    monkeypatch.setitem(PUBLISHED, NAME, replace(row, digits="0" * 8))
    with pytest.raises(UserError, match="not with 00000000: get it again, for it comes with this"):
        find_weights(NAME)


def test_weights_beyond_fp16_and_other_files_are_refused(best, tmp_path):
    state = load_checkpoint(best)
    state["ema"] = dict(state["ema"])
    key = next(key for key, value in state["ema"].items() if value.ndim > 1)
    large, plain, out = tmp_path / "large.pth", tmp_path / "plain.pth", tmp_path / "out.pth"
    torch.save(state["ema"], plain)
    state["ema"][key] = state["ema"][key] * 0 + 1e5
    save_checkpoint(state | {"config": config_to_dict(config())}, large)
    for words, sentence in (
            ((large, out), f"{key} that half precision cannot hold"),
            ((plain, out), "is no checkpoint of this project"),
            ((best, best), "would be overwritten"), ((best, tmp_path / "x.onnx"), "ends in .pth"),
            ((best, out, None, ["codec.sigma=3"]), "takes no --config and no settings")):
        with pytest.raises(UserError, match=sentence):
            export_half(*words)
        assert not out.exists()
