"""Writing to stdout, which may be closed, on a full disk, or a pipe whose reader has gone."""
import os
import signal
import sys
from collections.abc import Callable


def write_to_stdout(write: Callable[[], object]) -> None:
    """Call `write` and flush: under nohup a line is to be in the file when it is said. Says
    nothing where there is no stdout, as under some daemons.

    Raises SystemExit, without a word, where the reader has gone, as other programs end then, and
    OSError where the disk is full. What is left to be written is lost.
    """
    if sys.stdout is None:
        return
    try:
        write()
        sys.stdout.flush()
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python tries again
        if isinstance(error, BrokenPipeError):
            raise SystemExit(128 + signal.SIGPIPE) from None
        error.filename = "stdout"
        raise
