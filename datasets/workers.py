"""Worker processes that read images: how one starts, obeys the main process, and is missed."""
import multiprocessing
import os
import re
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.process import BaseProcess
from types import TracebackType

import cv2
import torch

PARENT_LOOK = 1.0       # seconds between looks of a worker whether its parent still lives
DEATH_KNOWN_WITHIN = 3      # seconds


def init_worker(_: int) -> None:
    """One thread a worker: there are as many workers as cores to use.

    OpenCV's threads can also hang in a process forked after the parent used them. Signals to all
    processes of a run are left to the main process, which saves, speaks once, and ends its
    workers: Ctrl-C, a closed terminal, and the SIGTERM of a cluster or a launcher.
    """
    cv2.setNumThreads(0)
    torch.set_num_threads(1)
    sys.excepthook = _say_unless_hung_up
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    if hasattr(signal, "sigtimedwait"):     # not on macOS
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    parent = multiprocessing.parent_process()
    assert parent
    threading.Thread(target=_obey_the_parent, args=(parent,), daemon=True).start()


def _say_unless_hung_up(kind: type, error: BaseException, trace: TracebackType | None) -> None:
    """Errors of samples go to the main process. What is left to say here is that it has left in
    the middle of taking a batch, which it has its own words for."""
    if not isinstance(error, (ConnectionError, EOFError)):
        sys.__excepthook__(kind, error, trace)


def _obey_the_parent(parent: BaseProcess) -> None:
    """End when SIGTERM comes from the main process, whose way it is to end its workers, or when
    that process was killed: a worker would wait for ever to hand over its last batch.

    Only `is_alive` knows of a death before this began, or where a server forks the workers, as
    Python 3.14 has it; but it waits for workers forked later, so the process above counts too.
    """
    above = os.getppid()
    while os.getppid() == above and parent.is_alive():
        if not hasattr(signal, "sigtimedwait"):
            time.sleep(PARENT_LOOK)
            continue
        came = signal.sigtimedwait({signal.SIGTERM}, PARENT_LOOK)
        if came and came.si_pid == parent.pid:
            break
    os._exit(0)


@contextmanager
def dead_workers_named(again: str) -> Iterator[None]:
    """Within it, the death of a worker is a ChildProcessError of one sentence.

    again: what the same command does after it.
    """
    try:
        try:
            yield
        except (ConnectionError, EOFError):
            # so ends a batch that a worker dies in the middle of handing over; torch's handler
            # of SIGCHLD raises the error below as soon as the worker is known to be dead
            time.sleep(DEATH_KNOWN_WITHIN)
            raise
    except RuntimeError as error:
        # "worker (pid 7) is killed by ..." or, when that was seen first, "worker (pid(s) 7, 8) ..."
        death = re.search(r"DataLoader worker \(pid(?:\(s\))? [\d, ]+\) (?:is )?([\w :]+)",
                          str(error))
        if not death:
            raise
        if threading.current_thread() is threading.main_thread():
            # torch's handler would say the same again, with a traceback, while all is taken down
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        raise ChildProcessError(
            f"a process that reads images died ({death[1].strip()}), as happens when memory or "
            f"/dev/shm runs out; lower data.num_workers (0 reads in the main process); "
            f"{again}") from error
