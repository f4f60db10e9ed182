import logging

import pytest

from utils.log import bar, log, show_log


def test_lines_go_to_stdout_once_with_a_date(capsys):
    show_log()
    show_log()
    log.info("AP %.1f", 0.5)
    log.debug("not this")
    out, err = capsys.readouterr()
    assert out.endswith(" AP 0.5\n") and out[:2] == "20" and out.count("\n") == 1 and err == ""


def test_no_codes_reach_the_terminal_and_lines_stay_lines(capsys):
    show_log()
    log.info("a table\nof two %s", "\x1b[31mlines")
    assert capsys.readouterr().out.endswith(" a table\nof two \\x1b[31mlines\n")


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
