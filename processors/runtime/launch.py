"""Start the processes of this machine by torch's elastic launcher, as torchrun would, and say
in one sentence how they ended."""
import ctypes
import json
import logging
import os
import re
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

import torch.distributed.launcher.api as torch_launcher
from torch.distributed.elastic.multiprocessing.api import SignalException
from torch.distributed.elastic.multiprocessing.errors import (
    ChildFailedError,
    ProcessFailure,
    record,
)

from processors.runtime.parallel import ManyProcesses
from processors.runtime.stop import Stopped
from utils.errors import UserError
from utils.files import ROOT

MAIN = ROOT / "main.py"
RUN_ID = "simplepose-"          # and the launcher's pid: so a process knows who started it
USER_ERROR = 2                  # exit status of a process that left a sentence in its error file
STOPPED = {128 + signal.SIGTERM, 128 + signal.SIGINT, 128 + signal.SIGHUP}
CONNECTION_LOST = "Connection closed", "Connection reset", "Broken pipe"      # gloo's words
TIMED_OUT = re.compile(r"(?:Timed out waiting|wait timeout after) (\d+) ?ms")
LAUNCHER_KILLS_AFTER = 30       # seconds: of torch's launcher, to whom SIGTERM has not ended
TRAIN_ON = "the same command goes on from the last checkpoint"


def launch(words: Sequence[str], processes: int, again: str = TRAIN_ON) -> None:
    """Run `main.py` with these words in that many processes; returns when all have finished.

    again: what the same command does after a failure. Raises Stopped after a signal, and
    ChildProcessError with the reason if a process failed; all are ended by then.
    """
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        # nohup: the launcher would handle the signal all the same, but not while it is blocked
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
    _silence_torch()
    config = torch_launcher.LaunchConfig(
        min_nodes=1, max_nodes=1, nproc_per_node=processes, max_restarts=0,
        run_id=f"{RUN_ID}{os.getpid()}", rdzv_backend="c10d", rdzv_endpoint="localhost:0",
        local_addr="localhost", monitor_interval=0.5)
    try:
        torch_launcher.elastic_launch(config, sys.executable)("-u", str(MAIN), *words)
    except SignalException as error:
        raise Stopped(128 + error.sigval) from None
    except ChildFailedError as error:
        _raise_reason(list(error.failures.values()), processes, again)


def run_rank(gpus: tuple[int, ...], work: Callable[[ManyProcesses], Any]) -> Any:
    """`work` in one of the processes; what it returns."""
    die_with_launcher()
    try:
        return _recorded(gpus, work)
    except (UserError, OSError):
        if launched_here():
            sys.exit(USER_ERROR)        # the sentence is in the error file: said once for all
        raise


@record
def _recorded(gpus: tuple[int, ...], work: Callable[[ManyProcesses], Any]) -> Any:
    parallel = ManyProcesses(gpus)
    try:
        result = work(parallel)
    except RuntimeError as error:
        if any(words in str(error) for words in CONNECTION_LOST):
            raise ConnectionError(f"process {parallel.rank} {LOST_PARTNER} of the run, which ended "
                                  f"first and tells why") from error
        if waited := TIMED_OUT.search(str(error)):
            raise ConnectionError(
                f"process {parallel.rank} of {parallel.world_size} waited "
                f"{round(int(waited[1]) / 60_000, 2):g} minutes for another one, which lives "
                f"but did not answer: it was stopped, or hangs, as on a disk or a network; "
                f"{TRAIN_ON}") from error
        raise
    parallel.close()        # not after an error: the others may not answer any more
    return result


def ensure_started_once() -> None:
    """Raise UserError where torchrun has started several processes for processor: dp."""
    processes = int(os.environ.get("WORLD_SIZE", "1"))
    if processes > 1:
        raise UserError(f"processor is dp, which is one process, but {processes} were "
                         f"started; set processor: ddp, or start it without torchrun")


def launched_here() -> bool:
    """Whether this process was started by `launch`, which speaks for it."""
    return os.environ.get("TORCHELASTIC_RUN_ID", "").startswith(RUN_ID)


def die_with_launcher() -> None:
    """Without its launcher a process would train on, beside the next run in the same folder."""
    if sys.platform == "linux" and "TORCHELASTIC_RUN_ID" in os.environ:
        parent_death_signal = 1
        ctypes.CDLL(None).prctl(parent_death_signal, signal.SIGKILL)
    if launched_here() and os.environ["TORCHELASTIC_RUN_ID"] != f"{RUN_ID}{os.getppid()}":
        sys.exit(f"the launcher died before process {os.environ['RANK']} had begun")


def _raise_reason(failures: list[ProcessFailure], processes: int, again: str = TRAIN_ON,
                  ) -> NoReturn:
    """The failure that came first in the chain of causes: a kill, then an error of the user's,
    then anything else; processes that lost their partners, or that the launcher itself ended,
    follow from these."""
    began = min(failure.timestamp for failure in failures)
    causes = [failure for failure in failures if not _is_ended_by_launcher(failure, began)]
    stopped = [failure.exitcode for failure in causes if failure.exitcode in STOPPED]
    if stopped and all(failure.exitcode in STOPPED or LOST_PARTNER in _sentence(failure)
                       for failure in causes):      # those who could had saved by then
        raise Stopped(stopped[0])
    failure = min(causes or failures, key=_rank_of_cause)
    who = f"process {failure.local_rank} of {processes} (pid {failure.pid})"
    sentence = _sentence(failure)
    if failure.exitcode == USER_ERROR and sentence:
        raise ChildProcessError(sentence)
    if failure.exitcode < 0:
        name = signal.Signals(-failure.exitcode).name
        name = name.replace("SIGKILL", "SIGKILL, as happens when memory runs out")
        raise ChildProcessError(f"{who} was killed by {name}; all are ended; {again}")
    raise ChildProcessError(f"{who} failed with status {failure.exitcode}, for the reason above; "
                            f"all are ended; {again}")


def _is_ended_by_launcher(failure: ProcessFailure, began: int) -> bool:
    """After the first failure, at `began`, it sends SIGTERM to the others, and to those that are
    left then SIGKILL."""
    late = failure.timestamp - began >= LAUNCHER_KILLS_AFTER - 2
    return failure.exitcode == -signal.SIGTERM or (failure.exitcode == -signal.SIGKILL and late)


def _rank_of_cause(failure: ProcessFailure) -> int:
    if failure.exitcode < 0:
        return 0
    if failure.exitcode == USER_ERROR:
        return 3 if LOST_PARTNER in _sentence(failure) else 1
    return 2


LOST_PARTNER = "lost the connection to another process"


def _sentence(failure: ProcessFailure) -> str:
    """What the process wrote into its error file, without the name of the exception."""
    try:
        content = json.loads(Path(failure.error_file).read_text(encoding="utf-8"))
        return content["message"]["message"].partition(": ")[2]
    except (OSError, ValueError, LookupError, TypeError):
        return ""       # it died too early to write one


def _silence_torch() -> None:
    """The launcher's own words say less than ours, on many more lines."""
    for name in list(logging.root.manager.loggerDict):
        if name.startswith("torch.distributed"):
            logging.getLogger(name).setLevel(logging.CRITICAL)
