"""Files: where the project lies, writing so that a kill, a full disk or a power cut leaves the old
file whole, and stdout, which may be closed, full, or a pipe whose reader has gone."""
import errno
import fnmatch
import os
import re
import signal
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, BinaryIO

ROOT = Path(__file__).resolve().parent.parent     # the folder of main.py


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Add the file's name to an OSError that has none: a full disk does not say where."""
    try:
        yield
    except OSError as error:
        if error.errno and not error.filename:
            error.filename = str(path)
        raise


def temporary(path: Path) -> Path:
    """Where this process makes a file before it takes its place; see `remove_leftovers`. The name
    tells it from the `.tmp` of other programs."""
    return path.with_name(f"{path.name}.{os.getpid()}.simplepose.tmp")


def open_new(path: Path) -> IO[bytes]:
    """A file that was not there before, so that nothing is written through a link or into a file
    that somebody else has open; what lay under this name is unlinked."""
    path.unlink(missing_ok=True)
    return open(path, "xb")


def open_file(path: str | Path) -> BinaryIO:
    """Somebody's file, to be read. Raises OSError, also for a device, which is read for ever, and
    for a pipe, which is waited for."""
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise OSError(errno.ENXIO, "it is no file", str(path))
    return open(path, "rb")


def read_file(path: str | Path) -> bytes:
    with naming(Path(path)), open_file(path) as file:
        return file.read()


def read_ends(path: str | Path, span: int) -> bytes:
    """The first and the last `span` bytes of a file, all of a shorter one."""
    with open(path, "rb") as file:
        start = file.read(span)
        file.seek(max(file.seek(0, os.SEEK_END) - span, len(start)))
        return start + file.read()


def open_to_append(path: Path) -> IO[bytes]:
    """A file of ours to add lines to, readable too. Raises OSError for a link, which it would
    write through, with the cure."""
    if path.is_symlink():
        raise OSError(f"{path} is a link, and nothing is written through links: remove it, or give "
                      f"another place")
    return open(path, "ab+")


def files_below(folder: Path, pattern: str = "*") -> Iterator[Path]:
    """What a folder and the folders in it hold, but folders, by its name; nothing where there is
    no folder. Links to folders are not followed. Raises OSError for a folder that cannot be
    listed, which Path.rglob passes over."""
    def refuse(error: OSError) -> None:
        if not isinstance(error, FileNotFoundError | NotADirectoryError):
            raise error

    for place, _, names in os.walk(folder, onerror=refuse):
        yield from (Path(place, name) for name in fnmatch.filter(names, pattern))


def remove_leftovers(path: Path) -> None:
    """Remove what processes that were killed left of `path`: their `temporary` files."""
    leftover = re.compile(re.escape(path.name) + r"\.(\d+)\.simplepose\.tmp(\.\w+)?")
    for file in path.parent.iterdir():
        found = leftover.fullmatch(file.name)
        if found and (int(found[1]) == os.getpid() or not _alive(int(found[1]))):
            file.unlink(missing_ok=True)


def try_to_write(path: Path) -> None:
    """Write beside `path` what is removed at once. Raises OSError with a name."""
    trial = temporary(path)
    with naming(path), open_new(trial) as file:
        try:
            file.write(b"trial")
            file.flush()
            os.fsync(file.fileno())
        finally:
            trial.unlink()


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass
    return True


def write_atomically(path: Path, write: Callable[[IO[bytes]], object]) -> None:
    """Call `write(file)` on a temporary file, flush it to the disk, then rename it to `path`.

    Raises OSError with the file's name (from the disk, or FileNotFoundError for a missing
    folder); `path` then still holds what it held before, and the temporary file is gone.
    """
    new = temporary(path)
    try:
        with naming(path), open_new(new) as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(new, path)
    finally:
        new.unlink(missing_ok=True)


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
