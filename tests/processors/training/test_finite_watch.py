"""Runs whose numbers become infinite, or none."""
import math

import pytest
import torch

from processors.models.checkpoint import load_checkpoint
from processors.models.pose_ranking import OddAnswers
from tests.processors.training.written import lines


def test_an_infinite_gradient_ends_the_run_before_the_weights_are_spoiled(tiny, tmp_path):
    processor = tiny(**{"optim.lr": 1e30})
    with pytest.raises(ValueError, match=r"stopped at step \d+: loss .* learning rate .* images"):
        processor.run()
    assert all(value.isfinite().all() for value in processor.net.parameters())


def test_weights_that_diverged_are_not_gone_on_with(tiny, tmp_path):
    """The loss of the next step told what they are before any were kept."""
    with pytest.raises(ValueError, match="training stopped at step 2: .*images [^;]*; lower "
                                         "optim.lr or set optim.clip_norm; no checkpoint from"):
        tiny(**{"optim.lr": 1e30}).run()
    tiny().run()
    assert load_checkpoint(tmp_path / "weights" / "quickstart_last.pth")["evaluated"] == 2


@pytest.mark.parametrize("settings, step", [
    ({"val.save_steps": 1, "optim.lr": 1e30}, 1),
    ({"data.batch_size": 1000, "optim.lr": 1e30}, 1),       # an epoch of one step
    ({"val.save_steps": 1, "optim.lr": 1e18, "optim.ema": 0}, 1),
    ({"val.save_steps": 1, "optim.lr": 1e5, "optim.amp": "fp16", "codec.input_size": [32, 32]}, 1)])
def test_weights_too_large_for_the_next_step_are_never_kept(tiny, tmp_path, settings, step):
    """They are finite; yet the same command with another rate could never go on from them."""
    tiny(**settings)._save()        # the weights of the beginning
    with pytest.raises(ValueError, match=rf"stopped after step {step}: weights are infinite, no "
                       r"numbers, or beyond 65504 \(first: [\w.]+.*; the same command "
                       rf"goes on from step {step - 1}$"):
        tiny(**settings).run()
    assert load_checkpoint(tmp_path / "weights" / "quickstart_last.pth")["step"] == step - 1
    tiny(**settings | {"optim.lr": 1e-3}).run()
    assert load_checkpoint(tmp_path / "weights" / "quickstart_last.pth")["evaluated"] == 2


def test_a_checkpoint_from_before_the_weights_diverged_is_gone_on_with(tiny):
    run = tiny(**{"val.save_steps": 1})
    loss = run.train_step.loss
    run.train_step.loss = lambda *given: loss(*given) * (math.nan if run.state.step == 2 else 1)
    with pytest.raises(ValueError, match="stopped at step 3: .*quickstart_last.pth held these "
                                         "weights already and is now quickstart_last.ruined.pth; "
                                         "the same command goes on from step 1$"):
        run.run()
    assert tiny().state.step == 1


def test_a_network_that_answers_nothing_finite_ends_the_run(tiny, tmp_path, monkeypatch):
    """Its weights may be finite."""
    def odd(*_):
        raise OddAnswers(3, 3)
    monkeypatch.setattr("processors.evaluation.evaluation.finite_rows", odd)
    with pytest.raises(ValueError, match="training stopped after step 3: the network's answers for "
                                         "3 of 3 boxes hold NaN or infinite numbers; lower optim.lr"
                                         ".*; quickstart_last.pth held these weights already and "):
        tiny(**{"optim.epochs": 1, "val.save_minutes": 60}).run()
    assert [path.name for path in (tmp_path / "weights").glob("*.pth")] == [
        "quickstart_last.ruined.pth"]


def test_weights_that_are_no_numbers_are_neither_judged_nor_kept(tiny, tmp_path, monkeypatch):
    monkeypatch.setattr("processors.training.pose_processor.learning_rate", lambda *_: 1e300)
    with pytest.raises(ValueError, match="stopped after step 1: weights are infinite, no numbers"):
        tiny(**{"data.batch_size": 1000, "optim.epochs": 1}).run()
    assert not list((tmp_path / "weights").glob("*.pth"))


def test_fp16_overflows_are_skipped_and_counted(tiny, tmp_path):
    processor = tiny(**{"optim.amp": "fp16", "optim.epochs": 3, "val.interval": 3,
                        "codec.input_size": [32, 32]})      # fp16 is slow on CPUs
    processor.train_step.scaler = torch.amp.GradScaler("cpu", init_scale=2.0 ** 22)
    processor.run()
    state = torch.load(tmp_path / "weights" / "quickstart_last.pth", weights_only=True)
    assert 0 < state["skipped"] < state["step"] == 9
    assert [row["skipped"] for row in lines(tmp_path / "weights", "train")][-1] == state["skipped"]
    assert state["scaler"]["scale"] == 2.0 ** (22 - state["skipped"])


def test_overflows_without_end_are_no_overflows(tiny, monkeypatch):
    monkeypatch.setattr("processors.training.finite_watch.OVERFLOWS_IN_A_ROW", 3)
    processor = tiny(**{"optim.amp": "fp16"})
    processor.train_step.loss = lambda heatmaps, *_: (heatmaps * 0).sqrt().sum()    # gradient nan
    with pytest.raises(ValueError, match="stopped at step 3: loss 0, gradient norm nan"):
        processor.run()
