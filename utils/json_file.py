"""Reading JSON that somebody else wrote."""
import gc
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from utils.errors import UserError
from utils.files import read_file
from utils.shown import on_one_line

# how packed files begin
PACKED = {b"\x1f\x8b": "gzip", b"PK\3\4": "zip", b"BZh": "bzip2", b"\xfd7zXZ": "xz"}


@contextmanager
def gc_paused() -> Iterator[None]:
    """For what makes many objects that stay: half of the time to read a large file, and a quarter
    of that to import torch, would go into looking for garbage among them."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def parse_json(text: str | bytes) -> Any:
    """`json.loads`, which raises ValueError alone: also for what is nested too deeply."""
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("it is nested too deeply to be read") from error


def read_json(path: str | Path, name: str = "") -> Any:
    """Its content. name: what messages call it, the path if not given.

    Raises FileNotFoundError or UserError, one sentence.
    """
    path, name = Path(path), name or str(path)
    data = b""
    try:
        data = read_file(path)
        return parse_json(data)
    except FileNotFoundError:
        raise FileNotFoundError(f"{name} does not exist: correct the path") from None
    except OSError as error:
        raise UserError(f"{name} cannot be read: {error.strerror}; give a JSON file") from error
    except ValueError as error:     # not JSON, or not text at all
        for start, tool in PACKED.items():
            if data.startswith(start):
                raise UserError(f"{name} is not JSON, but packed by {tool}: unpack it") from error
        what = ("nested too deeply to be read" if isinstance(error.__cause__, RecursionError)
                else f"not JSON ({on_one_line(error)})")
        raise UserError(f"{name} is {what}: download or write it again") from error
