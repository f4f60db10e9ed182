"""Comparisons of settings: what each file asks for, the table, and what is not trained twice."""
import json
from pathlib import Path

import pytest

from benchmarks import compare
from benchmarks.common import RESULTS
from benchmarks.compare import (
    ROOT,
    fitting,
    last_scores,
    main,
    read_comparison,
    report,
    signed_mean,
)
from benchmarks.trainings import BEST_WAY, WAYS, without_folders
from configs.loader import load_config

PEOPLE = {"train_coco.json": 6591, "train_mpii.json": 1708, "train_lsp.json": 1600}
FILES = sorted((ROOT / "benchmarks" / "comparisons").glob("*.yaml"))
SMALL = {"base": "configs/quickstart.yaml", "settings": ["optim.epochs=3"], "seeds": [0, 1],
         "rows": {"wide": ["model.width=0.5"], "narrow": ["model.width=0.25"]}}


def row(name, seed, ap, minutes=2.25):
    return {"parameters": 3_400_000, "GMACs": 0.1974, "persons": 1011, "epochs": 3,
            "judged_persons": 496, "minutes": minutes, "date": "2026-01-02", "python": "3.12",
            "torch": "2.9", "processor": "Abacus", "system": name, "seed": seed,
            "AP": {"raw": 0.1, "averaged": ap}}


@pytest.fixture
def comparison(tmp_path):
    (tmp_path / "widths.yaml").write_text(json.dumps(SMALL))
    return tmp_path / "widths.yaml"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_row_is_a_config_of_its_own(path):
    found = read_comparison(path)
    configs = [load_config(found.base, [*found.settings, *own]) for own in found.rows.values()]
    assert len(set(map(repr, configs))) == len(configs) > 1
    if path.stem != "helps_photographs":
        assert len({config.optim.epochs for config in configs}) == 1


