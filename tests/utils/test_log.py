import json
import logging

import pytest

from utils.log import MetricsFile, bar, log, show_log


@pytest.fixture
def metrics(tmp_path):
    return MetricsFile(tmp_path / "metrics.jsonl", run="a", model_name="pose")


def test_lines_go_to_stdout_once_with_a_date(capsys):
    show_log()
    show_log()
    log.info("AP %.1f", 0.5)
    log.debug("not this")
    out, err = capsys.readouterr()
    assert out.endswith(" AP 0.5\n") and out[:2] == "20" and out.count("\n") == 1 and err == ""


def test_the_other_processes_say_errors_only(capsys):
    show_log(rank=1)
    log.info("quiet"), log.warning("quiet"), log.error("loud")
    assert "quiet" not in (out := capsys.readouterr().out) and "loud" in out


def test_importing_the_log_says_nothing():
    assert not log.handlers and logging.getLogger("simplepose") is log


@pytest.mark.parametrize("turn", [1, 2])
def test_what_a_test_shows_is_no_matter_to_the_next(turn, caplog):
    log.warning("heard")
    assert "heard" in caplog.text
    show_log(rank=1)
    log.warning("not heard")
    assert "not heard" not in caplog.text


def test_away_from_a_terminal_a_bar_is_the_bare_iteration(capsys):
    progress = bar(range(3), "epoch 1", total=3)
    assert progress.disable and list(progress) == [0, 1, 2]
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("rank, disabled", [(0, False), (1, True)])
def test_on_a_terminal_process_0_has_the_bar(rank, disabled, monkeypatch):
    monkeypatch.setattr("utils.log.on_terminal", lambda: True)
    progress = bar(range(3), "epoch 1", rank=rank)
    assert progress.disable is disabled and list(progress) == [0, 1, 2]


def test_what_was_added_is_read(metrics):
    assert metrics.read() == []
    metrics.add(kind="train", loss=0.5)
    metrics.add(kind="val", AP=0.25)
    common = {"run": "a", "model_name": "pose"}
    assert metrics.read() == [common | {"kind": "train", "loss": 0.5},
                              common | {"kind": "val", "AP": 0.25}]
    assert all(json.loads(line) for line in metrics.path.read_text().splitlines())


def test_numbers_that_json_does_not_know_are_null(metrics):
    metrics.add(loss=float("nan"), norm=float("inf"), step=1)
    assert "NaN" not in metrics.path.read_text()
    assert metrics.read()[0] | {"step": 1, "loss": None, "norm": None} == metrics.read()[0]


def test_only_the_lines_of_this_run_are_read(metrics):
    MetricsFile(metrics.path, run="b", model_name="pose").add(step=1)
    MetricsFile(metrics.path, model_name="pose").add(step=2)
    metrics.add(step=3)
    assert [line["step"] for line in metrics.read()] == [3]


@pytest.mark.parametrize("cut", [1, 5, 20])
def test_a_line_cut_off_by_a_kill_is_left_and_spoils_no_other(metrics, cut):
    for step in (1, 2):
        metrics.add(step=step)
    metrics.path.write_bytes(metrics.path.read_bytes()[:-cut])
    whole = [1, 2] if cut == 1 else [1]     # without its newline a line is still whole
    assert [line["step"] for line in metrics.read()] == whole
    metrics.add(step=3)
    assert [line["step"] for line in metrics.read()] == [*whole, 3]


def test_zeros_left_by_a_power_cut_are_left_too(metrics):
    metrics.add(step=1)
    with open(metrics.path, "ab") as file:
        file.write(b"\0" * 100)
    metrics.add(step=2)
    assert [line["step"] for line in metrics.read()] == [1, 2]


@pytest.mark.parametrize("line", [b"[1]", b"5", b"null", b'"text"', b"\xff\xfe", b"[" * 100_000,
                                  b'{"run": ' * 5000, b"9" * 5000, b'{"loss": 1'])
def test_foreign_lines_are_left_out_and_counted_once(metrics, line, caplog):
    metrics.add(step=1)
    with open(metrics.path, "ab") as file:
        file.write(line + b"\n\n" + line + b"\n")
    metrics.add(step=2)
    for _ in range(2):      # it is read after every epoch
        assert [row["step"] for row in metrics.read()] == [1, 2]
    assert caplog.text.count(f"{metrics.path}: 2 lines are no JSON objects") == 1
