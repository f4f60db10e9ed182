"""AP by the number of people: equal steps, which people, the table and its curve."""
import json
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from benchmarks import set_size
from benchmarks.set_size import curve, equal_steps, main, report, some_people
from benchmarks.system_plans import PHOTOGRAPHS, PHOTOGRAPHS_SETTINGS, photographs_plan
from benchmarks.trainings import BEST_WAY
from configs.loader import load_config
from utils.errors import UserError


def row(size, seed, ap, far=None):
    parts = {"a": ap, "b": ap / 2} | ({"far": far} if far else {})
    return {"system": str(size), "seed": seed, "persons": size, "epochs": 6, "steps": 924,
            "minutes": 14.2, "date": "2026-01-02", "python": "3.12", "torch": "2.9",
            "processor": "Abacus", "parts": {
                part: {"judged_persons": 9, "AP": {"averaged": {BEST_WAY: score}}}
                for part, score in parts.items()}}


ROWS = [row(1000, 0, 0.1), row(9899, 0, 0.3, far=0.25), row(1000, 1, 0.14)]


@pytest.mark.parametrize("size", [1000, 3000, 9899])
def test_every_size_has_about_as_many_steps(size):
    config = load_config(PHOTOGRAPHS, PHOTOGRAPHS_SETTINGS)
    own = load_config(PHOTOGRAPHS, [*PHOTOGRAPHS_SETTINGS, *equal_steps(config, size, 9899)])
    steps = own.optim.epochs * (size // own.data.batch_size)
    assert steps == pytest.approx(6 * 154, rel=0.01)
    assert own.optim.warmup_epochs / own.optim.epochs == pytest.approx(1 / 6, rel=0.01)
    assert own.augment.weak_epochs / own.optim.epochs == pytest.approx(1 / 6, abs=0.02)
    if size == 9899:
        assert own == config


def test_the_people_are_chosen_by_the_seed(folder):
    config = SimpleNamespace(data=SimpleNamespace(
        train_ann_path=folder / "annotations" / "person_keypoints_train.json",
        train_img_root=folder / "train"))
    chosen = []
    for seed in range(4):
        labels, images = some_people(config, "pictures", 2, seed)
        with open(labels.partition("=")[2]) as file:
            chosen.append([person["id"] for person in json.load(file)["annotations"]])
        assert images == f"data.train_img_root={folder / 'train'}"
    assert {len(people) for people in chosen} == {2} and len(set(map(str, chosen))) > 1


def test_the_table_has_seeds_of_the_first_part_and_means_of_the_others(folder):
    plan = photographs_plan(folder, None, [("far", folder / "f.json", folder)])
    text = report(ROWS, plan, ["optim.epochs=6"], [0, 1])
    assert "`python -m benchmarks.set_size --data pictures --judge far f.json pictures " \
           "optim.epochs=6` on 2026-01-02: Abacus" in text
    head, _, few, many = [line.strip("| ").split(" | ") for line in text.splitlines()[-4:]]
    assert head == ["persons", "epochs", "steps", "minutes", "a, seed 0", "a, seed 1", "mean",
                    "b", "far"]
    assert few == ["1,000", "6", "924", "14.2", ".100", ".140", ".120", ".060", "-"]
    assert many == ["9,899", "6", "924", "14.2", ".300", "-", ".300", ".150", ".250"]


def test_the_curve_is_a_picture():
    picture = cv2.imdecode(np.frombuffer(curve(ROWS, ["a", "b", "far"]), np.uint8),
                           cv2.IMREAD_COLOR)
    assert picture.shape == (500, 1100, 3)
    assert len(np.unique(picture.reshape(-1, 3), axis=0)) > 10


def test_nothing_is_trained_twice(folder, tmp_path, monkeypatch):
    trained = []

    def train(plan, system, seed, own, people):
        trained.append((system, seed, len(people)))
        return {key: value for key, value in row(9, seed, 0.1).items()
                if key not in ("system", "seed")}

    monkeypatch.setattr(set_size, "train", train)
    page = tmp_path / "page.md"
    page.write_text("<!-- set_size_pictures -->\n<!-- end of set_size_pictures -->\n")
    words = ["--results", str(tmp_path), "--page", str(page), "--data", str(folder),
             "--seeds", "0,1", "--sizes", "2", "log.every=7"]
    assert main(words) == main(words) == 0
    everybody = trained[1][0]
    assert trained == [("2 people", 0, 6), (everybody, 0, 4), ("2 people", 1, 6), (everybody, 1, 4)]
    assert "benchmarks.set_size --data pictures --sizes 2 log.every=7`" in page.read_text()
    assert "![AP by the number of people](set_size_pictures.png)" in page.read_text()
    assert (tmp_path / "set_size_pictures.png").is_file()
    with pytest.raises(UserError, match="--data is missing"):
        main([])


@pytest.mark.slow
def test_a_tiny_run(folder, tmp_path):
    page = tmp_path / "page.md"
    page.write_text("<!-- set_size_pictures -->\n<!-- end of set_size_pictures -->\n")
    words = ["--data", str(folder), "--sizes", "2", "--seeds", "0", "--results", str(tmp_path),
             "--page", str(page)]
    assert main(words) == 0
    few, everybody = [json.loads(line) for line in
                      (tmp_path / "set_size_pictures.jsonl").read_text().splitlines()]
    assert few["persons"] == 2 and everybody["persons"] > 2
    assert few["steps"] == everybody["steps"] == 2 * (everybody["persons"] // 2)
    assert list(few["parts"]) == ["a", "b"]
    assert str(tmp_path) not in json.dumps([few, everybody]) + page.read_text()
