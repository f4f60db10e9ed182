"""What the user reads when processes have failed. Real failures: test_ddp.py."""
import json
import signal

import pytest
from torch.distributed.elastic.multiprocessing.errors import ProcessFailure

from processors.runtime.launch import LOST_PARTNER, USER_ERROR, _raise_reason
from processors.runtime.stop import Stopped


@pytest.fixture
def failure(tmp_path):
    def failure(rank: int, exitcode: int, sentence: str = "") -> ProcessFailure:
        path = tmp_path / f"{rank}.json"
        if sentence:
            path.write_text(json.dumps({"message": {
                "message": f"ValueError: {sentence}",
                "extraInfo": {"py_callstack": "...", "timestamp": "1"}}}))
        return ProcessFailure(rank, 100 + rank, exitcode, str(path))
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
