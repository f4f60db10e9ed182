"""Nothing is lost: full and read-only disks, damaged files, dead workers and signals end a run with
one sentence, and the same command goes on to the same end."""
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from tests.runs.conftest import SCRIPT

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def runs(small_runs):
    small_runs.settings |= {    # nothing that depends on the number of epochs
        "optim.epochs": 3, "optim.warmup_epochs": 0, "optim.schedule": "multistep",
        "val.save_minutes": 0}
    return small_runs


@pytest.fixture(scope="module")
def undisturbed(runs):
    assert runs("whole") == 0, runs.log("whole")


def assert_same_end(runs, name: str):
    for part in ("net", "ema"):
        one, other = runs.state("whole")[part], runs.state(name)[part]
        assert all(torch.equal(one[key], other[key]) for key in one)


def error(runs, name: str) -> str:
    """The last line, which must be the only one about it."""
    said = runs.log(name)
    assert "Traceback" not in said and said.count("error:") == 1, said
    return said.splitlines()[-1]


@pytest.fixture
def disk(runs, request):
    """Mounts a file system in memory where a run will write; returns (name of run, mount)."""
    name = request.node.name
    folder = runs.folder / name
    folder.mkdir()

    def mount(options: str) -> None:
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder],
                              capture_output=True, text=True)
        if done.returncode:
            pytest.skip(f"needs the right to mount a file system: {done.stderr.strip()}")
    if not shutil.which("mount"):
        pytest.skip("needs the command mount")
    yield name, mount
    subprocess.run(["umount", folder], capture_output=True)


def fill(ballast: Path, leave: int) -> None:
    """Fill a disk but for so many bytes."""
    with open(ballast, "wb") as file:
        try:
            while True:
                os.write(file.fileno(), bytes(4096))
        except OSError:
            file.truncate(ballast.stat().st_size - leave)


def test_a_full_disk_leaves_the_checkpoint_before(runs, disk, undisturbed):
    name, mount = disk
    mount("size=2m")
    assert runs(name, **{"optim.epochs": 1}) == 0
    before, folder = runs.state(name)["step"], runs.folder / name
    fill(folder / "ballast", leave=49152)     # for the results, not for the 64 KiB checkpoint
    assert runs(name) == 2
    assert error(runs, name).startswith(
        f"error: the checkpoint {folder}/quickstart_last.pth could not be written (")
    assert "No space left on device" in error(runs, name)
    assert runs.state(name)["step"] == before and not list(folder.glob("*.tmp"))
    (folder / "ballast").unlink()
    assert runs(name) == 0
    assert_same_end(runs, name)


def test_a_limit_on_files_leaves_the_checkpoint_before(runs, undisturbed):
    assert runs("limit", **{"optim.epochs": 1}) == 0
    before, folder = runs.state("limit")["step"], runs.folder / "limit"
    half = (folder / "quickstart_last.pth").stat().st_size // 2
    assert runs("limit", limit=half) == 2
    assert "quickstart_last.pth could not be written (" in error(runs, "limit")
    assert "File too large" in error(runs, "limit")
    assert runs.state("limit")["step"] == before and not list(folder.glob("*.tmp"))
    assert runs("limit") == 0
    assert_same_end(runs, "limit")


def test_a_read_only_folder_is_refused_at_the_start(runs, disk, undisturbed):
    name, mount = disk
    mount("size=2m")
    assert runs(name, **{"optim.epochs": 1}) == 0
    mount("remount,ro")
    length = len(runs.log(name))
    assert runs(name) == 2
    assert error(runs, name).startswith(
        f"error: val.weight_path: the folder {runs.folder / name} cannot be written (Read-only "
        f"file system)")
    assert runs.log(name)[length:].count("\n") == 1
    mount("remount,rw")
    assert runs(name) == 0
    assert_same_end(runs, name)


