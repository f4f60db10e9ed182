"""Worker processes that read images: how one starts, obeys the main process, and is missed."""
import atexit
import errno
import multiprocessing
import os
import re
import signal
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.process import BaseProcess
from multiprocessing.queues import Queue
from types import TracebackType
from typing import Any
from weakref import WeakSet

import cv2
import torch
from torch._utils import ExceptionWrapper
from torch.utils.data import DataLoader

from datasets.shared_memory import CURE, SHM, ensure_room
from utils.errors import CURES, UserError

PARENT_LOOK = 1.0       # seconds between looks of a worker whether its parent still lives
DEATH_KNOWN_WITHIN = 3      # seconds
END_WITHIN = 3.0        # seconds; a worker whose disk hangs, or that is stopped, is killed then
TOO_MANY_FILES = "Too many open files", "items of ancdata"      # at the one end, and at the other

_started: WeakSet[BaseProcess] = WeakSet()


class Loader(DataLoader):
    """Whose workers `end_workers` knows. Raises UserError where they could not talk to it."""

    def _get_iterator(self) -> Any:
        if self.num_workers:
            ensure_room()
        iterator = super()._get_iterator()
        _started.update(getattr(iterator, "_workers", ()))
        return iterator


@atexit.register        # before that of multiprocessing, which waits for its processes for ever
def end_workers() -> None:
    """End those of this process: by SIGTERM, and by SIGKILL those whom that does not end."""
    living = [worker for worker in multiprocessing.active_children() if worker in _started]
    if living and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)       # torch's handler would call it an error
    for worker in living:
        worker.terminate()
    end = time.monotonic() + END_WITHIN
    for worker in living:
        worker.join(max(end - time.monotonic(), 0))
        if worker.is_alive():
            worker.kill()


def init_worker(_: int) -> None:
    """One thread a worker: there are as many workers as cores to use.

    OpenCV's threads can also hang in a process forked after the parent used them. Signals to all
    processes of a run are left to the main process, which saves, speaks once, and ends its
    workers: Ctrl-C, a closed terminal, and the SIGTERM of a cluster or a launcher.
    """
    cv2.setNumThreads(0)
    torch.set_num_threads(1)
    sys.excepthook = _say_unless_hung_up
    Queue._on_queue_feeder_error = _hand_over_the_error     # type: ignore[attr-defined]
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    if hasattr(signal, "sigtimedwait"):     # not on macOS
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    parent = multiprocessing.parent_process()
    assert parent
    threading.Thread(target=_obey_the_parent, args=(parent,), daemon=True).start()


class NotHandedOver(UserError):
    """A batch that could not be put into shared memory; the message is one sentence. As with
    ImageError, all that is kept of a message with a traceback is its last line."""

    def __init__(self, message: str):
        super().__init__(message.strip().splitlines()[-1].rpartition(f"{type(self).__name__}: ")[2])


def _hand_over_the_error(queue: Queue, error: Exception, batch: Any) -> None:
    """Instead of the batch. Python's own handler prints the error and leaves the batch out, for
    which the main process would wait for ever."""
    reason, cure = str(error).strip().partition("\n")[0], CURE
    if "No space left" in reason or isinstance(error, MemoryError):
        reason = f"{SHM} is full"
    elif any(words in reason for words in TOO_MANY_FILES):
        reason, cure = os.strerror(errno.EMFILE), CURES[errno.EMFILE]
    sentence = NotHandedOver(
        f"a process that reads images cannot hand over a batch: {reason}; {cure}")
    if not isinstance(batch, tuple):
        os._exit(1)
    queue.put((batch[0], ExceptionWrapper((type(sentence), sentence, None))))


def _say_unless_hung_up(kind: type, error: BaseException, trace: TracebackType | None) -> None:
    """Excepthook of a worker. Errors of samples reach the main process anyway; a broken connection
    only means that the main process is gone, which says so itself."""
    if not isinstance(error, (ConnectionError, EOFError)):
        sys.__excepthook__(kind, error, trace)


def _obey_the_parent(parent: BaseProcess) -> None:
    """End when SIGTERM comes from the main process, whose way it is to end its workers, or when
    that process was killed: a worker would wait for ever to hand over its last batch.

    Both tests are needed: getppid() changes when the parent dies, but not if it died before this
    thread began or is no parent of a forkserver's workers (Python 3.14); is_alive() covers those,
    but stays true while workers that were forked later hold the pipe.
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
def _ended_after_errors() -> Iterator[None]:
    try:
        yield
    except BaseException:       # also that of a signal
        end_workers()
        raise


@contextmanager
def dead_workers_named(again: str) -> Iterator[None]:
    """Within it, the death of a worker is a ChildProcessError of one sentence; an error, or a
    signal, ends all workers of this process.

    again: what the same command does after it.
    """
    with _ended_after_errors():
        try:
            try:
                yield
            except (ConnectionError, EOFError):
                # so ends a batch that a worker dies in the middle of handing over; torch's handler
                # of SIGCHLD raises the error below as soon as the worker is known to be dead
                time.sleep(DEATH_KNOWN_WITHIN)
                raise
        except RuntimeError as error:
            # "worker (pid 7) is killed by ..." or, seen first, "worker (pid(s) 7, 8) ..."
            death = re.search(r"DataLoader worker \(pid(?:\(s\))? [\d, ]+\) (?:is )?([\w :]+)",
                              str(error))
            if any(words in str(error) for words in TOO_MANY_FILES):
                raise OSError(errno.EMFILE, os.strerror(errno.EMFILE)) from error
            if not death:
                raise
            if threading.current_thread() is threading.main_thread():
                # torch's handler would say the same again, with a traceback, at the end of all
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            raise ChildProcessError(f"{_why_dead(death[1].strip(), error)}; {again}") from error


def _why_dead(death: str, error: BaseException) -> str:
    """death: in torch's words. Which signal it was, or which status, is not always among them."""
    codes = _exit_codes(error) | set(map(int, re.findall(r"exit code:? (\d+)", death)))
    if any(code > 0 for code in codes):
        guard = ("" if multiprocessing.get_start_method() == "fork" else "; a script of one's own "
                 "must start the run under if __name__ == '__main__':, for its workers import it")
        return (f"a process that reads images ended by itself ({death}), and may have said why "
                f"above{guard}")
    if codes <= {-signal.SIGKILL, -signal.SIGBUS} and "fault" not in death:
        return (f"a process that reads images died ({death}), as happens when memory or "
                f"/dev/shm runs out; lower data.num_workers (0 reads in the main process)")
    return f"a process that reads images died ({death}), not for want of memory"


def _exit_codes(error: BaseException | None) -> set[int]:
    """Of the dead workers of the loader in whose code the error arose."""
    codes: set[int] = set()
    while error:
        for frame, _ in traceback.walk_tb(error.__traceback__):
            for worker in getattr(frame.f_locals.get("self"), "_workers", ()):
                codes |= {worker.exitcode} - {None, 0}
        error = error.__cause__ or error.__context__
    return codes


def leave_if_imported_by_a_worker() -> None:
    """A script without `if __name__ == "__main__":` starts its run again in each of its own
    workers where these import it: spawn and forkserver, the ways of macOS, Windows and Python
    3.14. The main process says so when they are gone."""
    if getattr(multiprocessing.current_process(), "_inheriting", False):
        sys.exit(1)


def cores() -> int:
    """Those that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
