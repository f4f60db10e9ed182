"""The engines beside each other, on a tiny network."""
from pathlib import Path

import pytest

from benchmarks import engine_speed
from processors.engines.onnx_program import PACKAGES

ROOT = Path(__file__).resolve().parents[2]


def test_each_engine_has_a_row_as_far_as_it_can_run(tmp_path, monkeypatch, capsys):
    for name in PACKAGES:
        pytest.importorskip(name)
    engines = dict(engine_speed.ENGINES)
    engines["compiled"] = engines["eager"]      # a compiler takes long
    monkeypatch.setattr(engine_speed, "ENGINES", engines)
    monkeypatch.setattr(engine_speed, "amp_dtype", lambda *_: None)
    path = tmp_path / "tiny.yaml"
    path.write_text((ROOT / "configs" / "quickstart.yaml").read_text()
                    .replace("width: 0.375", "width: 0.125"))
    monkeypatch.setattr("sys.argv", ["engine_speed.py", str(path), "--people", "2"])
    assert engine_speed.main() == 0
    rows = [line.split("|") for line in capsys.readouterr().out.splitlines() if "| tiny" in line]
    assert [row[2].strip() for row in rows] == ["eager", "compiled", "onnx"]
    assert [row[6].strip() for row in rows][0] == "1.00"
