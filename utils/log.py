"""What a person reads: plain lines in files, and bars on terminals."""
import logging
import os
import sys
from collections.abc import Iterable

from tqdm import tqdm

from utils.files import write_to_stdout
from utils.shown import lines

log = logging.getLogger("simplepose")


class _AboveBars(logging.Handler):
    """Writes lines to stdout without tearing a progress bar that is on the terminal."""

    def emit(self, record: logging.LogRecord) -> None:
        show(self.format(record))


def show(text: str) -> None:
    """Write lines to stdout, above a progress bar that is on the terminal; see write_to_stdout."""
    write_to_stdout(lambda: tqdm.write(lines(text), file=sys.stdout))


def show_log(rank: int = 0) -> None:
    """Send the log to stdout, from process 0 only. Called again it only sets the rank."""
    if not log.handlers:
        handler = _AboveBars()
        handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%Y-%m-%d %H:%M:%S"))
        log.addHandler(handler)
        log.propagate = False
    log.setLevel(logging.INFO if rank == 0 else logging.ERROR)


COLUMNS, ROWS = 120, 24     # of a terminal without a size, on which nothing would be seen
LINE_SECONDS = 30       # between two lines of progress in a log file


def on_terminal() -> bool:
    return sys.stderr is not None and sys.stderr.isatty()


def _columns() -> int:
    """Of the terminal; 0 for one without a size, as programs make them."""
    try:
        return os.get_terminal_size(sys.stderr.fileno()).columns
    except OSError:
        return 0


def bar(items: Iterable | None, name: str, total: int | None = None, rank: int = 0,
        initial: int = 0, form: str | None = None) -> tqdm:
    """A progress bar on a terminal; the bare iteration elsewhere and in other processes.

    items: None for a bar that is moved by hand. form: of the line, tqdm's own if not given.
    """
    shown = rank == 0 and on_terminal()
    has_width = shown and _columns() > 0
    return tqdm(items, desc=name, total=total, initial=initial, leave=False, disable=not shown,
                dynamic_ncols=has_width, ncols=None if has_width else COLUMNS,
                nrows=None if has_width else ROWS, bar_format=form)
