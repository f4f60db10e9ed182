import io
import json
import threading
from dataclasses import asdict

import pytest

from processors.trackers import follower
from processors.trackers.tracker import FINISHED, MARK, STOPPED
from tests.processors.trackers.small_training import metrics_of, tracked_run, write


class Fake:
    replaces, address = False, "nowhere"
    had = 0                     # entries of earlier starts

    def __init__(self, run):
        self.told, self.files, self.closed = [], [], []
        Fake.last = self

    def has(self, number, entry):
        return number < self.had

    def add(self, entries):
        self.told += [(entry.step, *sorted(entry.numbers)[:1]) for entry in entries]

    def add_picture(self, path, step):
        self.files.append((path.name, step))

    def add_weights(self, path):
        self.files.append(path.name)

    def close(self, finished):
        self.closed.append(finished)


class End:
    """The end of the training, which has come already."""

    def __init__(self, word):
        self.word, self.came = word, threading.Event()
        self.came.set()


@pytest.fixture
def fake(monkeypatch):
    monkeypatch.setitem(follower.TRACKERS, "fake", Fake)
    monkeypatch.setattr(Fake, "replaces", False)
    monkeypatch.setattr(Fake, "had", 0)
    return Fake


def lines(folder, *steps):
    for step in steps:
        write(metrics_of(folder), step)


TRAIN = "train/epoch"
FOUR = [(4, TRAIN), (4, "val/net/AP"), (4, "val/ema/AP")]


def test_all_lines_are_told_and_then_the_files(fake, tmp_path):
    (tmp_path / "val.jpg").write_bytes(b"picture"), (tmp_path / "best.pth").write_bytes(b"weights")
    run = tracked_run("fake", tmp_path)
    lines(tmp_path, 3, 4)
    follower.follow(run, End(FINISHED))
    assert fake.last.told == [(3, TRAIN), *FOUR]
    assert fake.last.files == [("val.jpg", 4), "best.pth"] and fake.last.closed == [True]


def test_an_old_picture_and_unwanted_weights_stay(fake, tmp_path):
    (tmp_path / "val.jpg").write_bytes(b"picture"), (tmp_path / "best.pth").write_bytes(b"weights")
    follower.follow(tracked_run("fake", tmp_path, began=9e9, weights=""), End(FINISHED))
    assert fake.last.files == [] and fake.last.closed == [True]


def test_a_stopped_run_has_all_lines_and_no_files(fake, tmp_path):
    (tmp_path / "best.pth").write_bytes(b"weights")
    run = tracked_run("fake", tmp_path)
    lines(tmp_path, 1)
    follower.follow(run, End(STOPPED))
    assert fake.last.told == [(1, TRAIN)] and not fake.last.files and fake.last.closed == [False]


def test_of_a_killed_run_the_rest_is_left_to_its_next_start(fake, tmp_path):
    run = tracked_run("fake", tmp_path)
    lines(tmp_path, 1)
    follower.follow(run, End(""))
    assert fake.last.told == [] and fake.last.closed == [False]


@pytest.mark.parametrize("replaces, had, told", [
    # killed behind 5, it goes on from 3, and does 4, 5 and 6
    (False, 0, [(3, TRAIN), *FOUR, (5, TRAIN), (6, TRAIN)]), (False, 4, [(5, TRAIN), (6, TRAIN)]),
    (False, 5, [(6, TRAIN)]), (True, 0, [(3, TRAIN), *FOUR, (5, TRAIN), (6, TRAIN)])])
def test_a_run_that_goes_on_tells_no_step_twice(fake, tmp_path, capsys, replaces, had, told):
    fake.replaces, fake.had = replaces, had
    lines(tmp_path, 3, 4, 5)
    run = tracked_run("fake", tmp_path, step=3)
    lines(tmp_path, 4, 5, 6)
    follower.follow(run, End(FINISHED))
    assert fake.last.told == told
    said = f"{MARK}shows steps 4 to 5, which are done again, as they were the first time: it takes"
    assert (said in capsys.readouterr().out) == (not replaces)


@pytest.mark.parametrize("method", ["__init__", "has", "add", "close"])
def test_whatever_a_client_raises_is_said_in_one_sentence(fake, tmp_path, monkeypatch, capsys,
                                                          method):
    def fail(*_, **__):
        raise RuntimeError("no route\nto host")
    ended = []
    monkeypatch.setattr(fake, method, fail)
    monkeypatch.setattr(follower, "TrainingsEnd", lambda: End(FINISHED))
    monkeypatch.setattr(follower.os, "_exit", ended.append)
    monkeypatch.setattr(follower.signal, "signal", lambda *_: None)
    lines(tmp_path, 1)
    words = json.dumps(asdict(tracked_run("fake", tmp_path)))
    monkeypatch.setattr(follower.sys, "stdin", io.StringIO(f"{words}\n"))
    follower.main()
    assert capsys.readouterr().out.endswith(f"{MARK}is off from now on: no route to host\n")
    assert ended == [0]


def test_tensorboard_says_that_it_keeps_no_weights(tmp_path, capsys):
    pytest.importorskip("tensorboard")
    tracker = follower.TRACKERS["tensorboard"](tracked_run("tensorboard", tmp_path))
    tracker.add_weights(tmp_path / "best.pth")
    tracker.close(True)
    assert f"{MARK}keeps no weights; they are in {tmp_path / 'best.pth'}\n" in (
        capsys.readouterr().out)
