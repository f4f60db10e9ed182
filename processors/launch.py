"""Start the processes of this machine by torch's elastic launcher, as torchrun would, and say
in one sentence how they ended."""
import ctypes
import json
import logging
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import torch.distributed.launcher.api as torch_launcher
from torch.distributed.elastic.multiprocessing.api import SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError, ProcessFailure

from processors.stop import Stopped

MAIN = Path(__file__).resolve().parent.parent / "main.py"
RUN_ID = "simplepose"           # by which a process knows that it was started here
USER_ERROR = 2                  # exit status of a process that left a sentence in its error file
STOPPED = {128 + signal.SIGTERM, 128 + signal.SIGINT, 128 + signal.SIGHUP}


def launch(cfg_path: str, overrides: Sequence[str], processes: int) -> None:
    """Train in that many processes; returns when all have finished.

    Raises Stopped after a signal, and ChildProcessError with the reason if a process failed; all
    are ended by then.
    """
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        # nohup: the launcher would handle the signal all the same, but not while it is blocked
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
    _silence_torch()
    config = torch_launcher.LaunchConfig(
        min_nodes=1, max_nodes=1, nproc_per_node=processes, max_restarts=0, run_id=RUN_ID,
        rdzv_backend="c10d", rdzv_endpoint="localhost:0", local_addr="localhost",
        monitor_interval=0.5)
    command = ("-u", str(MAIN), "train", cfg_path, "processor=ddp", *overrides)
    try:
        torch_launcher.elastic_launch(config, sys.executable)(*command)
    except SignalException as error:
        raise Stopped(128 + error.sigval) from None
    except ChildFailedError as error:
        _raise_reason(list(error.failures.values()), processes)


def launched_here() -> bool:
    """Whether this process was started by `launch`, which speaks for it."""
    return os.environ.get("TORCHELASTIC_RUN_ID") == RUN_ID


def die_with_launcher() -> None:
    """Without its launcher a process would train on, beside the next run in the same folder."""
    if sys.platform == "linux" and "TORCHELASTIC_RUN_ID" in os.environ:
        parent_death_signal = 1
        ctypes.CDLL(None).prctl(parent_death_signal, signal.SIGKILL)


def _raise_reason(failures: list[ProcessFailure], processes: int) -> NoReturn:
    """The failure that came first in the chain of causes: a kill, then an error of the user's,
    then anything else; processes that lost their partners follow from these."""
    stopped = [failure.exitcode for failure in failures if failure.exitcode in STOPPED]
    if len(stopped) == len(failures):
        raise Stopped(stopped[0])
    failure = min(failures, key=_rank_of_cause)
    who = f"process {failure.local_rank} of {processes} (pid {failure.pid})"
    sentence = _sentence(failure)
    if failure.exitcode == USER_ERROR and sentence:
        raise ChildProcessError(sentence)
    if failure.exitcode < 0:
        name = signal.Signals(-failure.exitcode).name
        raise ChildProcessError(
            f"{who} was killed by {name}, as happens when memory runs out; all are ended; the "
            f"same command goes on from the last checkpoint")
    raise ChildProcessError(f"{who} failed with status {failure.exitcode}, for the reason above; "
                            f"all are ended; the same command goes on from the last checkpoint")


def _rank_of_cause(failure: ProcessFailure) -> int:
    if failure.exitcode < 0 and failure.exitcode != -signal.SIGTERM:
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
