import os
import signal
import threading
import time
from pathlib import Path

import pytest

from processors.runtime.parallel import OneProcess
from processors.runtime.stop import SIGNALS, Stopped, StopRequest
from utils.log import log


@pytest.fixture(autouse=True)
def handlers():
    """As in a terminal, though background jobs ignore some; put back behind each test."""
    before = [signal.getsignal(number) for number in SIGNALS]
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield [signal.getsignal(number) for number in SIGNALS]
    for number, handler in zip(SIGNALS, before, strict=True):
        signal.signal(number, handler)


@pytest.fixture
def said(caplog):
    caplog.set_level("INFO", log.name)
    return caplog


def send(number: int) -> None:
    os.kill(os.getpid(), number)


def test_without_a_signal_nobody_asks():
    with StopRequest(OneProcess(())) as stop:
        assert not stop.asked()
        stop.leave_if_asked()


@pytest.mark.parametrize("number, status", [
    (signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGHUP, 129)])
def test_a_signal_is_remembered_until_the_loop_asks(number, status, said):
    with StopRequest(OneProcess(())) as stop:
        send(number)
        assert stop.asked()
        with pytest.raises(Stopped) as caught:
            stop.exit_run(Path("weights/a_last.pth"))
    assert caught.value.code == status and isinstance(caught.value, SystemExit)
    assert "saved weights/a_last.pth" in said.text


def test_an_evaluation_is_left_at_once(said):
    with StopRequest(OneProcess(())) as stop:
        send(signal.SIGTERM)
        with pytest.raises(Stopped):
            stop.leave_if_asked()
    assert "makes the evaluation again" in said.text


@pytest.mark.parametrize("first, second, ends", [
    (signal.SIGINT, signal.SIGINT, True), (signal.SIGTERM, signal.SIGTERM, False),
    (signal.SIGTERM, signal.SIGINT, False)])
def test_only_a_second_ctrl_c_ends_at_once(first, second, ends):
    with StopRequest(OneProcess(())) as stop:
        send(first)
        if ends:
            with pytest.raises(KeyboardInterrupt):
                send(second)
        else:
            send(second)
        assert stop.asked()


def test_the_handlers_are_put_back(handlers):
    with pytest.raises(RuntimeError), StopRequest(OneProcess(())):
        assert [signal.getsignal(number) for number in SIGNALS] != handlers
        raise RuntimeError
    assert [signal.getsignal(number) for number in SIGNALS] == handlers


def test_under_nohup_a_closed_terminal_means_nothing():
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with StopRequest(OneProcess(())) as stop:
        send(signal.SIGHUP)
        assert not stop.asked()


def test_in_a_thread_it_leaves_the_signals_alone(handlers):
    def work():
        with StopRequest(OneProcess(())) as stop:
            found.extend([stop.asked(), [signal.getsignal(number) for number in SIGNALS]])

    found: list = []
    thread = threading.Thread(target=work)
    thread.start(), thread.join()
    assert found == [False, handlers]


@pytest.mark.parametrize("leave", [lambda stop: stop.exit_run(Path("x")),
                                   lambda stop: stop.leave_if_asked()])
def test_all_processes_leave_with_the_signal_of_the_one_that_was_asked(leave):
    class TwoProcesses(OneProcess):
        def all_gather(self, value):
            return [value, signal.SIGTERM]

    with pytest.raises(Stopped) as caught:
        leave(StopRequest(TwoProcesses(())))
    assert caught.value.code == 143


def one_batch_and_a_wait():
    """The second one never comes."""
    yield "first"
    send(signal.SIGTERM)
    yield "second"


def test_a_signal_ends_the_wait_for_a_batch():
    with StopRequest(OneProcess(())) as stop:
        batches = stop.watched(one_batch_and_a_wait())
        assert next(batches) == "first"
        with pytest.raises(Stopped) as caught:
            next(batches)
    assert caught.value.code == 143


def test_a_signal_before_the_wait_ends_it_too():
    with StopRequest(OneProcess(())) as stop:
        batches = stop.watched(iter(["first", "second"]))
        next(batches)
        send(signal.SIGINT)
        with pytest.raises(Stopped):
            next(batches)


def test_without_a_signal_all_batches_come():
    with StopRequest(OneProcess(())) as stop:
        assert list(stop.watched([1, 2, 3])) == [1, 2, 3]


def test_with_several_processes_a_batch_has_some_time_to_come(monkeypatch, said):
    """Or the others could not finish the step, and nobody would save."""
    class TwoProcesses(OneProcess):
        world_size = property(lambda _: 2, lambda *_: None)

    def late():
        send(signal.SIGINT)
        yield "in time"
        while True:
            time.sleep(0.01)
    monkeypatch.setattr("processors.runtime.stop.WAIT_FOR_BATCH", 0.2)
    with StopRequest(TwoProcesses(())) as stop:
        batches = stop.watched(late())
        assert next(batches) == "in time" and stop.asked()
        with pytest.raises(Stopped) as caught:
            next(batches)
    assert caught.value.code == 130 and "while a batch was waited for" in said.text
