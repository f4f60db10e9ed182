"""RunLock: a run, which is a name in a folder, belongs to one process at a time.

It is a lock of the system on `{model_name}.lock`, so it ends with its process, however that
ends, and holds between the machines of a network file system. What is written in the file only
tells others who holds it.
"""
import errno
import fcntl
import json
import os
import socket
import time
from contextlib import suppress
from pathlib import Path
from typing import IO

from utils.errors import UserError
from utils.files import temporary
from utils.json_file import parse_json
from utils.log import log
from utils.outputs import ensure_replaceable

WAIT_FOR_HOLDER = 10.0  # seconds: a job that was told to end may still be saving by then
LOOK = 0.2          # seconds between looks
UNSUPPORTED = {errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, errno.EINVAL}


class RunLock:
    """`take` and `release`. It belongs to the process: a second one for the same run in the same
    process holds it too, until one of them releases it."""
    held: dict[Path, IO[str]] = {}      # of this process; to close any of them ends its lock

    def __init__(self, folder: Path, model_name: str):
        self.path = folder.absolute() / f"{model_name}.lock"
        self.made: list[Path] = []      # folders, the innermost first

    def take(self) -> None:
        """Make the folder and hold the run. Raises UserError, which says who holds it, where
        another process keeps it for WAIT_FOR_HOLDER seconds; the folder is as it was then."""
        folder = self.path.parent
        self.made = [path for path in (folder, *folder.parents) if not path.exists()]
        folder.mkdir(parents=True, exist_ok=True)
        until, said = time.monotonic() + WAIT_FOR_HOLDER, False
        while not self._taken():
            if time.monotonic() > until:
                raise UserError(f"{self.holder()}; wait for its end or stop it, or choose "
                                f"another model_name or val.weight_path")
            if not said:
                log.info("%s; waiting up to %g s for its end", self.holder(), WAIT_FOR_HOLDER)
            said = True
            time.sleep(LOOK)

    def release(self) -> None:
        """Let others have the run; does nothing where it is not held. Folders that were made for
        it and have stayed empty go, too."""
        file = self.held.pop(self.path, None)
        if file:
            if _is_at(self.path, file):
                self.path.unlink()      # first, while nobody else can have it
            with suppress(OSError):     # what a full disk has not taken may be lost
                file.close()
        for folder in self.made:
            with suppress(OSError):     # it is not empty
                folder.rmdir()

    def ensure_held(self) -> None:
        """Hold it again where somebody has removed its file. Raises UserError where the folder has
        gone, or another process has taken the run since."""
        file = self.held.get(self.path)
        if file is None or _is_at(self.path, file):
            return
        self.ensure_folder()
        self.held.pop(self.path).close()
        if not self._taken():
            raise UserError(f"{self.holder()}, too, since {self.path} was removed while this "
                            f"process held the run: this one ends without another save, and the "
                            f"other one goes on")
        log.warning("%s was removed while the run goes on, and is there again: it keeps a second "
                    "run of this name out", self.path)

    def ensure_folder(self) -> None:
        """Raise UserError where it has gone: nothing of the run is to be begun in another one."""
        if not self.path.parent.is_dir():
            raise UserError(f"val.weight_path: the folder {self.path.parent} was moved or removed "
                            f"while {self.path.stem} was being trained in it, which ends with "
                            f"that: bring it back, and the same command goes on from the last "
                            f"checkpoint in it")

    def is_held_by_another(self) -> bool:
        """Whether a run is going on in another process."""
        if self.path in self.held:
            return False
        try:
            with open(self.path) as file:
                return not _locked(file, fcntl.LOCK_SH)
        except OSError:     # no such file, or one that we may not read
            return False

    def holder(self) -> str:
        """Who holds it, in words."""
        run = f"{self.path.stem} in {self.path.parent}"
        try:
            who = parse_json(self.path.read_bytes())
            return (f"{run} is being trained by process {who['pid']} on {who['host']} since "
                    f"{who['since']}")
        except (OSError, ValueError, LookupError, TypeError):
            return f"{run} is being trained by another process"

    def _taken(self) -> bool:
        if self.path in self.held:
            return True
        try:
            self._ensure_ours()
        except FileNotFoundError:       # its holder has just removed it
            return False
        except PermissionError as error:
            raise self._of_another_user("cannot be read") from error
        try:
            file = self._opened()       # until `release`
        except FileExistsError:         # another process has just made it
            return False
        except PermissionError:
            if not self.path.exists():
                raise
            return self._freed() and self._taken()
        try:
            if not _locked(file) or not _is_at(self.path, file):
                file.close()
                return False
        except OSError as error:
            if error.errno not in UNSUPPORTED:
                file.close()
                raise
            log.warning("the file system of %s has no locks (%s): nothing keeps a second run of "
                        "this name out of it", self.path.parent, error.strerror)
        self.held[self.path] = file
        try:
            file.write(_mark())
            file.flush()
            file.truncate()     # never empty, whenever this process is killed
        except OSError:     # a full disk
            self.release()
            raise
        return True

    def _opened(self) -> IO[str]:
        """It, or a new one. That has its content from the first, however this process ends: an
        empty one may be a lock of another program."""
        with suppress(FileNotFoundError):
            return open(self.path, "r+", encoding="utf-8", opener=_no_link)
        new = temporary(self.path)
        new.unlink(missing_ok=True)
        file = open(new, "x", encoding="utf-8", opener=_no_link)
        try:
            file.write(_mark())
            file.flush()
            os.fsync(file.fileno())     # a power cut, too, leaves it whole under its name or not
            try:
                os.link(new, self.path)
            except FileExistsError:
                raise
            except OSError:     # no hard links there
                os.replace(new, self.path)
            file.seek(0)
            return file
        except OSError:
            with suppress(OSError):
                file.close()
            raise
        finally:
            new.unlink(missing_ok=True)

    def _freed(self) -> bool:
        """Remove a lock that another user's process has left in a shared folder, where we may not
        write it; False while one holds it. Raises UserError where we may not remove it either."""
        with open(self.path) as file:
            if not _locked(file, fcntl.LOCK_SH):
                return False
            try:
                self.path.unlink()
            except PermissionError as error:
                raise self._of_another_user("can neither be written nor removed") from error
        return True

    def _of_another_user(self, what: str) -> UserError:
        who: str | int = self.path.stat().st_uid
        with suppress(KeyError):        # a number without a name
            who = self.path.owner()
        return UserError(f"val.weight_path: {self.path}, which keeps a run to one process, is of "
                         f"the user {who} and {what}: have it removed if that user's run has "
                         f"ended, or choose another model_name or val.weight_path")

    def _ensure_ours(self) -> None:
        """Raise UserError where something of others has this name. Not for a lock that this process
        holds: to look into the file would end it."""
        option = "val.weight_path and model_name"
        ensure_replaceable(self.path, "lock", option)


def _mark() -> str:
    return json.dumps({"program": "SimplePose", "pid": os.getpid(), "host": socket.gethostname(),
                       "since": time.strftime("%Y-%m-%d %H:%M:%S")})


def _no_link(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW, 0o666)


def _locked(file: IO[str], how: int = fcntl.LOCK_EX) -> bool:
    """Try to lock it; LOCK_SH is a look, for which it need only be readable. This kind of lock is
    the process's own: data workers, which are forked with the file open, do not prolong it when
    the process is killed."""
    try:
        fcntl.lockf(file, how | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    return True


def _is_at(path: Path, file: IO[str]) -> bool:
    """Whether the file that was locked is still the one of that name: its holder removes it, and
    so may people who tidy up."""
    try:
        return os.path.samestat(os.lstat(path), os.fstat(file.fileno()))
    except (FileNotFoundError, NotADirectoryError):
        return False
