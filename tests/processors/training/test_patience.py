"""Runs that end when evaluations bring nothing better; evaluations are scripted."""
import numpy as np
import pytest
import torch

from processors.evaluation.coco_metrics import COCO_METRICS, CocoMetrics
from processors.models.checkpoint import load_checkpoint
from processors.runtime.stop import Stopped
from tests.processors.training.written import equal, lines, weights


@pytest.fixture
def run(tiny, tmp_path, monkeypatch, capsys):
    """Runs with one AP for each evaluation in turn, by its epoch, and returns what was said."""
    def run(scores: dict[int, float | str], **settings):
        capsys.readouterr()
        processor = tiny(**{"optim.epochs": 9, "optim.ema": 0, "codec.input_size": [32, 32],
                            "log.every": 1000} | settings)

        def scripted(*_):
            score = scores[processor.state.epoch]
            if score == "stop":
                raise Stopped(143)
            processor.evaluation.results = []
            values = {"AP": score, "AP50": processor.state.epoch / 10}
            return CocoMetrics(dict.fromkeys(COCO_METRICS, .5) | values, np.zeros(0), 3, 3, 3, ())
        monkeypatch.setattr(processor.evaluation, "run", scripted)
        for name in ("draw_curves", "draw_results"):
            monkeypatch.setattr(f"processors.training.pose_processor.{name}", lambda *_: None)
        try:
            processor.run()
        except Stopped:
            pass
        said = capsys.readouterr()
        return said.out + said.err
    return run


@pytest.fixture
def state(tmp_path):
    """Epoch, evaluations without a better one, and the epoch of the best one."""
    def state(which="last"):
        found = load_checkpoint(tmp_path / "weights" / f"quickstart_{which}.pth")
        return (found["step"] // found["steps_per_epoch"], found["without_better"],
                found["best"].get("epoch"))
    return state


ENDED = "ended after epoch {} of 9: {} brought no better AP; with an optim.patience of more"


def test_a_run_ends_after_so_many_evaluations_without_a_better_one(run, state, tmp_path):
    said = run({1: .2, 2: .1, 3: .3, 4: .3, 5: .1}, **{"optim.patience": 2})    # as good: no better
    assert state() == (5, 2, 3)
    assert ENDED.format(5, "2 evaluations") in said and "best AP 0.3000 after epoch 3" in said
    before = (tmp_path / "weights" / "quickstart_last.pth").read_bytes()
    again = run({}, **{"optim.patience": 2})
    assert ENDED.format(5, "2 evaluations") in again and "resume=false" not in again
    assert (tmp_path / "weights" / "quickstart_last.pth").read_bytes() == before
    assert len(lines(tmp_path / "weights", "val")) == 5


def test_with_more_patience_it_goes_on_as_if_it_had_not_ended(run, state, tmp_path):
    scores = dict.fromkeys(range(1, 10), .1) | {5: .4}
    run(scores, **{"optim.patience": 4})
    assert state() == (9, 4, 5)
    whole = weights(tmp_path / "weights" / "quickstart_last.pth")
    begun = {"optim.patience": 2, "val.weight_path": tmp_path / "other"}
    assert ENDED.format(3, "2 evaluations") in run(scores, **begun)
    assert "ended" not in run(scores, **begun | {"optim.patience": 4})      # in its last epoch
    assert equal(whole, weights(tmp_path / "other" / "quickstart_last.pth"))


def test_the_count_goes_on_where_a_run_was_stopped(run, state):
    run({1: .2, 2: .1, 3: "stop"}, **{"optim.patience": 2})
    assert state() == (3, 1, 1)
    assert ENDED.format(3, "2 evaluations") in run({3: .1}, **{"optim.patience": 2})
    assert "ended after epoch 3" in run({}, **{"optim.patience": 1})
    assert "ended" not in run(dict.fromkeys(range(4, 10), .1), **{"optim.patience": 0})
    assert state() == (9, 8, 1)


def test_evaluations_are_counted_and_not_epochs(run, state):
    settings = {"optim.patience": 2, "val.interval": 2}
    assert ENDED.format(6, "2 evaluations") in run({2: .2, 4: .1, 6: .1}, **settings)
    run({7: .1, 8: .1, 9: .1}, **{"optim.patience": 4})     # another interval
    assert state() == (8, 4, 2)


def test_the_better_of_raw_and_averaged_weights_counts_once(run, state):
    run({1: .2, 2: .1, 3: .1}, **{"optim.patience": 2, "optim.ema": 0.9})
    assert state() == (3, 2, 1)


def test_evaluations_by_other_settings_begin_anew(run, state):
    settings = {"optim.patience": 2}
    run({1: .5, 2: .4, 3: .4}, **settings)
    settings |= {"val.flip_test": False}
    said = run({3: .1, 4: .05, 5: .05}, **settings)         # the present weights once more
    assert "the best begins anew" in said and ENDED.format(5, "2 evaluations") in said
    assert state() == (5, 2, 3)


def test_a_frozen_backbone_is_waited_for(run, state):
    settings = {"optim.patience": 1, "optim.freeze_epochs": 4}
    said = run({1: .2, 2: .1, 3: .1, 4: .1, 5: .1}, **settings)
    assert ENDED.format(5, "1 evaluation") in said and state() == (5, 1, 1)


def test_what_is_undefined_has_patience_for_ever(run, state):
    """The newest weights are kept as the best then."""
    run(dict.fromkeys(range(1, 10), -1.0), **{"optim.patience": 1})
    assert state() == (9, 0, 9)


@pytest.mark.parametrize("settings", [{}, {"val.best": "AP50"}])
def test_the_number_that_counts_is_that_of_the_best(run, settings):
    said = run(dict.fromkeys(range(1, 10), .5), **{"optim.patience": 3} | settings)
    assert ("ended after epoch 4" in said) is not bool(settings)    # AP50 rises


def test_a_checkpoint_from_before_it_was_counted_goes_on(run, state, tmp_path):
    path = tmp_path / "weights" / "quickstart_last.pth"
    run({1: .2, 2: .1, 3: "stop"})
    stored = torch.load(path, weights_only=True)
    del stored["without_better"]
    torch.save(stored, path)
    assert ENDED.format(4, "2 evaluations") in run({3: .1, 4: .1}, **{"optim.patience": 2})


def test_workers_that_have_read_ahead_are_left(run):
    settings = {"data.num_workers": 2, "optim.patience": 1}
    assert "ended after epoch 2" in run({1: .2, 2: .1}, **settings)
    said = run({}, **settings)
    assert "ended after epoch 2" in said and "Traceback" not in said
