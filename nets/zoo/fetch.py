"""fetch: a file by its address, whole or not at all, once for all processes.

It grows as NAME.part, which a lock of the system keeps for one process, and takes its name when it
is complete and its hash is right. What was broken off goes on where it ended.
"""
import errno
import fcntl
import hashlib
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import IO
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from utils.errors import UserError, first_line
from utils.files import open_to_append, temporary
from utils.log import LINE_SECONDS, bar, log, on_terminal
from utils.outputs import cannot_write, ensure_folder

SILENCE = 20.0          # seconds that a server may say nothing
WINDOW, SLOWEST = 60.0, 60_000      # seconds, and bytes that must come in each of them
ATTEMPTS = 5            # to go on, where each of them brings something
CHUNK = 1 << 18         # bytes
LOOK = 0.2              # seconds between looks for the lock
NO_LOCKS = {errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, errno.EINVAL}
CACHE = "the cache of weights (TORCH_HOME)"


class _BrokenOff(Exception):
    """A server that cannot be reached, or a transfer that ended early, in words."""


def fetch(address: str, path: Path, sha256: str = "") -> None:
    """Fetch the file of an http(s) address to `path`, unless it is there.

    sha256: its beginning. A file with another one is not kept, and where it is unknown every
    attempt begins anew. Raises UserError where the file cannot be had and OSError where it cannot
    be written, in one sentence.
    """
    made = [folder for folder in path.parents if not folder.exists()]
    ensure_folder(path.parent, CACHE)
    try:
        with _held(path) as file:
            if file is not None:        # else another process has fetched it
                _fill(file, address, path, sha256)
                file.flush()
                os.fsync(file.fileno())
                os.replace(file.name, path)
    except OSError as error:
        if not error.errno:     # a sentence of ours
            raise
        raise cannot_write(path, CACHE, error) from error
    finally:
        for folder in made:
            with suppress(OSError):     # there is a file in it, or a part of one
                folder.rmdir()


def ensure_hash(path: Path, sha256: str, cure: str) -> None:
    """Raise UserError, with the cure, for a file whose sha256 does not begin so."""
    with open(path, "rb") as file:
        found = _hash(file)
    if not found.startswith(sha256):
        raise UserError(f"{path} is damaged or another file than was published, for its sha256 "
                        f"begins with {found[:len(sha256)]} and not with {sha256}: {cure}")


def _hash(file: IO[bytes]) -> str:
    digest = hashlib.sha256()
    file.seek(0)
    while chunk := file.read(CHUNK):
        digest.update(chunk)
    return digest.hexdigest()


@contextmanager
def _held(path: Path) -> Iterator[IO[bytes] | None]:
    """The unfinished file, opened to append, for this process alone; None once `path` is there."""
    part, said = path.with_name(f"{path.name}.part"), False
    while not path.is_file():
        with open_to_append(part) as file:
            locked = part == temporary(path) or _lock(file)
            if locked is None:      # the file system has none: this process makes its own file
                part.unlink(missing_ok=True)
                part = temporary(path)
                continue
            if locked and _is_at(part, file):       # else its holder has just finished it
                try:
                    yield None if path.is_file() else file
                finally:
                    if _is_at(part, file) and not file.seek(0, os.SEEK_END):
                        part.unlink()
                return
        if not said:
            log.info("waiting for another process, which fetches %s", path.name)
        said = True
        time.sleep(LOOK)
    yield None


def _lock(file: IO[bytes]) -> bool | None:
    """Whether it is locked now; None where the file system has no locks."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise
        return None
    return True


def _is_at(path: Path, file: IO[bytes]) -> bool:
    try:
        return os.path.samestat(os.lstat(path), os.fstat(file.fileno()))
    except FileNotFoundError:
        return False


def _fill(file: IO[bytes], address: str, path: Path, sha256: str) -> None:
    """Bring the file, or what is left of it, and check it. Raises UserError."""
    for _ in range(ATTEMPTS):
        if not sha256:
            file.truncate(0)
        before = file.seek(0, os.SEEK_END)
        try:
            _transfer(file, address, path.name)
        except _BrokenOff as error:
            reason = str(error)
            if file.seek(0, os.SEEK_END) == before:
                break
            log.warning("%s broke off at %.1f MB (%s)", path.name, file.tell() / 1e6, reason)
            continue
        found = _hash(file)
        if found.startswith(sha256):
            return
        file.truncate(0)
        reason = (f"its sha256 begins with {found[:len(sha256)]} and not with {sha256}, so it is "
                  f"another file than was published, and was not kept")
        if not before:
            break
        log.warning("what there was of %s does not fit what came; it is fetched anew", path.name)
    raise UserError(f"{path.name} cannot be fetched ({reason}): put the file of {address} into "
                    f"{path.parent} by hand, or try again")


def _transfer(file: IO[bytes], address: str, name: str) -> None:
    """Append to the file what it lacks. Raises _BrokenOff, and OSError of the disk."""
    start = file.seek(0, os.SEEK_END)
    response = _open(address, start)
    if response is None:
        return
    with response:
        if response.status != 206:      # all of it
            file.truncate(0)
            start = 0
        length = response.headers.get("Content-Length", "")
        total = start + int(length) if length.isdecimal() else None
        size = f", {total / 1e6:.1f} MB" if total else ""
        log.info("fetching %s%s from %s", name, size, address)
        said = time.monotonic()
        with bar(None, name, total=total, initial=start) as progress:
            progress.unit, progress.unit_scale = "B", True
            for chunk in _chunks(response):
                file.write(chunk)
                progress.update(len(chunk))
                if not on_terminal() and time.monotonic() > said + LINE_SECONDS:
                    said = time.monotonic()
                    log.info("%.1f MB%s", file.tell() / 1e6, size and f" of{size[1:]}")
    if total is not None and file.seek(0, os.SEEK_END) != total:
        raise _BrokenOff(f"{file.tell()} of {total} bytes came")


def _open(address: str, start: int) -> HTTPResponse | None:
    """The answer to a request for all bytes from `start`; None if there are no more."""
    headers = {"Range": f"bytes={start}-"} if start else {}
    try:
        response = urlopen(Request(address, headers=headers), timeout=SILENCE)
    except HTTPError as error:
        if start and error.code == 416:
            return None
        raise _BrokenOff(f"the server answers {error.code} {error.reason}") from error
    except (OSError, HTTPException) as error:       # URLError is an OSError
        reason = getattr(error, "reason", error)
        raise _BrokenOff(first_line(reason if isinstance(reason, Exception) else error)) from error
    problem = ""
    if response.headers.get_content_type() == "text/html":
        problem = "the answer is a web page, maybe of a network that wants a login"
    if address.startswith("https:") and not response.url.startswith("https:"):
        problem = f"it is passed on to {response.url}, which is not encrypted"
    if problem:
        response.close()
        raise _BrokenOff(problem)
    return response


def _chunks(response: HTTPResponse) -> Iterator[bytes]:
    """What comes, until the end or until it comes too slowly."""
    since, come = time.monotonic(), 0
    while True:
        try:
            chunk = response.read1(CHUNK)
        except (OSError, HTTPException) as error:
            raise _BrokenOff(first_line(error)) from error
        if not chunk:
            return
        yield chunk
        come, now = come + len(chunk), time.monotonic()
        if now > since + WINDOW:
            if come < SLOWEST:
                raise _BrokenOff(f"only {come} bytes came in {WINDOW:g} seconds")
            since, come = now, 0
