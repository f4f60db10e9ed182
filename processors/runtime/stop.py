"""SIGTERM (a cluster takes the machine back), SIGINT (Ctrl-C) and SIGHUP (the terminal is
gone): finish the step, save, end."""
import os
import signal
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from processors.runtime.parallel import Parallel
from utils.log import log

WAIT_FOR_BATCH = 5.0      # seconds
Item = TypeVar("Item")
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class Stopped(SystemExit):
    """The run was asked to end; the exit status is 128 + the number of the signal."""


class StopRequest:
    """Within `with`, remembers a signal until the loop asks; a second Ctrl-C ends at once.

    A batch that is waited for may never come, as from a disk that hangs: within `watched` a signal
    raises Stopped. With several processes that is the last resort, since the others then cannot
    finish their step: it is left until WAIT_FOR_BATCH seconds have passed.
    """

    def __init__(self, parallel: Parallel):
        self.parallel = parallel
        self.signal: int | None = None
        self.handlers: dict[int, Any] = {}
        self.waiting = False            # for a batch
        self.alarm: threading.Timer | None = None       # set when a signal ends no wait at once
        self.rung = False

    def watched(self, batches: Iterable[Item]) -> Iterator[Item]:
        """The batches, or what else is worked on; a signal ends the wait for one by Stopped."""
        iterator = iter(batches)
        while True:
            self.waiting = True
            try:
                if self.signal is not None:
                    self._end_the_wait()
                batch = next(iterator, None)
            finally:
                self.waiting = False
            if batch is None:
                return
            yield batch

    def _end_the_wait(self) -> None:
        """Now, or when the alarm that is set here has rung."""
        assert self.signal is not None
        if self.parallel.world_size == 1:
            raise Stopped(128 + self.signal)
        if self.rung:
            log.error("stopped by a signal while a batch was waited for; the same command goes on "
                      "from the last checkpoint")
            raise Stopped(128 + self.signal)
        if not self.alarm:
            self.alarm = threading.Timer(WAIT_FOR_BATCH, self._ring)
            self.alarm.daemon = True
            self.alarm.start()

    def _ring(self) -> None:
        self.rung = True
        os.kill(os.getpid(), signal.SIGTERM)    # comes to `_remember`, in the main thread

    def __enter__(self) -> "StopRequest":
        if threading.current_thread() is threading.main_thread():
            for number in SIGNALS:
                if signal.getsignal(number) is not signal.SIG_IGN:      # as nohup sets SIGHUP
                    self.handlers[number] = signal.signal(number, self._remember)
        return self

    def __exit__(self, *_: Any) -> None:
        if self.alarm:
            self.alarm.cancel()
        for number, handler in self.handlers.items():
            signal.signal(number, handler)
        self.handlers = {}

    def _remember(self, number: int, _frame: Any) -> None:
        if self.signal == signal.SIGINT == number:
            raise KeyboardInterrupt
        if self.signal is None or number != signal.SIGTERM:     # as of the alarm
            self.signal = number
        if self.waiting:
            self._end_the_wait()

    def asked(self) -> bool:
        """Whether this process got a signal. Others learn it by the step statistics."""
        return self.signal is not None

    def exit_run(self, saved: Path) -> None:
        """End all processes, which must come here together, after the checkpoint."""
        self._leave_if_asked(f"saved {saved}; the same command goes on from there")

    def leave_if_asked(self) -> None:
        """Ends the run if any process got a signal. Collective: all processes must call it. An
        evaluation is repeated, not resumed."""
        self._leave_if_asked("the same command makes the evaluation again and goes on from there")

    def _leave_if_asked(self, how: str) -> None:
        if number := next(filter(None, self.parallel.all_gather(self.signal)), None):
            log.info("stopped by a signal; %s", how)
            raise Stopped(128 + number)
