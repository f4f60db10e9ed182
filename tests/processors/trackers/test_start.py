"""The training's side: what is missing, what hangs and what dies."""
import time
from types import SimpleNamespace

import pytest

from configs.schema import LogConfig
from processors.trackers import start
from processors.trackers.start import chosen, ensure_installed, followed
from tests.processors.trackers.small_training import metrics_of, tracked_run, write
from utils.errors import UserError
from utils.log import log


@pytest.fixture
def said(caplog):
    caplog.set_level("INFO", log.name)
    return caplog


@pytest.fixture
def wandb_is(tmp_path, monkeypatch):
    """Puts a package of that name and this content before all others."""
    def put(text):
        (tmp_path / "packages").mkdir()
        (tmp_path / "packages" / "wandb.py").write_text(text)
        monkeypatch.setenv("PYTHONPATH", str(tmp_path / "packages"))
        monkeypatch.setattr(start, "AT_THE_END", 3)
        return tracked_run("wandb", tmp_path)
    return put


def test_the_older_word_still_asks_for_tensorboard():
    assert chosen(LogConfig()) == []
    assert chosen(LogConfig(tensorboard=True)) == ["tensorboard"]
    assert chosen(LogConfig(tensorboard=True, trackers=("wandb", "tensorboard", "wandb"))) == [
        "wandb", "tensorboard"]


@pytest.mark.parametrize("found", [None, SimpleNamespace(origin=None)])     # or a mere folder
def test_a_missing_package_is_one_sentence(monkeypatch, found):
    monkeypatch.setattr(start, "find_spec", lambda name: found)
    ensure_installed(LogConfig(), 0)
    ensure_installed(LogConfig(trackers=("wandb",)), 1)
    with pytest.raises(UserError, match="^log.trackers asks for wandb, which is not installed: pip "
                                        "install wandb brings it, or take it out$"):
        ensure_installed(LogConfig(trackers=("wandb",)), 0)
    with pytest.raises(UserError, match="^log.tensorboard asks for tensorboard, which is not"):
        ensure_installed(LogConfig(tensorboard=True), 0)


def test_one_that_hangs_costs_no_step_and_a_bounded_end(wandb_is, said, tmp_path):
    run, since = wandb_is("import time; time.sleep(1000)"), time.monotonic()
    with followed([run]):
        for step in range(1, 5):
            write(metrics_of(tmp_path), step)
        assert time.monotonic() - since < 2
    assert time.monotonic() - since < 10
    assert "log.trackers: waiting for wandb, " in said.text
    assert said.messages[-1] == (
        "log.trackers: wandb did not come to its end and is left behind; metrics.jsonl has all "
        "numbers, and the same command sends what is missing")


@pytest.mark.parametrize("text, words", [
    ("raise RuntimeError('no route to host')", "wandb: is off from now on: no route to host"),
    ("import os; print('out of luck'); os._exit(7)", "wandb is off from now on: its process ended "
                                                     "with status 7, after: out of luck")])
def test_one_that_fails_is_said_once(wandb_is, said, monkeypatch, text, words):
    run = wandb_is(text)
    monkeypatch.setattr(start, "AT_THE_END", 60)
    with followed([run]):
        pass
    waits = [text for text in said.messages if "waiting for wandb" in text]     # where it is slow
    assert said.messages == [*waits, f"log.trackers: {words}"]


def test_an_error_of_the_training_passes_and_they_end(wandb_is, said, monkeypatch):
    run = wandb_is("import time; print('Warning: slow'); time.sleep(1000)")
    monkeypatch.setattr(start, "AT_A_STOP", 1)
    with pytest.raises(KeyError), followed([run]):
        while not said.messages:
            time.sleep(0.1)
        raise KeyError
    assert said.messages[0] == "log.trackers: the first complaint of wandb: Warning: slow"
    assert "left behind" in said.messages[-1]


def test_without_trackers_nothing_is_started(monkeypatch):
    monkeypatch.setattr(start.subprocess, "Popen", None)
    with followed([]):
        pass
