"""`python main.py evaluate --weights NAME`: a name brings the settings it is judged by."""
import hashlib
import io
import logging
from dataclasses import replace

import pytest
import torch

import main
from configs.loader import load_config
from datasets.synthetic.data_set import ensure_synthetic
from nets import build_net
from nets.zoo.published import PUBLISHED
from processors.jobs import evaluate as module
from tests.nets.zoo.test_published import MMPOSE

NAME = "mmpose/hrnet_w32_udp_256x192"
SECTIONS = PUBLISHED[NAME].sections | {
    "model": {"type": "pose_resnet_dconv", "name": "resnet18"},
    "codec": PUBLISHED[NAME].sections["codec"] | {"input_size": [64, 96]}}


@pytest.fixture(scope="module")
def words(tmp_path_factory) -> list[str]:
    """Drawn people to evaluate on."""
    folder = tmp_path_factory.mktemp("evaluate")
    files = [f"data.{split}_{key}={folder / split / name}" for split in ("train", "val")
             for key, name in (("ann_path", "people.json"), ("img_root", "images"))]
    ensure_synthetic(load_config(main.QUICKSTART, [
        *files, "data.synthetic_train=1", "data.synthetic_val=4"]).data, seed=0)
    return [*files, "data.num_workers=0", "data.batch_size=8"]


@pytest.fixture
def published(web, tmp_path, monkeypatch):
    """A small network under a known name."""
    torch.manual_seed(0)
    net, file = build_net(**SECTIONS["model"]), io.BytesIO()
    state = net.state_dict()
    for ours, theirs in MMPOSE:
        state = {key.replace(ours, theirs): value for key, value in state.items()}
    torch.save({"state_dict": state, "meta": {}}, file)
    path = f"/net-{hashlib.sha256(file.getvalue()).hexdigest()[:8]}.pth"
    web.files[path] = file.getvalue()
    monkeypatch.setitem(PUBLISHED, NAME, replace(PUBLISHED[NAME], address=web.address + path,
                                                 sections=SECTIONS))
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    return web


def said(capsys, *words) -> str:
    status = main.main(["evaluate", *words])
    out, err = capsys.readouterr()
    assert status == 0, err
    return out


def test_a_name_is_judged_by_its_own_protocol(published, words, tmp_path, capsys):
    text = said(capsys, "--weights", NAME, *words, f"val.weight_path={tmp_path / 'out'}")
    assert "input:       64x96" in text and "decoder:     gauss_taylor (kernel 11)" in text
    assert "alignment:   udp, encoding exact" in text and f"weights:     {NAME}" in text
    assert "published: AP 0.762 (COCO val2017, boxes of person AP 56.4, flip test)" in text
    assert "(mmpose_udp)" in text and "assumed" not in text and "evaluated as" not in text
    assert (tmp_path / "out" / "mmpose_hrnet_w32_udp_256x192_results.json").exists()


def test_the_command_line_wins_and_says_so(published, words, tmp_path, capsys):
    text = said(capsys, "--weights", NAME, *words, f"val.weight_path={tmp_path / 'out'}",
                "codec.decoder=argmax", "codec.alignment=hrnet")
    [line] = [line for line in text.splitlines() if "evaluated as the command line says" in line]
    assert f"not as {NAME} was trained" in line
    assert "codec.decoder=argmax (not gauss_taylor)" in line
    assert "codec.alignment=hrnet (not udp)" in line


def test_of_a_yaml_the_rest_is_taken(published, words, tmp_path, capsys):
    text = said(capsys, str(main.QUICKSTART), "--weights", NAME, *words, "val.flip_test=false",
                f"val.weight_path={tmp_path / 'out'}")
    [line] = [line for line in text.splitlines()
              if "where the YAML, or a default, is otherwise" in line]
    assert f"evaluated as {NAME} was trained" in line
    assert "model.type=pose_resnet_dconv (not pose_resnet_duc)" in line
    assert "codec.alignment=udp (not hrnet)" in line and "alignment:   udp" in text
    assert (tmp_path / "out" / "quickstart_results.json").exists()


@pytest.mark.parametrize("wrong, words", [
    (["--weights", "mmpose/hrnet_w32_udp_256x291"], f"did you mean {NAME}"),
    (["--weights", "none.pth"], "there is no weights file none.pth"),
    (["--weights", "yolov5s"], "yolov5s names a detector, and a pose network is wanted here"),
    (["--weights", NAME], "data.val_ann_path is not set"),
    (["--weights", NAME, "codec.sigma=0"], "the command line: codec.sigma is 0"),
    (["--weights", NAME, "codex.sigma=2"], "no key codex")])
def test_what_is_wrong_is_one_sentence(published, capsys, monkeypatch, tmp_path, wrong, words):
    monkeypatch.chdir(tmp_path)
    assert main.main(["evaluate", *wrong]) == 2
    err = capsys.readouterr().err
    assert words in err and err.count("\n") == 1 and "Traceback" not in err


def test_ddp_is_launched_without_a_yaml_too(published, words, monkeypatch):
    calls = []
    monkeypatch.delenv("RANK", raising=False)
    monkeypatch.setattr(module, "launch", lambda *given: calls.append(given))
    assert main.main(["evaluate", "--weights", NAME, *words, "processor=ddp", "processes=2"]) == 0
    (sent, count, _), = calls
    assert count == 2 and sent == ["evaluate", *words, "processor=ddp", "processes=2",
                                   "--weights", NAME]
    assert main.read(sent).arguments["cfg_path"] is None


def test_a_file_of_that_name_is_a_file(published, words, tmp_path, monkeypatch, caplog, capsys):
    """It brings no settings then."""
    caplog.set_level(logging.INFO)
    monkeypatch.chdir(tmp_path)
    path = tmp_path / NAME
    path.parent.mkdir()
    path.write_bytes(b"mine")
    assert main.main(["evaluate", "--weights", NAME, *words]) == 2
    err = capsys.readouterr().err
    assert f"{NAME} cannot be read as" in err and not published.asked
