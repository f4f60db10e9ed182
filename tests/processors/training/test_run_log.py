import json
import sys

import pytest

from processors.trackers import start
from tests.processors.trackers.readers import assert_equal
from utils.errors import UserError


def test_a_run_that_goes_on_shows_all_numbers_under_the_older_word_too(tiny, tmp_path, monkeypatch):
    pytest.importorskip("tensorboard")
    monkeypatch.setattr(start, "AT_THE_END", 600)
    tiny(**{"log.trackers": ["tensorboard"], "optim.epochs": 1}).run()
    tiny(**{"log.tensorboard": True, "optim.epochs": 2}).run()
    assert_equal(tmp_path / "weights", "tensorboard", "quickstart")
    lines = (tmp_path / "weights" / "metrics.jsonl").read_text().splitlines()
    assert {line["kind"] for line in map(json.loads, lines)} == {"train", "val"}
    assert len({json.loads(line)["run"] for line in lines}) == 1


def test_a_missing_tracker_is_said_before_anything_is_written(tiny, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(UserError, match="log.trackers asks for wandb, which is not installed"):
        tiny(**{"log.trackers": "wandb"})
    assert not (tmp_path / "weights").exists()
