"""The tables of benchmarks/systems.py, and what a second start of it leaves out."""
import json
from dataclasses import replace

import pytest

from benchmarks import systems
from benchmarks.systems import (
    BASE,
    SIZES,
    SYSTEMS,
    WAYS,
    effects_table,
    finished,
    main,
    report,
    runs,
    spread_table,
)
from configs.loader import load_config

OWN = ["model.type=pose_resnet_duc", "model.width=0.5"]


def row(system="DUC", seed=0, argmax=0.6, averaged=0.01):
    """AP: quarter .05 and Gauss-Taylor .07 above argmax, flip .02, averaged weights `averaged`."""
    decoders = {"argmax": 0, "quarter": 0.05, "gauss_taylor": 0.07}
    raw = {way: argmax + decoders[way.partition(",")[0]] + 0.02 * way.endswith(", flip")
           for way in WAYS}
    return {"system": system, "seed": seed, "settings": OWN, "parameters": 3_400_000,
            "minutes": 2.25, "persons": 1011, "judged_persons": 496, "date": "2026-01-02",
            "python": "3.12", "torch": "2.9", "processor": "Abacus",
            "AP": {"raw": raw, "averaged": {way: ap + averaged for way, ap in raw.items()}}}


def lines_of(table):
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]


def test_every_system_is_trained_once_and_one_with_three_seeds():
    assert runs() == [("DConv", 0), ("DUC", 0), ("DUC", 1), ("DUC", 2), ("SE + DConv", 0),
                      ("SE + DUC", 0), ("HRNet-W32", 0), ("ViT-S, simple", 0),
                      ("MobileNetV3-S (timm)", 0), ("ConvNeXt-atto (timm)", 0)]


@pytest.mark.parametrize("size, extra", [("cpu", []), ("gpu", ["gpus=0"])])
def test_the_systems_differ_in_the_network_only(size, extra):
    configs = [load_config(BASE, [*SIZES[size], *own, *extra]) for own in SYSTEMS.values()]
    assert len({config.model for config in configs}) == len(SYSTEMS)
    assert len({replace(config, model=configs[0].model) for config in configs}) == 1


def test_a_row_for_each_kind_of_weights_with_all_ways():
    _, _, raw, averaged = lines_of(systems.systems_table([row(), row(seed=1)]))
    assert raw == ["DUC", "3.40 M", "0.20", "raw", ".600", ".650", ".670", ".620", ".670", ".690"]
    assert averaged[3:] == ["averaged", ".610", ".660", ".680", ".630", ".680", ".700"]


def test_effects_are_differences_within_one_training():
    _, _, *effects = lines_of(effects_table([row(), row("DConv", averaged=-0.03)]))
    assert [effect[1:] for effect in effects] == [
        ["+0.050", "+0.050", "+0.050"], ["+0.020", "+0.020", "+0.020"],
        ["+0.020", "+0.020", "+0.020"], ["-0.010", "-0.030", "+0.010"]]


def test_the_spread_is_that_of_the_best_way_over_the_seeds():
    rows = [row(seed=seed, argmax=ap) for seed, ap in enumerate((0.6, 0.61, 0.62))]
    _, _, raw, _ = lines_of(spread_table(rows))
    assert raw == ["raw, Gauss-Taylor + flip", ".690", ".700", ".710", ".700", ".010", ".020"]


def test_the_report_says_how_it_was_made():
    rows = [row(system, seed) for system, seed in runs()]
    text = report(rows, "cpu", ["optim.epochs=3"])
    for words in ("`python -m benchmarks.systems optim.epochs=3` on 2026-01-02", "Abacus",
                  "resnet18 at 0.5 of its width", "3 epochs", "1011 drawn persons", "96x128"):
        assert words in text
    assert "Not trained yet" not in text and "seed 2" in text
    assert "Not trained yet: DUC (seed 1), DUC (seed 2), SE + DConv" in report(rows[:2], "cpu", [])


def test_a_training_is_finished_only_with_the_same_settings(tmp_path):
    lines = tmp_path / "lines.jsonl"
    assert finished(lines, "DUC", 0, OWN) is None
    lines.write_text("".join(f"{json.dumps(row(seed=seed))}\n" for seed in (0, 1)))
    assert finished(lines, "DUC", 1, OWN) == row(seed=1)
    for system, seed, own in (("DConv", 0, OWN), ("DUC", 2, OWN), ("DUC", 0, [*OWN, "seed=1"])):
        assert finished(lines, system, seed, own) is None


@pytest.mark.slow
def test_a_tiny_run_is_made_once(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(systems, "ROOT", tmp_path)
    monkeypatch.setattr(systems, "SYSTEMS", {"DUC": ["model.width=0.1"]})
    page = tmp_path / "page.md"
    page.write_text("<!-- systems_cpu -->\n<!-- end of systems_cpu -->\n")
    words = ["data.synthetic_train=8", "data.synthetic_val=4", "data.num_workers=0",
             "optim.epochs=2", "codec.input_size=[32, 32]", "--results", str(tmp_path / "lines"),
             "--page", str(page)]
    assert main(words) == 0
    lines = (tmp_path / "lines" / "systems_cpu.jsonl").read_text().splitlines()
    assert [json.loads(line)["seed"] for line in lines] == [0, 1, 2]
    assert set(json.loads(lines[0])["AP"]["averaged"]) == set(WAYS)
    assert not list((tmp_path / "weights" / "systems").iterdir())
    assert "| DUC |" in page.read_text()

    def again(*_):
        raise AssertionError("what is finished was trained again")

    monkeypatch.setattr(systems, "train_and_judge", again)
    capsys.readouterr()
    assert main(words) == 0
    assert [line.partition(":")[0] for line in capsys.readouterr().out.splitlines()] == [
        "DUC, seed 0", "DUC, seed 1", "DUC, seed 2"]
