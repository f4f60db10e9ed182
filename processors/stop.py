"""SIGTERM (a cluster takes the machine back) and SIGINT (Ctrl-C): finish the step, save, end."""
import signal
import threading
from pathlib import Path
from typing import Any

from processors.parallel import Parallel
from utils.log import log


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
            for number in (signal.SIGTERM, signal.SIGINT):
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
        """Whether any process got a signal, so that all of them leave at the same step."""
        return any(number is not None for number in self.parallel.gather(self.signal))

    def leave(self, saved: Path) -> None:
        log.info("stopped by a signal; saved %s; the same command goes on from there", saved)
        self._exit()

    def raise_if_asked(self) -> None:
        """For the evaluation, which leaves nothing to save: the checkpoint is from before it."""
        if self.asked():
            log.info("stopped by a signal in an evaluation; the same command goes on from the "
                     "last checkpoint")
            self._exit()

    def _exit(self) -> None:
        numbers = [number for number in self.parallel.gather(self.signal) if number is not None]
        raise Stopped(128 + numbers[0])
