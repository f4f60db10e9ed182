"""MLflow's database in a file, made once and whole, and its runs, looked up or made, one at a time.

MLflow neither locks a new SQLite database nor goes on with one that is half made: two clients that
meet it at once, or one that is killed then, leave it broken for good (duplicate column name).
"""
import fcntl
import hashlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SQLITE = "sqlite:///"       # SQLAlchemy's address of a file; nothing behind it: in memory
MAKE = "import sys, mlflow; mlflow.MlflowClient(sys.argv[1]).search_experiments(max_results=1)"
WAIT = 180.0                # seconds for others; a database takes 10 to 60


@contextmanager
def alone_with(address: str) -> Iterator[None]:
    """Within it no other process of this user on this machine is so with the same address, and a
    database that it names is there.

    address: MLflow's tracking URI. Raises TimeoutError where another one stays.
    """
    with _lock_file(address) as file:
        _lock(file, time.monotonic() + WAIT)
        path = address.removeprefix(SQLITE) if address.startswith(SQLITE) else ""
        if path and not (os.path.exists(path) and os.path.getsize(path)):
            _make(address, file)
        yield


def _make(address: str, lock: int) -> None:
    """In a process of its own, which comes to its end whoever is killed, and so long has the lock.
    What it fails at, the client will meet and tell."""
    subprocess.run([sys.executable, "-c", MAKE, address], pass_fds=[lock], start_new_session=True,
                   stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                   check=False)


@contextmanager
def _lock_file(address: str) -> Iterator[int]:
    name = hashlib.sha256(f"{os.getuid()}\n{address}".encode()).hexdigest()[:16]
    path = Path(tempfile.gettempdir(), f"simplepose_mlflow_{name}.lock")
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        yield file
    finally:
        os.close(file)


def _lock(file: int, until: float) -> None:
    while True:
        try:
            return fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > until:
                raise TimeoutError(f"for {WAIT:.0f} s another process has been at MLflow's first "
                                   f"words with the same address") from None
            time.sleep(0.1)
