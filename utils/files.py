"""Files: where the project lies, and writing so that a kill, a full disk or a power cut leaves the
old file whole."""
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

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


def write_atomically(path: Path, write: Callable[[IO[bytes]], object]) -> None:
    """Call `write(file)` on a temporary file, flush it to the disk, then rename it to `path`.

    Raises OSError with the file's name (from the disk, or FileNotFoundError for a missing
    folder); `path` then still holds what it held before, and the temporary file is gone.
    """
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        with naming(path), open(temporary, "wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