def test_a_truncated_checkpoint_costs_an_epoch(runs, undisturbed):
    assert runs("torn", **{"optim.epochs": 2}) == 0
    last = runs.folder / "torn" / "quickstart_last.pth"
    os.truncate(last, last.stat().st_size // 2)
    assert runs("torn") == 0
    assert f"{last} cannot be read as a PyTorch checkpoint" in runs.log("torn")
    assert "going on from the one before it" in runs.log("torn")
    assert last.with_suffix(".damaged.pth").exists()    # not kept as the one before
    assert_same_end(runs, "torn")


def test_half_written_files_of_a_kill_are_removed(runs):
    folder = runs.folder / "rests"
    folder.mkdir()
    dead = 2 ** 22 + 1      # no process has such a number
    (folder / f"quickstart_last.pth.{dead}.simplepose.tmp").write_bytes(b"half")
    (folder / f"other_last.pth.{dead}.simplepose.tmp").write_bytes(b"of another run")
    assert runs("rests", **{"optim.epochs": 1}) == 0
    assert [path.name for path in folder.glob("*.tmp")] == [f"other_last.pth.{dead}.simplepose.tmp"]


@pytest.mark.parametrize("hook", ["step: update", "evaluation: batch"])
def test_a_dead_worker_ends_the_run_with_its_reason(runs, undisturbed, hook):
    since, name = time.monotonic(), f"dead in {hook[:4]}"
    assert runs(name, [hook, 2, signal.SIGKILL, "worker"], **{"data.num_workers": 2}) == 2
    assert time.monotonic() - since < 60
    assert re.search(r"error: a process that reads images died \((killed by signal: Killed|exited "
                     r"unexpectedly)\)", error(runs, name))
    assert runs(name) == 0
    assert_same_end(runs, name)


@pytest.mark.parametrize("size", ["64k", "300k", "1m"])
def test_a_small_shared_memory_is_said_at_the_start(runs, size):
    """As docker has it; it used to hang."""
    settings = runs.settings | {"data.num_workers": 2, "codec.input_size": [192, 256],
                                "val.weight_path": runs.folder / "shm"}
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", f'mount -t tmpfs -o size={size} tmpfs /dev/shm && exec "$@"',
         "sh", sys.executable, SCRIPT, "train", "configs/quickstart.yaml",
         *(f"{key}={value}" for key, value in settings.items())],
        cwd=SCRIPT.parents[2], capture_output=True, text=True, timeout=100)
    if done.returncode == 1 or "unshare" in done.stderr:
        pytest.skip(f"needs the right to mount a file system: {done.stderr.strip()}")
    assert done.returncode == 2 and "Traceback" not in done.stderr, done.stderr
    assert done.stderr.splitlines()[-1].startswith("error: /dev/shm has ")
    assert "docker run --shm-size 8g" in done.stderr


@pytest.mark.parametrize("limit", [20, 30, 34, 40])
def test_too_few_open_files_end_a_run_with_their_cure(runs, undisturbed, limit):
    """Which end of the line runs out first differs."""
    settings = runs.settings | {"data.num_workers": 2, "val.weight_path": runs.folder / "few"}
    words = [f"{key}={value}" for key, value in settings.items()]
    done = subprocess.run(
        ["sh", "-c", f'ulimit -n {limit}; exec "$@"', "sh", sys.executable, SCRIPT, "train",
         "configs/quickstart.yaml", *words], cwd=SCRIPT.parents[2], capture_output=True, text=True)
    assert done.returncode == 2, done.stderr
    assert "Too many open files" in done.stderr and "(ulimit -n 4096)" in done.stderr
    assert done.stderr.count("error:") == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_to_all_processes_of_a_job_saves(runs, undisturbed, number):
    """As clusters, terminals and launchers send it: to the data workers too."""
    name = f"job {number}"
    hit, settings = ["step: update", 6, number, "all"], {"data.num_workers": 2}
    assert runs(name, hit, **settings) == 128 + number, runs.log(name)
    assert runs.log(name).count("stopped by a signal; saved") == 1
    assert "Traceback" not in runs.log(name) and "error" not in runs.log(name)
    assert runs(name, **settings) == 0
    assert_same_end(runs, name)
