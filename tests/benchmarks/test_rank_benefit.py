"""Labelling by rank or by lot, in small: who is trained on, and that nothing is made twice."""
import json

import pytest

from benchmarks import rank_benefit
from benchmarks.rank_benefit import Benefit, main, report


@pytest.fixture
def settings(tmp_path):
    files = [f"data.{split}_{key}={tmp_path / split / name}" for split in ("train", "val")
             for key, name in (("ann_path", "people.json"), ("img_root", "images"))]
    return [*files, "data.synthetic_train=12", "data.synthetic_val=6", "data.batch_size=4",
            "data.num_workers=0", "codec.input_size=[64, 64]", "optim.epochs=1",
            "optim.warmup_epochs=0", "model.width=0.25"]


def test_the_second_trainings_add_people_and_start_from_the_first(settings, tmp_path, monkeypatch,
                                                                  capsys):
    monkeypatch.setattr(rank_benefit, "ROOT", tmp_path)
    parts, words = {}, ["configs/quickstart.yaml", *settings, "--first", "6", "--people", "3",
                        "--draws", "1", "--results", str(tmp_path / "lines")]
    write = rank_benefit.write_part
    trained = rank_benefit.trained
    asked = []

    def noted(source, rows, path):
        parts[path.stem] = rows.tolist()
        write(source, rows, path)

    def counted(base, own, name, folder):
        asked.append((name, own))
        return trained(base, own, name, folder)

    monkeypatch.setattr(rank_benefit, "write_part", noted)
    monkeypatch.setattr(rank_benefit, "trained", counted)
    assert main(words) == 0
    first, ranked, by_lot = (set(parts[name]) for name in ("first", "ranked_0", "random_0"))
    assert len(first) == 6 and first < ranked and first < by_lot
    assert len(ranked) == len(by_lot) == 9 and ranked != by_lot
    starts = {name: [word for word in own if word.startswith("model.pretrained=")]
              for name, own in asked}
    assert starts["first"] == [] and "first_best.pth" in starts["ranked_0"][0]
    lines = [json.loads(line) for line in
             (tmp_path / "lines" / "rank_benefit.jsonl").read_text().splitlines()]
    assert [line["system"] for line in lines] == ["first", "ranked", "random"]
    assert not any("/" in setting for line in lines for setting in line["settings"])
    assert capsys.readouterr().out.count("| ranked |") == 1
    assert main(words) == 0 and len(asked) == 3


def test_too_few_people_are_said(settings, tmp_path):
    benefit = Benefit("configs/quickstart.yaml", settings, [], 500, 100)
    with pytest.raises(ValueError, match="--first and --people ask for 500"):
        benefit.line("first", 0)


def test_the_table_has_means_and_deviations():
    rows = [{"system": system, "AP": {"raw": 0.1, "averaged": ap}} for system, ap in (
        ("first", 0.4), ("ranked", 0.5), ("ranked", 0.54), ("random", 0.45))]
    assert report(rows).splitlines()[-2:] == [
        "| ranked | .520 | .028 | .500 .540 |", "| random | .450 | - | .450 |"]
