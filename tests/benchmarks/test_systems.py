"""The tables of benchmarks/systems.py, what is trained, and what a second start leaves out."""
import json
from dataclasses import replace

import pytest

from benchmarks import system_plans, systems
from benchmarks.common import PAGE, RESULTS
from benchmarks.system_plans import Plan, drawn_plan, photographs_plan
from benchmarks.systems import main
from benchmarks.systems_page import (
    effects_table,
    of_part,
    parts_table,
    report,
    spread_table,
    systems_table,
)
from benchmarks.trainings import WAYS, finished
from configs.loader import load_config
from utils.errors import UserError

OWN = ["model.type=pose_resnet_duc", "model.width=0.5"]
PLAN = drawn_plan([])


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
    assert drawn_plan([]).runs() == [
        ("DConv", 0), ("DUC", 0), ("DUC", 1), ("DUC", 2), ("SE + DConv", 0), ("SE + DUC", 0),
        ("HRNet-W32", 0), ("ViT-S, simple", 0), ("MobileNetV3-S (timm)", 0),
        ("ConvNeXt-atto (timm)", 0)]


@pytest.mark.parametrize("words, name", [([], "cpu"), (["gpus=0"], "gpu")])
def test_the_systems_differ_in_the_network_only(words, name):
    plan = drawn_plan(words)
    assert plan.name == name
    configs = [load_config(plan.base, [*plan.settings, *own, *words])
               for own in plan.systems.values()]
    assert len({config.model for config in configs}) == len(plan.systems)
    assert len({replace(config, model=configs[0].model) for config in configs}) == 1


def test_photographs_are_trained_on_from_weights_and_from_nothing(folder):
    plan = photographs_plan(folder, folder / "trunk.pth", [("far", folder / "f.json", folder)])
    assert plan.runs() == [
        ("DConv, pretrained", 0), ("DUC, pretrained", 0), ("DUC, pretrained", 1),
        ("DUC, pretrained", 2), ("SE + DConv, pretrained", 0), ("SE + DUC, pretrained", 0),
        ("DConv, from nothing", 0), ("DUC, from nothing", 0), ("SE + DConv, from nothing", 0),
        ("SE + DUC, from nothing", 0), ("HRNet-W32, from nothing", 0)]
    configs = [load_config(plan.base, [*plan.own(system, 0, []), *plan.data])
               for system, seed in plan.runs() if not seed]
    assert len({config.model for config in configs}) == len(plan.systems) == 9
    assert len({replace(config, model=configs[0].model) for config in configs}) == 1
    assert [bool(config.model.pretrained) for config in configs] == [True] * 4 + [False] * 5
    assert configs[0].data.val_ann_path.endswith("data/pictures_parts/val_a.json")
    assert list(plan.parts) == ["a", "b", "far"]
    assert plan.command == ["--data pictures", "--pretrained trunk.pth",
                            "--judge far f.json pictures"]
    bare = photographs_plan(folder, None, [])
    assert len(bare.systems) == 5 and bare.repeated == "DUC, from nothing"
    with pytest.raises(UserError, match="--judge b: .* has a part of that name"):
        photographs_plan(folder, None, [("b", folder / "f.json", folder)])


def test_what_is_for_photographs_wants_them(folder):
    with pytest.raises(UserError, match="say where by --data"):
        main(["--pretrained", "trunk.pth"])
    with pytest.raises(UserError, match="--part c is none of a, b"):
        main(["--data", str(folder), "--part", "c"])


def test_the_page_is_that_of_the_lines_that_come_with_the_project(tmp_path, monkeypatch):
    monkeypatch.setattr(systems, "train_and_judge", None)
    page = tmp_path / "page.md"
    page.write_text(PAGE.read_text())
    assert main(["--results", str(RESULTS), "--page", str(page)]) == 0
    assert page.read_text() == PAGE.read_text()


def test_a_row_for_each_kind_of_weights_with_all_ways():
    _, _, raw, averaged = lines_of(systems_table([row(), row(seed=1)], PLAN))
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
    rows = [row(system, seed) for system, seed in PLAN.runs()]
    text = report(rows, PLAN, ["optim.epochs=3"])
    for words in ("`python -m benchmarks.systems optim.epochs=3` on 2026-01-02", "Abacus",
                  "resnet18 at 0.5 of its width", "3 epochs", "1011 drawn persons", "96x128"):
        assert words in text
    assert "Not trained yet" not in text and "seed 2" in text
    assert "Not trained yet: DUC (seed 1), DUC (seed 2), SE + DConv" in report(rows[:2], PLAN, [])


