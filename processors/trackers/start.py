"""Start a process for each tracker of log.trackers, pass on what they say, and end them."""
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict
from importlib.util import find_spec
from threading import Thread

from configs.schema import LogConfig
from processors.trackers.tracker import FINISHED, MARK, STOPPED, TrackedRun
from utils.errors import UserError
from utils.files import ROOT
from utils.log import log
from utils.shown import shortened

FOLLOW = ("import sys; sys.path.insert(0, sys.argv[1]); "
          "from processors.trackers.follower import main; main()")
TROUBLE = re.compile(r"(?i)error|warn|fail|exception")
AT_THE_END, AT_A_STOP = 60.0, 10.0      # seconds to wait; clusters give a signal half a minute


def chosen(config: LogConfig) -> list[str]:
    """The trackers of log.trackers, and of log.tensorboard, the older word for one of them."""
    return list(dict.fromkeys([*config.trackers, *["tensorboard"] * config.tensorboard]))


def ensure_installed(config: LogConfig, rank: int) -> None:
    """Raise UserError in process 0 for a tracker whose package is missing. Imports none of them."""
    for name in chosen(config) if rank == 0 else []:
        found = find_spec(name)
        if found is None or found.origin is None:     # None: a folder of this name, as they make
            key = "log.trackers" if name in config.trackers else "log.tensorboard"
            raise UserError(f"{key} asks for {name}, which is not installed: pip install {name} "
                            f"brings it, or take it out")


@contextmanager
def followed(runs: Sequence[TrackedRun]) -> Iterator[None]:
    """Within it, a process for each follows the run."""
    followers = [Follower(run) for run in runs]
    try:
        yield
    except BaseException:
        end(followers, STOPPED, AT_A_STOP)
        raise
    end(followers, FINISHED, AT_THE_END)


class Follower:
    """A process of follower.py."""

    def __init__(self, run: TrackedRun):
        self.name = run.tracker
        self.process = subprocess.Popen(
            [sys.executable, "-u", "-c", FOLLOW, str(ROOT)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            bufsize=0, start_new_session=True)      # Ctrl-C is for the training
        self.send(json.dumps(asdict(run)))
        self.given_up = False
        self.listener = Thread(target=self._listen, daemon=True)
        self.listener.start()

    def _listen(self) -> None:
        assert self.process.stdout
        last, troubled = "nothing", False
        for line in open(self.process.stdout.fileno(), encoding="utf-8", errors="replace",
                         closefd=False):
            if line.startswith(MARK):
                log.info("log.trackers: %s: %s", self.name, line.removeprefix(MARK).strip())
            elif line.strip():
                last = shortened(line.strip(), 200)
                if TROUBLE.search(line) and not troubled:
                    troubled = True
                    log.warning("log.trackers: the first complaint of %s: %s", self.name, last)
        if self.process.wait() and not self.given_up:
            log.warning("log.trackers: %s is off from now on: its process ended with status %d, "
                        "after: %s", self.name, self.process.returncode, last)

    def send(self, line: str) -> None:
        assert self.process.stdin
        with suppress(BrokenPipeError):     # it has ended, which is said
            self.process.stdin.write(f"{line}\n".encode())

    def wait(self, seconds: float) -> bool:
        """Whether it has ended."""
        try:
            self.process.wait(max(seconds, 0))
        except subprocess.TimeoutExpired:
            return False
        self.listener.join(1)
        return True


def end(followers: Sequence[Follower], word: str, seconds: float) -> None:
    """Give all of them the last word and some time."""
    until = time.monotonic() + seconds
    for follower in followers:
        follower.send(word)
    for follower in followers:
        if follower.wait(min(2, until - time.monotonic())):
            continue
        if (left := until - time.monotonic()) > 0:
            log.info("log.trackers: waiting for %s, %.0f s at most", follower.name, left)
        if not follower.wait(until - time.monotonic()):
            follower.given_up = True
            os.killpg(follower.process.pid, signal.SIGKILL)     # with processes of its client
            log.warning("log.trackers: %s did not come to its end and is left behind; "
                        "metrics.jsonl has all numbers, and the same command sends what is "
                        "missing", follower.name)