def test_each_help_has_as_many_steps_but_where_its_name_says_otherwise():
    found = read_comparison(ROOT / "benchmarks" / "comparisons" / "helps_photographs.yaml")
    steps, plain = {}, load_config(found.base, found.settings)
    for name, own in found.rows.items():
        config = load_config(found.base, [*found.settings, *own])
        files = config.data.train_ann_path, *(extra.ann_path for extra in config.data.extra_sets)
        people = sum(PEOPLE[Path(file).name] for file in files)
        steps[name] = config.optim.epochs * (people // config.data.batch_size)
        assert config.optim.schedule == "cosine" or (
            config.optim.epochs > max(config.optim.milestones))
        assert (config.optim.ema, config.codec.decoder) == (plain.optim.ema, plain.codec.decoder)
        share = config.augment.weak_epochs / config.optim.epochs
        assert share == pytest.approx(1 / 3, abs=0.1) or not share
    for name, count in steps.items():
        times = 2 if "twice as long" in name else 1
        assert count == pytest.approx(times * steps["plain"], rel=0.01)


def test_lines_that_are_kept_name_no_folder():
    assert without_folders("data.val_img_root=/home/me/images") == "data.val_img_root=images"
    assert without_folders("data.val_img_root=images/val/") == "data.val_img_root=val"
    assert without_folders("data.unlabelled=[{boxes: a/b.json, img_root: /c/d}]") == (
        "data.unlabelled=[{boxes: b.json, img_root: d}]")
    assert without_folders("data.val_img_root='two words/images'") == "data.val_img_root='images'"
    assert without_folders("model.head=simcc") == "model.head=simcc"
    assert without_folders("data.extra_sets=[{ann_path: /a b/c.json, img_root: d/e}, {x: f/g}]"
                           ) == "data.extra_sets=[{ann_path: c.json, img_root: e}, {x: g}]"
    for path in FILES:
        lines = RESULTS / f"compare_{path.stem}.jsonl"
        assert not lines.exists() or "/" not in "".join(
            setting for line in lines.read_text().splitlines()
            for setting in json.loads(line)["settings"])


def test_the_table_has_means_and_deviations(comparison):
    rows = [row("wide", 0, 0.7), row("narrow", 0, 0.5, minutes=None), row("wide", 1, 0.72)]
    text = report(read_comparison(comparison), rows, ["gpus=-1"])
    assert "widths.yaml gpus=-1` on 2026-01-02: Abacus" in text
    assert "1 trainings are missing" in text
    *_, wide, narrow = [line.strip("| ").split(" | ") for line in text.splitlines()]
    assert wide == ["wide", "3.40 M", "0.197", "2.2", ".700", ".720", ".710", ".014"]
    assert narrow == ["narrow", "3.40 M", "0.197", "-", ".500", "-", ".500", "-"]


def test_networks_that_tell_visibility_have_one_column_more(comparison):
    told = row("wide", 0, 0.7) | {"visibility": {"raw": 0.8, "averaged": 0.9}}
    header, _, wide, narrow = report(read_comparison(comparison), [told, row("narrow", 0, 0.5)],
                                     []).splitlines()[-4:]
    assert header.strip("| ").endswith("visibility right, mean")
    assert (wide.strip("| ").split(" | ")[-1], narrow.strip("| ")[-1]) == (".900", "-")


def with_ways(name, seed, ap, decoders=("quarter", "gauss_taylor")):
    """Gauss-Taylor: ap; a quarter offset .02 below; averaged weights .01 above."""
    raw = {way: ap - 0.02 * way.startswith("quarter") for way in WAYS
           if way.split(",")[0] in decoders}
    return row(name, seed, 0.5) | {"steps": 612, "ways": {
        "raw": raw, "averaged": {way: score + 0.01 for way, score in raw.items()}}}


def test_helps_are_differences_over_the_same_seeds(comparison):
    content = json.loads(comparison.read_text()) | {"ways": True}
    comparison.write_text(json.dumps(content))
    rows = [with_ways("wide", 0, 0.2), with_ways("narrow", 0, 0.25, ["gauss_taylor"]),
            with_ways("wide", 1, 0.3)]
    text = report(read_comparison(comparison), rows, [])
    assert "by Gauss-Taylor and flip test" in text and "1 trainings are missing" in text
    *_, wide, narrow = [line.strip("| ").split(" | ") for line in text.splitlines()]
    assert wide == ["wide", "612", "2.2", ".200", ".300", ".250", ".071", "-", "+0.020", "+0.010"]
    assert narrow == ["narrow", "612", "2.2", ".250", "-", ".250", "-", "+0.050", "-", "+0.010"]
    rows.append(with_ways("narrow", 1, 0.38, ["gauss_taylor"]))
    *_, both = report(read_comparison(comparison), rows, []).splitlines()
    assert both.split(" | ")[-3] == "+0.065"        # each beside the plain one of its own seed
    assert signed_mean([-0.0004, 0.0]) == "+0.000"


def test_a_quarter_offset_is_not_told_where_it_does_not_fit():
    ways = {"raw": {way: 0.5 for way in WAYS}}
    assert fitting(ways, "hrnet") == ways
    assert set(fitting(ways, "udp")["raw"]) == {
        way for way in WAYS if not way.startswith("quarter")} >= {BEST_WAY}


@pytest.mark.slow
def test_a_tiny_training_is_judged_by_all_decoders(comparison, tmp_path, monkeypatch):
    monkeypatch.setattr(compare, "ROOT", tmp_path)
    data = [f"data.{split}_{key}={tmp_path / 'drawn' / split}{end}" for split in ("train", "val")
            for key, end in (("ann_path", ".json"), ("img_root", ""))]
    comparison.write_text(json.dumps({
        "base": str(ROOT / "configs" / "quickstart.yaml"), "ways": True, "seeds": [0],
        "settings": ["model.width=0.1", "data.synthetic_train=8", "data.synthetic_val=4",
                     "data.num_workers=0", "codec.input_size=[32, 32]", "optim.epochs=1",
                     "optim.warmup_epochs=0", "data.batch_size=8", *data],
        "rows": {"plain": [], "UDP": ["codec.alignment=udp"]}}))
    page = tmp_path / "page.md"
    page.write_text("<!-- compare_widths -->\n<!-- end of compare_widths -->\n")
    assert main([str(comparison), "--results", str(tmp_path), "--page", str(page)]) == 0
    plain, udp = [json.loads(line) for line in
                  (tmp_path / "compare_widths.jsonl").read_text().splitlines()]
    assert set(plain["ways"]["averaged"]) == set(WAYS) > set(udp["ways"]["averaged"])
    assert plain["steps"] == udp["steps"] > 0 and "| UDP |" in page.read_text()


def test_the_scores_are_those_of_the_last_evaluation(tmp_path):
    lines = [{"kind": "train", "loss": 1}] + [
        {"kind": "val", "weights": weights, "AP": ap, "step": step}
        for step, weights, ap in ((1, "net", 0.1), (1, "ema", 0.2), (2, "net", 0.3),
                                  (2, "ema", 0.41239))]
    (tmp_path / "metrics.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    assert last_scores(tmp_path / "metrics.jsonl") == {"raw": 0.3, "averaged": 0.4124}


def test_nothing_is_trained_twice(comparison, tmp_path, monkeypatch):
    trained = []

    def train(comparison, name: str, seed: int, own: list[str]):
        trained.append((name, own))
        return row(name, seed, 0.5)

    monkeypatch.setattr(compare, "train", train)
    page = tmp_path / "page.md"
    page.write_text("a\n\n<!-- compare_widths -->\n<!-- end of compare_widths -->\n")
    words = [str(comparison), "--results", str(tmp_path), "--page", str(page)]
    assert main(words) == main(words) == 0
    assert [name for name, _ in trained] == ["wide", "narrow", "wide", "narrow"]
    assert trained[3][1] == ["optim.epochs=3", "model.width=0.25", "seed=1"]
    assert ".500" in page.read_text() and "missing" not in page.read_text()
    assert main([words[0], "log.every=7", *words[1:]]) == 0 and len(trained) == 8
