"""The table of benchmarks/network_speed.py, of two networks in one round."""
from types import SimpleNamespace

import pytest

from benchmarks import network_speed, system_plans


def test_a_row_for_each_network(monkeypatch, tmp_path, capsys):
    page = tmp_path / "page.md"
    page.write_text("<!-- network_speed -->\n<!-- end of network_speed -->\n")
    monkeypatch.setattr(network_speed, "PAGE", page)
    monkeypatch.setattr(system_plans, "DRAWN_SYSTEMS", {
        "narrow": ["model.width=0.05"], "wide": ["model.width=0.1"]})
    words = ["codec.input_size=[32, 64]", "optim.amp=false", "data.batch_size=2", "--rounds", "1"]
    assert network_speed.main([*words, "--write"]) == 0
    said = capsys.readouterr().out
    assert "Input 32x64" in said and "training step of 2, ms" in said
    rows = [line.split("|")[1].strip() for line in said.splitlines() if line.startswith("|")]
    assert rows == ["system", "---", "narrow", "wide"]
    assert said.strip() in page.read_text()


def test_the_middle_of_the_rounds_counts(monkeypatch):
    monkeypatch.setattr(system_plans, "DRAWN_SYSTEMS", {"one": ["model.width=0.05"]})
    clock = iter([0] * 3 + [0, 1] * 3 + [0, 8] * 3 + [0, 2] * 3)
    monkeypatch.setattr(network_speed, "time", SimpleNamespace(perf_counter=lambda: next(clock)))
    monkeypatch.setattr(network_speed, "works_of", lambda config: dict.fromkeys(
        network_speed.WHAT, lambda: None))
    found = {}
    monkeypatch.setattr(network_speed, "report", lambda configs, seconds, rounds: found.update(
        seconds) or "")
    network_speed.main(["--rounds", "3"])
    assert set(found.values()) == {2} and len(found) == 3
    with pytest.raises(ValueError, match="optim.lr"):
        network_speed.main(["optim.lrr=1"])