def with_parts(system, seed=0):
    """Part a as `row`, b .1 below; the first training was not judged on b."""
    told, lower = row(system, seed), row(system, seed, argmax=0.5)
    parts = {"a": {"judged_persons": 7, "AP": told.pop("AP")}}
    if system != "one":
        parts["b"] = {"judged_persons": 9, "AP": lower["AP"]}
    return told | {"parts": parts}


def test_parts_have_a_table_beside_that_of_one():
    plan = Plan("pictures", "photographed", ["--data pictures"], PLAN.base, PLAN.settings,
                {"one": OWN, "two": OWN}, "two", [], {"a": [], "b": []})
    rows = [with_parts("one"), with_parts("two"), with_parts("two", seed=1)]
    assert lines_of(parts_table(rows, plan))[0] == [
        "averaged, Gauss-Taylor + flip", "minutes", "a (7)", "b (9)"]
    assert lines_of(parts_table(rows, plan))[2:] == [["one", "2.2", ".700", "-"],
                                                     ["two", "2.2", ".700", ".600"]]
    assert of_part(rows[1], "b")["AP"]["raw"]["argmax, no flip"] == 0.5
    text = report(rows, plan, [], "a")
    assert "`python -m benchmarks.systems --data pictures` on" in text
    assert "7 other photographed persons to judge on (a)" in text and ".600 | .650" in text
    assert "two, weights" in text and "nothing is pretrained" not in text


def test_a_training_is_finished_only_with_the_same_settings(tmp_path):
    lines = tmp_path / "lines.jsonl"
    assert finished(lines, "DUC", 0, OWN) is None
    lines.write_text("".join(f"{json.dumps(row(seed=seed))}\n" for seed in (0, 1)))
    assert finished(lines, "DUC", 1, OWN) == row(seed=1)
    for system, seed, own in (("DConv", 0, OWN), ("DUC", 2, OWN), ("DUC", 0, [*OWN, "seed=1"])):
        assert finished(lines, system, seed, own) is None


@pytest.mark.slow
def test_a_tiny_run_is_made_once(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(system_plans, "ROOT", tmp_path)
    monkeypatch.setattr(systems, "ROOT", tmp_path)
    monkeypatch.setattr(system_plans, "DRAWN_SYSTEMS", {"DUC": ["model.width=0.1"]})
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
    monkeypatch.setattr(systems, "train_and_judge", None)
    capsys.readouterr()
    assert main(words) == 0
    assert [line.partition(":")[0] for line in capsys.readouterr().out.splitlines()] == [
        "DUC, seed 0", "DUC, seed 1", "DUC, seed 2"]


@pytest.mark.slow
def test_a_tiny_run_on_photographs_is_made_once(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(system_plans, "DRAWN_SYSTEMS", {
        name: system_plans.DRAWN_SYSTEMS[name] for name in ("DUC", "HRNet-W32")})
    page = tmp_path / "page.md"
    page.write_text("<!-- systems_pictures -->\n<!-- end of systems_pictures -->\n")
    words = ["--data", str(folder), "--results", str(tmp_path / "lines"), "--page", str(page),
             "--judge", "all", str(folder / "annotations" / "person_keypoints_val.json"),
             str(folder / "val"), "--part", "b"]
    assert main(words) == 0
    rows = [json.loads(line) for line in
            (tmp_path / "lines" / "systems_pictures.jsonl").read_text().splitlines()]
    assert [(row["system"], row["seed"]) for row in rows] == [
        ("DUC, from nothing", 0), ("DUC, from nothing", 1), ("DUC, from nothing", 2),
        ("HRNet-W32, from nothing", 0)]
    people = {part: scores["judged_persons"] for part, scores in rows[0]["parts"].items()}
    assert list(people) == ["a", "b", "all"] and people["a"] + people["b"] == people["all"]
    assert set(rows[0]["parts"]["all"]["AP"]["averaged"]) == set(WAYS)
    assert str(tmp_path) not in json.dumps(rows) + page.read_text()
    assert not list((tmp_path / "weights" / "systems").iterdir())
    monkeypatch.setattr(systems, "train_and_judge", None)
    assert main(words) == 0
