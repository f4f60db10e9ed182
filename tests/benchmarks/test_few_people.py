"""Few people: the settings of its rows, and the table of their lines."""
import json
from types import SimpleNamespace

import pytest

from benchmarks import few_people
from benchmarks.few_people import (
    PEOPLE,
    PROPOSAL,
    ROOT,
    SETTINGS,
    Trial,
    by_hand,
    report,
    settings_of,
)
from configs.loader import load_config, with_overrides
from configs.schema import Config
from configs.strict_yaml import read_yaml

PLAN = read_yaml(SETTINGS)


def test_there_are_six_settings_by_hand_that_differ():
    configs = []
    for name, hand in PLAN["hands"].items():
        own = settings_of(Trial("photographs", 60, name, 0), PLAN)
        configs.append(load_config(ROOT / PLAN["base"], [
            *own, *by_hand(Config(), own, hand["epochs"][60])]))
        assert set(hand["epochs"]) == set(PEOPLE)
    assert len(set(map(repr, configs))) == 6


@pytest.mark.parametrize("start", PLAN["starts"])
@pytest.mark.parametrize("row", [PROPOSAL, *PLAN["hands"]])
def test_the_start_is_the_same_for_the_proposal_and_for_hands(start, row):
    config = with_overrides(Config(), settings_of(Trial(start, 60, row, 0), PLAN), "")
    network = {"nothing": (0.375, -1, False), "photographs": (1, -1, False),
               "drawn people": (0.375, -1, "weights/quickstart_best.pth")}[start]
    if start == "photographs":      # the proposal names it itself
        assert config.model.pretrained == (row != PROPOSAL and "simplepose/r18_160x128")
    else:
        assert (config.model.width, config.model.level, config.model.pretrained) == network


def test_by_hand_has_the_data_of_the_proposal_and_its_own_epochs():
    proposal = with_overrides(Config(), ["data.train_ann_path=a.json", "optim.epochs=40",
                                         "val.interval=3"], "")
    own = ["optim.schedule=multistep"]
    config = with_overrides(Config(), [*own, *by_hand(proposal, own, 60)], "")
    assert config.data.train_ann_path == "a.json" and config.val.interval == 3
    assert (config.optim.epochs, config.optim.warmup_epochs) == (60, 3)
    assert config.optim.milestones == (42, 54)


def line(row, seed, ap, people=60, start="photographs"):
    return {"start": start, "people": people, "row": row, "seed": seed, "AP": ap,
            "CPU minutes": 2.0, "labels": "l.json", "judged": "j.json", "date": "2026-01-02",
            "python": "3.12", "torch": "2.9", "processor": "Abacus"}


def test_the_last_line_of_each_seed_counts(tmp_path):
    rows = [line(PROPOSAL, 0, 0.1), line(PROPOSAL, 0, 0.3), line(PROPOSAL, 1, 0.34),
            line("gentle", 0, 0.25, people=200), line("larger", 0, 0.2, start="nothing")]
    path = tmp_path / "few.jsonl"
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    text = report(path, PLAN)
    assert "on 2026-01-02: Abacus" in text and "l.json, judged on j.json" in text
    assert f"| {PROPOSAL} | .320 +- .028 (2), 2.0 min |  |" in text
    assert "| gentle |  | .250, 2.0 min |" in text
    assert "| larger | .200, 2.0 min |" in text and "begun with drawn people" not in text


@pytest.mark.parametrize("step, known", [(0, True), (7, False)])
def test_minutes_of_a_run_that_goes_on_are_not_known(tmp_path, monkeypatch, step, known):
    state = SimpleNamespace(step=step, best={"AP": 0.5}, epoch=3)
    processor = SimpleNamespace(state=state, run=lambda: None, train_set=[0], device="cpu",
                                config=with_overrides(Config(), [], ""))
    monkeypatch.setattr(few_people, "WORK", tmp_path)
    monkeypatch.setattr(few_people, "DPProcessor", lambda *_: processor)
    monkeypatch.setattr(few_people, "evaluate_weights",
                        lambda _: {"": SimpleNamespace(values={"AP": 0.4})})
    monkeypatch.setattr(few_people, "circumstances", lambda _: {})

    def proposed(trial, folder, options):
        folder.mkdir()
        return ROOT / "configs" / "quickstart.yaml"
    monkeypatch.setattr(few_people, "proposed", proposed)
    row = few_people.train(Trial("nothing", 60, PROPOSAL, 0), [], PLAN,
                           SimpleNamespace(judged="j.json", judged_images="j"))
    assert row["AP"] == 0.4 and (row["CPU minutes"] is not None) == known


def test_minutes_of_a_run_that_was_stopped_are_not_shown(tmp_path):
    rows = [line(PROPOSAL, 0, 0.3), {**line(PROPOSAL, 1, 0.3), "CPU minutes": None},
            {**line("gentle", 0, 0.25), "CPU minutes": None}]
    path = tmp_path / "few.jsonl"
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    text = report(path, PLAN)
    assert "(2), 2.0 min |" in text and "| gentle | .250 |" in text


def test_people_of_another_file_have_a_table_of_their_own(tmp_path):
    rows = [line(PROPOSAL, 0, 0.1), {**line(PROPOSAL, 0, 0.3), "labels": "other.json"}]
    path = tmp_path / "few.jsonl"
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    text = report(path, PLAN)
    assert text.index("l.json, judged on") < text.index("| .100, 2.0 min |") < text.index(
        "other.json, judged on") < text.index("| .300, 2.0 min |")
