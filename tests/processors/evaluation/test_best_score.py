import math
from typing import get_args

import pytest

from configs.scores import SCORES, Metric
from datasets.annotations.skeleton import load_skeleton
from processors.evaluation.best_score import LOWER_IS_BETTER, NONE_YET, in_words, is_better
from processors.evaluation.coco_metrics import COCO_METRICS
from processors.evaluation.joint_metrics import CROWDING, PCK_AT, PCKH_AT


@pytest.mark.parametrize("name, worse, better", [
    ("AP", 0.5, 0.6), ("PCKh@0.5", 0.0, 0.1), ("EPE", 12.0, 3.0), ("NME", 0.2, 0.0),
    ("AP", -1.0, 0.0), ("EPE", -1.0, 9.0), ("AP", math.nan, 0.1)])
def test_the_better_one(name, worse, better):
    assert is_better({name: better}, {name: worse, "epoch": 1}, name)
    if worse >= 0:
        assert not is_better({name: worse}, {name: better, "epoch": 1}, name)


def test_only_a_better_one_takes_its_place():
    assert not is_better({"AP": 0.5}, {"AP": 0.5, "epoch": 1}, "AP")
    assert is_better({"AP": 0.0}, NONE_YET, "AP")


def test_where_nothing_is_defined_the_newest_is_the_best():
    assert is_better({"AP": -1.0}, NONE_YET, "AP")
    assert is_better({"AP": -1.0}, {"AP": -1.0, "epoch": 1}, "AP")
    assert not is_better({"AP": -1.0}, {"AP": 0.1, "epoch": 1}, "AP")


def test_a_best_from_before_that_lacks_the_number_is_none():
    assert is_better({"AP": 0.1, "AUC": 0.2}, {"AP": 0.9, "epoch": 1}, "AUC")


def test_in_words():
    assert in_words({"AP": 0.25, "epoch": 3}, "AP") == "best AP 0.2500 after epoch 3"
    assert in_words({"AP": -1.0, "epoch": 3}, "AP").startswith("AP is undefined in every")
    assert in_words(NONE_YET, "AP") == "no evaluation has chosen a best epoch"


def test_every_number_of_an_evaluation_can_be_the_one():
    names = [*COCO_METRICS, *(f"PCK@{at:g}" for at in PCK_AT),
             *(f"torso PCK@{at:g}" for at in PCK_AT), *(f"PCKh@{at:g}" for at in PCKH_AT),
             "EPE", "NME", "AUC", *CROWDING,
             *(f"{part} AP" for part in load_skeleton("coco_wholebody").parts)]
    assert [score for scores in SCORES.values() for score in scores] == names
    assert tuple(SCORES) == get_args(Metric)
    assert set(LOWER_IS_BETTER) < set(names)
