"""Runs whose numbers become infinite, or none."""
import json

import pytest
import torch

from processors.models.checkpoint import load_checkpoint


def lines(folder, kind):
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [row for row in rows if row["kind"] == kind]


def test_an_infinite_gradient_ends_the_run_before_the_weights_are_spoiled(tiny, tmp_path):
    processor = tiny(**{"val.save_steps": 1, "optim.lr": 1e30})
    with pytest.raises(ValueError, match=r"stopped at step \d+: loss .* learning rate .* images"):
        processor.run()
    assert all(value.isfinite().all() for value in processor.net.parameters())


@pytest.mark.parametrize("steps, left", [
    (1, "quickstart_last.pth held these weights already and is now quickstart_last.ruined.pth; "
        "no checkpoint from before is left, the same command starts over$"),
    (0, "images [^;]*; lower optim.lr or set optim.clip_norm; no checkpoint from before is left")])
def test_weights_that_diverged_are_not_gone_on_with(tiny, tmp_path, steps, left):
    """They were saved before the step that showed what they are."""
    with pytest.raises(ValueError, match=f"training stopped at step 2: .*{left}"):
        tiny(**{"val.save_steps": steps, "optim.lr": 1e30}).run()
    tiny(**{"val.save_steps": steps}).run()
    assert load_checkpoint(tmp_path / "weights" / "quickstart_last.pth")["evaluated"] == 2


def test_a_checkpoint_from_before_the_weights_diverged_is_gone_on_with(tiny, tmp_path):
    tiny(**{"optim.epochs": 1}).run()
    with pytest.raises(ValueError, match="ruined.pth; the same command goes on from step"):
        tiny(**{"val.save_steps": 1, "optim.lr": 1e30, "optim.epochs": 9}).run()
    assert tiny().state.step > 0


def test_weights_that_are_no_numbers_are_neither_judged_nor_kept(tiny, tmp_path, monkeypatch):
    monkeypatch.setattr("processors.training.pose_processor.learning_rate", lambda *_: 1e300)
    with pytest.raises(ValueError, match="stopped after step 1: weights are infinite or no"):
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
