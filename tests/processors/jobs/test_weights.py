"""The command weights: what it lists and what it fetches."""
import hashlib
from dataclasses import replace

import pytest
import torch

import main
from nets.zoo.published import PUBLISHED

DATA = b"weights" * 200_000


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    return tmp_path / "checkpoints"


def test_all_names_are_listed_with_what_is_known_of_them(cache, capsys):
    cache.mkdir()
    (cache / "yolov5s.pt").write_bytes(DATA)
    assert main.main(["weights"]) == 0
    shown = capsys.readouterr().out
    rows = {line.split("  ")[0].strip(): line for line in shown.splitlines()}
    assert PUBLISHED.keys() <= rows.keys()
    for name, row in PUBLISHED.items():
        assert f"{row.ap:.3f}" in rows[name] and row.licence in rows[name]
        assert ("yes" in rows[name]) == (name == "yolov5s" or bool(row.place))
        assert (" [" in rows[name]) == bool(row.terms)
    assert "1.4 MB" in rows["yolov5s"] and "unknown" in rows["mmpose/vitpose_b"]
    assert "167.1 MB" in rows["torchvision/fasterrcnn_resnet50_fpn_v2"]
    assert "[1] trained on from MAE's weights" in shown and str(cache) in shown
    assert {f"AP on {row.protocol}:" for row in PUBLISHED.values()} <= rows.keys()


def test_names_are_fetched(web, cache, capsys, monkeypatch):
    digits = hashlib.sha256(DATA).hexdigest()[:8]
    web.files |= {f"/a-{digits}.pth": DATA, "/yolov5n.pt": DATA}
    for name, file in (("mmpose/vitpose_s", f"a-{digits}.pth"), ("yolov5n", "yolov5n.pt")):
        monkeypatch.setitem(PUBLISHED, name, replace(PUBLISHED[name],
                                                     address=f"{web.address}/{file}"))
    assert main.main(["weights", "mmpose/vitpose_s", "yolov5n"]) == 0
    said = capsys.readouterr().out
    assert "mmpose/vitpose_s is under Apache-2.0: trained on from MAE's weights" in said
    assert "yolov5n is under AGPL-3.0: Ultralytics holds" in said
    assert f"yolov5n lies in {cache}/yolov5n.pt" in said
    assert sorted(path.name for path in cache.iterdir()) == [f"a-{digits}.pth", "yolov5n.pt"]


@pytest.mark.parametrize("names, words", [
    (["yolov5n", "mmpose/hrnet_w32_256x129"], "did you mean mmpose/hrnet_w32_256x192"),
    (["nonsense"], "nonsense is no name of published weights"), (["a=1"], "a=1 is no name")])
def test_a_mistyped_name_fetches_nothing(web, cache, capsys, monkeypatch, names, words):
    monkeypatch.setitem(PUBLISHED, "yolov5n", replace(PUBLISHED["yolov5n"],
                                                      address=f"{web.address}/yolov5n.pt"))
    assert main.main(["weights", *names]) == 2
    err = capsys.readouterr().err
    assert words in err and err.count("\n") == 1 and not web.asked
