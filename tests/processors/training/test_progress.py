import fcntl
import json
import os
import pty
import re
import select
import struct
import sys
import termios
from dataclasses import replace

import pytest
import torch

from configs.schema import Config, LogConfig, OptimConfig
from processors.training import progress
from processors.training.progress import Meter, Progress, duration
from processors.training.run_log import RunLog
from processors.training.step_stats import StepStats
from utils.log import log


@pytest.fixture
def said(caplog):
    caplog.set_level("INFO", log.name)
    return caplog


@pytest.fixture
def clock(monkeypatch):
    """Time that passes only by `clock.now += seconds`."""
    class Clock:
        now = 100.0

        def monotonic(self) -> float:
            return self.now
    clock = Clock()
    monkeypatch.setattr(progress, "time", clock)
    return clock


def make_log(folder, rank=0):
    return RunLog(folder, run="r", model_name="m", rank=rank)


def report(shown: Progress, step: int, loss: float = 0.5) -> StepStats:
    return StepStats(step, 0.1, torch.zeros(1), loss, 1.0, 0.25, False, False,
                     shown.meter.timestamp())


def make(folder, first=0, every=2, **log_) -> Progress:
    config = replace(Config(), optim=OptimConfig(epochs=2), log=LogConfig(every=every))
    return Progress(0, first, 5, config, log_.get("rank", 0), make_log(folder, **log_))


@pytest.mark.parametrize("columns", [0, 80, 160])
def test_a_terminal_shows_all_figures_whatever_its_width(tmp_path, clock, monkeypatch, columns):
    reader, writer = pty.openpty()
    fcntl.ioctl(writer, termios.TIOCSWINSZ, struct.pack("HHHH", columns, columns, 0, 0))
    monkeypatch.setattr(sys, "stderr", open(writer, "w"))
    shown = make(tmp_path, every=100)
    assert all(shown.wants_accuracy(step) for step in range(5))
    for step in range(5):
        with shown.meter.waiting():
            clock.now += 0.25
        clock.now += 0.75
        shown.add(report(shown, step), images=1111, skipped=0)
    shown.bar.refresh()
    sys.stderr.flush()
    text = ""
    while select.select([reader], [], [], 0.2)[0]:
        text += os.read(reader, 65536).decode()
    last = re.split("[\r\n]+", re.sub(r"\x1b\[A", "", text).rstrip())[-1]
    assert last.startswith("epoch 1 5/5, loss 0.50000 acc 0.250 lr 1.0e-01 1111/s wait 25% all 0:0")
    assert len(last) <= (columns or 120)
    sys.stderr.close(), os.close(reader)


def test_lines_come_at_their_steps_and_at_the_end_of_the_epoch(tmp_path, clock):
    shown = make(tmp_path)
    assert [shown.wants_accuracy(step) for step in range(5)] == [False, True, False, True, True]
    for step in range(5):
        with shown.meter.waiting():
            clock.now += 0.25
        clock.now += 0.75
        shown.add(report(shown, step, loss=step), images=8, skipped=0)
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [2, 4, 5]
    assert [line["loss"] for line in lines] == [0.5, 2.5, 4.0]      # means since the last line
    assert all(line["images_per_s"] == 8 and line["wait_percent"] == 25 for line in lines)
    assert lines[0]["accuracy"] == 0.25 and lines[0]["lr"] == 0.1


def test_speed_is_that_of_the_steps_though_reports_come_late(tmp_path, clock):
    """The last two come at once."""
    shown, late = make(tmp_path, every=1), []
    for step in range(5):
        with shown.meter.waiting():
            clock.now += 0.1 * step
        clock.now += 1 - 0.1 * step
        late.append(report(shown, step))
        for _ in range(len(late) - (step < 4)):
            shown.add(late.pop(0), images=8, skipped=0)
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [line["images_per_s"] for line in lines] == pytest.approx([8] * 5)
    assert [line["wait_percent"] for line in lines] == pytest.approx([0, 10, 20, 30, 40])


def test_a_line_tells_what_is_left_and_what_was_skipped(tmp_path, clock, said):
    shown = make(tmp_path, first=3, every=1)
    clock.now += 60
    shown.add(report(shown, 3), images=8, skipped=2)
    assert "epoch 1 step 4/5 loss 0.50000 accuracy 0.250 lr 1.00e-01" in said.text
    assert "6:00 left, 2 steps skipped for fp16 overflows" in said.text     # 6 steps of a minute


@pytest.mark.parametrize("share, hints", [(0.1, 0), (0.5, 1)])
def test_waiting_for_data_is_said_once_with_what_to_do(tmp_path, clock, said, share, hints):
    shown = make(tmp_path, every=10)
    shown.steps_per_epoch = 10 ** 6
    for step in range(40):
        with shown.meter.waiting():
            clock.now += share
        clock.now += 1 - share
        shown.add(report(shown, step), images=8, skipped=0)
    assert said.text.count("raise data.num_workers (now 8)") == hints


def test_on_a_terminal_there_is_a_bar(tmp_path, monkeypatch, capsys, clock):
    for module in ("utils.log", "processors.training.progress"):
        monkeypatch.setattr(f"{module}.on_terminal", lambda: True)
    shown = make(tmp_path, first=1)
    # every process measures, or the mean over all of them were nan
    assert shown.wants_accuracy(0) and make(tmp_path, rank=1).wants_accuracy(0)
    clock.now += 2
    shown.add(report(shown, 1), images=8, skipped=0)
    shown.bar.refresh()
    drawn = capsys.readouterr().err
    assert "epoch 1 2/5, " in drawn and "2/5" in drawn
    assert "loss 0.50000 acc 0.250 lr 1.0e-01 4/s wait 0% all 0:16" in drawn
    shown.close()


def test_durations():
    assert [duration(s) for s in (0, 65.9, 3605, 75605)] == ["0:00", "1:05", "1:00:05", "21:00:05"]


def test_a_meter_without_steps_divides_by_nothing():
    assert Meter().mean_loss() == Meter().speed() == 0


def test_the_other_processes_write_nothing(tmp_path):
    make_log(tmp_path, rank=1).add(kind="train", step=1, loss=1.0)
    assert list(tmp_path.iterdir()) == []
