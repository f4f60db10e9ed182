"""find_weights: paths and names to files, which a server in the test gives."""
import hashlib
import io
import logging
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch

from nets import build_net
from nets.zoo import weights_by_name
from nets.zoo.published import PUBLISHED, Published
from nets.zoo.weights_by_name import find_row, find_weights, local_file, place_of
from utils.errors import UserError
from utils.files import ROOT

DATA = b"weights" * 1000


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """torch.hub's folder."""
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    return tmp_path / "hub" / "checkpoints"


@pytest.fixture
def table(monkeypatch):
    """An empty one in the place of ours."""
    rows: dict[str, Published] = {}
    monkeypatch.setattr(weights_by_name, "PUBLISHED", rows)
    return rows


def publish(web, table, data, **more):
    """Weights that are published on the server."""
    digits = hashlib.sha256(data).hexdigest()[:8]
    web.files[f"/net-{digits}.pth"] = data
    row = Published(name="some/net", address=f"{web.address}/net-{digits}.pth", licence="MIT",
                    ap=0.5, protocol="none", source="mmpose_udp", **more)
    table[row.name] = row
    return row


@pytest.fixture
def row(web, cache, table):
    return publish(web, table, DATA)


def test_a_name_is_fetched_once_and_a_path_never(web, cache, row, tmp_path, caplog):
    caplog.set_level(logging.INFO)
    found = find_weights("some/net")
    assert found.path == cache / row.address.rpartition("/")[2] == place_of(row)
    assert found.path.read_bytes() == DATA
    assert (found.given, found.published, found.source) == ("some/net", row, "mmpose_udp")
    assert "some/net is under MIT" in caplog.text
    caplog.clear()
    assert find_weights(Path("some/net")) == replace(found) and len(web.asked) == 1
    assert "MIT" not in caplog.text
    for path in (found.path, str(found.path), tmp_path / "none.pth"):
        other = find_weights(path)
        assert (other.path, other.published, other.source) == (Path(path), None, None)
    assert len(web.asked) == 1


def test_a_path_that_exists_wins_over_a_name_aloud(web, row, tmp_path, monkeypatch, caplog):
    caplog.set_level(logging.INFO)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "some").mkdir()
    (tmp_path / "some" / "net").write_bytes(b"mine")
    found = find_weights("some/net")
    assert found.path.read_bytes() == b"mine" and found.published is None and not web.asked
    assert "is taken from the disk, and not the published weights" in caplog.text


def test_terms_are_said_when_a_file_is_fetched(table, row, caplog):
    table[row.name] = replace(row, licence="AGPL-3.0", terms="ask a lawyer")
    find_weights("some/net")
    [said] = [record for record in caplog.records if "AGPL-3.0" in record.getMessage()]
    assert said.levelno == logging.WARNING and "ask a lawyer" in said.getMessage()
    caplog.clear()
    find_weights("some/net")
    assert not caplog.records


@pytest.mark.parametrize("typed, near", [
    ("mmpose/hrnet_w32_udp_256x129", "mmpose/hrnet_w32_udp_256x192"), ("yolov5", "yolov5s"),
    ("hrnet_w48_udp_384x288", "mmpose/hrnet_w48_udp_384x288"), ("yolov5s.pt", "yolov5s"),
    ("mmpose/vitpose-b", "mmpose/vitpose_b")])
def test_a_mistyped_name_is_told_the_near_ones_and_fetches_nothing(typed, near, monkeypatch):
    monkeypatch.setattr(weights_by_name, "fetch", lambda *words: pytest.fail("fetched"))
    with pytest.raises(FileNotFoundError, match=f"did you mean .*{near}.*main.py weights"):
        find_weights(typed)


@pytest.mark.parametrize("path", ["weights/pose_best.pth", "weights/hrnet_w32_256x192_best.pth",
                                  "weights/hrnet_w32-36af842e.pth", "photo.jpg", "w.pth",
                                  "weights/mae_pretrain_vit_base.pth", "net.onnx"])
def test_a_path_that_is_not_there_is_left_to_its_reader(path):
    assert find_weights(path).path == Path(path)


def test_a_detector_is_no_pose_network():
    for name, kind in (("yolov5s", "pose network"), ("mmpose/vitpose_b", "detector")):
        with pytest.raises(UserError, match=f"{name} names a .*, and a {kind} is wanted here"):
            find_row(name, kind)
    assert find_row("yolov5s", "detector") is PUBLISHED["yolov5s"]


def test_what_lies_in_the_cache_is_checked(web, cache, row):
    place_of(row).parent.mkdir(parents=True)
    place_of(row).write_bytes(DATA)     # put there by hand
    assert find_weights("some/net").path.read_bytes() == DATA
    place_of(row).write_bytes(DATA[:-1] + b"?")
    with pytest.raises(UserError, match="its sha256 begins with .* remove it"):
        find_weights("some/net")
    assert not web.asked


@pytest.mark.parametrize("ending", ["pth", "safetensors"])
def test_a_row_of_this_project_lies_in_it(tmp_path, table, monkeypatch, ending):
    """A place instead of an address. How such files are made: publishing/test_half_precision.py."""
    row = Published(name="demonstration", place=f"weights/d.{ending}", licence="MIT", ap=0.3,
                    protocol="none", sections={
                        "model": {"name": "resnet18", "width": 0.25},
                        "codec": {"input_size": [64, 96]}})
    table[row.name] = row
    monkeypatch.setattr(weights_by_name, "ROOT", tmp_path)
    with pytest.raises(UserError, match="demonstration is not at .*: get it again, for"):
        local_file(row)
    config = row.config()
    net = build_net(config.model, input_size=config.codec.input_size)
    (tmp_path / "weights").mkdir()
    if ending == "safetensors":
        pytest.importorskip("safetensors.torch").save_file(net.state_dict(), tmp_path / row.place)
    else:
        torch.save(net.state_dict(), tmp_path / row.place)
    other = build_net(type="pose_resnet_duc", name="resnet18", width=0.25,
                      pretrained="demonstration")
    assert other.weights_report.source == "this_project"
    assert all(torch.equal(value, net.state_dict()[key])
               for key, value in other.state_dict().items())


def test_model_pretrained_and_torch_hub_take_names(web, cache, table):
    torch.manual_seed(0)
    net, file = build_net(type="pose_resnet_dconv", name="resnet18"), io.BytesIO()
    torch.save({"state_dict": {key.replace("head.upsample", "head.deconv_layers").replace(
        "head.output", "head.final_layer"): value for key, value in net.state_dict().items()}},
        file)
    row = publish(web, table, file.getvalue())
    for load in (partial(build_net, type="pose_resnet_dconv", pretrained="some/net"),
                 partial(torch.hub.load, str(ROOT), "pose_resnet_dconv", source="local",
                         weights="some/net")):
        other = load(name="resnet18")
        assert other.weights_report.source == "mmpose_udp" and not other.weights_report.assumed
        assert all(torch.equal(value, net.state_dict()[key])
                   for key, value in other.state_dict().items())
    assert len(web.asked) == 1
    place_of(row).unlink()
    web.files.clear()
    with pytest.raises(UserError, match="model.pretrained: .*cannot be fetched .*404"):
        build_net(type="pose_resnet_dconv", name="resnet18", pretrained="some/net")
    with pytest.raises(FileNotFoundError, match="model.pretrained: .*did you mean some/net"):
        build_net(type="pose_resnet_dconv", name="resnet18", pretrained="some/nett")
