"""What the user reads when processes have failed. Real failures: test_ddp.py."""
import json
import signal

import pytest
from torch.distributed.elastic.multiprocessing.errors import ProcessFailure

from processors.runtime import launch
from processors.runtime.launch import LOST_PARTNER, TRAIN_ON, USER_ERROR, _raise_reason
from processors.runtime.stop import Stopped


@pytest.fixture
def failure(tmp_path):
    def failure(rank: int, exitcode: int, sentence: str = "", after: int = 0) -> ProcessFailure:
        """after: seconds, of the first failure."""
        path = tmp_path / f"{rank}.json"
        if sentence:
            path.write_text(json.dumps({"message": {
                "message": f"ValueError: {sentence}",
                "extraInfo": {"py_callstack": "...", "timestamp": "1"}}}))
        found = ProcessFailure(rank, 100 + rank, exitcode, str(path))
        found.timestamp = 1000 + after
        return found
    return failure


def reason(*failures: ProcessFailure) -> str:
    with pytest.raises(ChildProcessError) as caught:
        _raise_reason(list(failures), 4)
    return str(caught.value)


def test_the_sentence_of_a_process_is_the_reason(failure):
    assert reason(failure(2, USER_ERROR, "a: b; c")) == "a: b; c"


def test_the_cause_is_told_and_not_what_follows_from_it(failure):
    lost = failure(0, USER_ERROR, f"process 0 {LOST_PARTNER}")
    ended = failure(3, -signal.SIGTERM)
    mistake = failure(1, USER_ERROR, "no such file")
    killed, crashed = failure(2, -signal.SIGKILL), failure(2, 1)
    assert reason(lost, ended, mistake) == "no such file"
    assert reason(lost, killed, ended).startswith("process 2 of 4 (pid 102) was killed by SIGKILL")
    assert reason(mistake, killed).startswith("process 2 of 4 (pid 102) was killed")
    assert reason(lost, crashed).startswith("process 2 of 4 (pid 102) failed with status 1")
    assert LOST_PARTNER in reason(lost)


def test_a_process_that_left_no_sentence(failure):
    assert reason(failure(1, USER_ERROR)).startswith("process 1 of 4 (pid 101) failed with")


def test_processes_that_were_stopped_are_no_error(failure):
    with pytest.raises(Stopped) as caught:
        _raise_reason([failure(0, 143), failure(1, 143)], 2)
    assert caught.value.code == 143
    with pytest.raises(Stopped):    # the launcher ends the other one while it is leaving
        _raise_reason([failure(1, 143), failure(0, -signal.SIGTERM)], 2)
    with pytest.raises(ChildProcessError, match="killed by SIGKILL"):
        _raise_reason([failure(0, 143), failure(1, -signal.SIGKILL)], 2)
    with pytest.raises(Stopped):    # one of them waited for a batch and went without the others
        _raise_reason([failure(1, 143), failure(0, USER_ERROR, f"process 0 {LOST_PARTNER}")], 2)
    with pytest.raises(ChildProcessError, match="^no such file$"):
        _raise_reason([failure(1, 143), failure(0, USER_ERROR, "no such file")], 2)


def test_whom_the_launcher_killed_is_not_the_cause(failure):
    """Who does not end by SIGTERM, since it was stopped or hangs, is killed 30 seconds later."""
    waited = failure(0, USER_ERROR, "process 0 of 2 waited 10 minutes for another one")
    assert reason(waited, failure(1, -signal.SIGKILL, after=31)).startswith("process 0 of 2 waited")
    assert reason(failure(1, -signal.SIGKILL), failure(0, -signal.SIGKILL, after=30)).startswith(
        "process 1 of 4 (pid 101) was killed by SIGKILL, as happens when memory runs out")


def test_only_a_kill_is_put_down_to_memory(failure):
    assert reason(failure(1, -signal.SIGABRT)) == (
        f"process 1 of 4 (pid 101) was killed by SIGABRT; all are ended; {TRAIN_ON}")
    assert "killed by SIGTERM;" in reason(failure(1, -signal.SIGTERM))


@pytest.mark.parametrize("words, sentence", [
    ("Timed out waiting 600000ms for recv operation to complete",
     "^process 0 of 2 waited 10 minutes for another one, which lives but did not answer"),
    ("wait timeout after 20000ms, keys: /0//cpu//0/1", "^process 0 of 2 waited 0.33 minutes for"),
    ("Connection closed by peer", f"^process 0 {LOST_PARTNER} of the run")])
def test_errors_of_an_exchange_are_one_sentence(monkeypatch, words, sentence):
    class TwoProcesses:
        rank, world_size = 0, 2

    def work(_):
        raise RuntimeError(f"[/pytorch/third_party/gloo/unbound_buffer.cc:81] {words}")
    monkeypatch.setattr(launch, "ManyProcesses", lambda _: TwoProcesses())
    with pytest.raises(ConnectionError, match=sentence):
        launch._recorded((), work)
