"""SIGTERM (a cluster takes the machine back), SIGINT (Ctrl-C) and SIGHUP (the terminal is
gone): finish the step, save, end."""
import signal
import threading
from pathlib import Path
from typing import Any

from processors.runtime.parallel import Parallel
from utils.log import log

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class Stopped(SystemExit):
    """The run was asked to end; the exit status is 128 + the number of the signal."""


class StopRequest:
    """Within `with`, remembers a signal until the loop asks; a second Ctrl-C ends at once."""

    def __init__(self, parallel: Parallel):
        self.parallel = parallel
        self.signal: int | None = None
        self.handlers: dict[int, Any] = {}

    def __enter__(self) -> "StopRequest":
        if threading.current_thread() is threading.main_thread():
            for number in SIGNALS:
                if signal.getsignal(number) is not signal.SIG_IGN:      # as nohup sets SIGHUP
                    self.handlers[number] = signal.signal(number, self._remember)
        return self

    def __exit__(self, *_: Any) -> None:
        for number, handler in self.handlers.items():
            signal.signal(number, handler)
        self.handlers = {}

    def _remember(self, number: int, _frame: Any) -> None:
        if self.signal == signal.SIGINT == number:
            raise KeyboardInterrupt
        self.signal = number

    def asked(self) -> bool:
        """Whether this process got a signal. Others learn it by the step statistics."""
        return self.signal is not None

    def exit_run(self, saved: Path) -> None:
        """End all processes, which must come here together, after the checkpoint."""
        numbers = self._numbers()
        log.info("stopped by a signal; saved %s; the same command goes on from there", saved)
        raise Stopped(128 + numbers[0])

    def leave_if_asked(self) -> None:
        """For the evaluation, which is made again as a whole. All processes must come here
        together."""
        numbers = self._numbers()
        if numbers:
            log.info("stopped by a signal; the same command makes the evaluation again and goes "
                     "on from there")
            raise Stopped(128 + numbers[0])

    def _numbers(self) -> list[int]:
        return [number for number in self.parallel.all_gather(self.signal) if number is not None]
