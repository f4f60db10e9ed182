"""A lock of the process: others are kept out by it, and told who they are kept out by."""
import errno
import fcntl
import json
import os
import shutil
import signal
import socket
import subprocess
import sys

import pytest

from processors.runtime import run_lock
from processors.runtime.run_lock import RunLock
from utils.errors import UserError

HOLD = """
import multiprocessing, sys, time
from pathlib import Path
from processors.runtime.run_lock import RunLock
RunLock(Path(sys.argv[1]), "pose").take()
worker = multiprocessing.get_context("fork").Process(target=time.sleep, args=(60,))
worker.start()      # as data workers: it has the file open, too, and outlives the process
print(worker.pid, flush=True)
input()
"""


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(run_lock, "WAIT_FOR_HOLDER", 0.3)
    monkeypatch.setattr(run_lock, "LOOK", 0.05)
    yield
    for path in list(RunLock.held):
        RunLock.held.pop(path).close()


@pytest.fixture
def other(tmp_path, pytestconfig):
    """Another process that holds the run `pose` in tmp_path, and its data worker's pid."""
    with subprocess.Popen([sys.executable, "-c", HOLD, tmp_path], text=True,
                          cwd=pytestconfig.rootpath, stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE) as process:
        worker = int(process.stdout.readline())
        yield process
        process.kill()
        os.kill(worker, signal.SIGKILL)


def test_the_second_is_told_who_holds_it(tmp_path, other):
    before = {path: path.read_bytes() for path in tmp_path.rglob("*")}
    with pytest.raises(ValueError, match=(
            rf"^pose in {tmp_path} is being trained by process {other.pid} on "
            rf"{socket.gethostname()} since 20[-\d]+ [\d:]+; wait for its end or stop it, or "
            rf"choose another model_name or val.weight_path$")):
        RunLock(tmp_path, "pose").take()
    assert {path: path.read_bytes() for path in tmp_path.rglob("*")} == before
    assert RunLock(tmp_path, "pose").is_held_by_another()
    RunLock(tmp_path, "other").take()       # another name is another run


def test_it_ends_with_its_process_though_a_worker_lives_on(tmp_path, other):
    other.kill()
    other.wait()
    RunLock(tmp_path, "pose").take()
    assert json.loads((tmp_path / "pose.lock").read_text())["pid"] == os.getpid()


def test_one_that_ends_soon_is_waited_for(tmp_path, other, monkeypatch, caplog):
    caplog.set_level("INFO", run_lock.log.name)
    monkeypatch.setattr(run_lock, "WAIT_FOR_HOLDER", 30)
    monkeypatch.setattr(run_lock.time, "sleep", lambda _: (other.kill(), other.wait()))
    RunLock(tmp_path, "pose").take()
    assert f"process {other.pid} on" in caplog.text and caplog.text.count("waiting up to") == 1


@pytest.mark.parametrize("host", ["x", "x" * 200, '", "since": ' + "[" * 10 ** 5])
def test_what_a_dead_process_left_holds_nobody(tmp_path, host):
    """Also where a living process has its pid by now: here the first of all."""
    (tmp_path / "pose.lock").write_text(
        f'{{"program": "SimplePose", "pid": 1, "host": "{host}"}}')
    lock = RunLock(tmp_path, "pose")
    assert "pose in" in lock.holder() and not lock.is_held_by_another()
    lock.take()
    assert f"process {os.getpid()} on" in lock.holder()
    lock.release()
    assert not list(tmp_path.iterdir())
    lock.release()


@pytest.fixture
def shared(monkeypatch):
    """Files that are there are another user's, which may be read only."""
    def refused(path, flags):
        if os.path.exists(path):
            raise PermissionError(errno.EACCES, "Permission denied", path)
        return os.open(path, flags, 0o666)
    monkeypatch.setattr(run_lock, "_no_link", refused)


def test_another_users_process_is_told_in_a_shared_folder(tmp_path, other, shared):
    with pytest.raises(UserError, match=f"trained by process {other.pid} on .*; wait for its end"):
        RunLock(tmp_path, "pose").take()
    assert RunLock(tmp_path, "pose").is_held_by_another()
    other.kill()
    other.wait()
    RunLock(tmp_path, "pose").take()
    assert json.loads((tmp_path / "pose.lock").read_text())["pid"] == os.getpid()


def test_what_another_users_dead_process_left_and_cannot_be_removed_is_told(tmp_path, shared,
                                                                            monkeypatch):
    path = tmp_path / "pose.lock"
    path.write_text('{"program": "SimplePose", "pid": 1, "host": "x"}')
    words = f"weight_path: {path}, which .* is of the user {path.owner()} and %s: have it removed"

    def refuse(*_):
        raise PermissionError(errno.EPERM, "Operation not permitted", str(path))
    monkeypatch.setattr(run_lock.Path, "unlink", refuse)
    with pytest.raises(UserError, match=words % "can neither be written nor removed"):
        RunLock(tmp_path, "pose").take()
    monkeypatch.setattr(run_lock, "ensure_replaceable", refuse)
    with pytest.raises(UserError, match=words % "cannot be read"):
        RunLock(tmp_path, "pose").take()


def test_a_folder_that_nobody_may_write_is_not_called_held(tmp_path, monkeypatch):
    def refuse(path, _):
        raise PermissionError(errno.EACCES, "Permission denied", path)
    monkeypatch.setattr(run_lock, "_no_link", refuse)
    with pytest.raises(PermissionError):
        RunLock(tmp_path, "pose").take()


@pytest.mark.parametrize("content", ["{", "[1]", "[[package]]\nname = 'numpy'\n", "",
                                     '{"pid": 1, "host": "x", "app": "jupyter"}'])
def test_what_others_have_under_its_name_stays(tmp_path, content):
    """As a poetry.lock does, where a run is called poetry, and an empty one of filelock."""
    path = tmp_path / "pose.lock"
    path.write_text(content)
    lock = RunLock(tmp_path, "pose")
    with pytest.raises(UserError, match=f"val.weight_path and model_name: {path} is there already, "
                                        f"and is no file of this project"):
        lock.take()
    lock.release()
    assert path.read_text() == content


@pytest.mark.parametrize("content", ["my notes", "", '{"pid": 1, "host": "x"}', None])
def test_a_link_of_its_name_is_not_followed(tmp_path, content):
    notes, path = tmp_path / "notes.txt", tmp_path / "pose.lock"
    if content is not None:
        notes.write_text(content)
    path.symlink_to(notes)
    lock = RunLock(tmp_path, "pose")
    with pytest.raises(UserError, match="pose.lock is a link, and nothing is written through"):
        lock.take()
    lock.release()
    assert path.is_symlink() and (notes.read_text() if notes.exists() else None) == content


@pytest.mark.parametrize("make, words", [(os.mkfifo, "there already"), (os.mkdir, "a folder")])
def test_a_pipe_or_a_folder_of_its_name_is_told(tmp_path, make, words):
    make(tmp_path / "pose.lock")
    with pytest.raises(UserError, match=f"pose.lock is {words}"):
        RunLock(tmp_path, "pose").take()
    assert (tmp_path / "pose.lock").exists()


def test_a_lock_that_somebody_removed_is_taken_again(tmp_path, caplog):
    lock = RunLock(tmp_path, "pose")
    lock.take()
    lock.ensure_held()
    assert not caplog.text
    lock.path.unlink()
    lock.ensure_held()
    assert json.loads(lock.path.read_text())["pid"] == os.getpid()
    assert "was removed while the run goes on, and is there again" in caplog.text
    lock.path.unlink()
    lock.path.write_text("of another process")
    lock.release()
    assert lock.path.read_text() == "of another process"


def test_a_run_that_another_has_taken_meanwhile_is_left_to_it(tmp_path, pytestconfig):
    lock = RunLock(tmp_path, "pose")
    lock.take()
    lock.path.unlink()
    with subprocess.Popen([sys.executable, "-c", HOLD, tmp_path], text=True, stdin=subprocess.PIPE,
                          cwd=pytestconfig.rootpath, stdout=subprocess.PIPE) as other:
        worker = int(other.stdout.readline())
        with pytest.raises(UserError, match=f"trained by process {other.pid} .*, too, since "):
            lock.ensure_held()
        lock.release()
        assert json.loads(lock.path.read_text())["pid"] == other.pid
        other.kill()
        os.kill(worker, signal.SIGKILL)


def test_two_of_one_process_are_one(tmp_path):
    """As in a notebook, where a cell is run twice."""
    first, second = RunLock(tmp_path, "pose"), RunLock(tmp_path, "pose")
    first.take(), second.take()
    del first
    assert (tmp_path / "pose.lock").exists() and not second.is_held_by_another()
    second.release()
    assert not list(tmp_path.iterdir())


def test_a_file_that_its_holder_removed_meanwhile_is_not_the_lock(tmp_path, monkeypatch):
    lock, really = RunLock(tmp_path, "pose"), fcntl.lockf

    def removed(file, how):
        monkeypatch.setattr(run_lock.fcntl, "lockf", really)
        lock.path.unlink()
        return really(file, how)
    monkeypatch.setattr(run_lock.fcntl, "lockf", removed)
    lock.take()
    assert json.loads(lock.path.read_text())["pid"] == os.getpid()


@pytest.mark.parametrize("links", [True, False])
def test_it_is_never_empty_whenever_its_process_is_killed(tmp_path, monkeypatch, links):
    """Or the next start would take it for a lock of others."""
    def killed(*_):
        raise SystemExit(1)

    def unsupported(*_):
        raise OSError(errno.EOPNOTSUPP, "Operation not supported")
    if not links:
        monkeypatch.setattr(run_lock.os, "link", unsupported)
    really = fcntl.lockf
    for place in (f"{'link' if links else 'replace'}", "lockf"):
        with monkeypatch.context() as patch, pytest.raises(SystemExit):
            patch.setattr(run_lock.fcntl if place == "lockf" else run_lock.os, place, killed)
            RunLock(tmp_path, "pose").take()
        assert all(path.stat().st_size for path in tmp_path.iterdir())
    assert run_lock.fcntl.lockf is really
    lock = RunLock(tmp_path, "pose")
    lock.take()
    assert json.loads(lock.path.read_text())["pid"] == os.getpid()
    assert [path.name for path in tmp_path.iterdir()] == ["pose.lock"]


@pytest.mark.parametrize("links", [True, False])
def test_a_power_cut_leaves_none_that_is_empty(tmp_path, monkeypatch, links):
    """As of a file that got its name before the disk had its content."""
    synced = []
    really = {name: getattr(run_lock.os, name) for name in ("link", "replace", "fsync")}

    def named(how):
        def named(new, path):
            assert os.stat(new).st_ino in synced and os.stat(new).st_size
            if how == "link" and not links:
                raise OSError(errno.EOPNOTSUPP, "Operation not supported")
            really[how](new, path)
        return named
    for how in ("link", "replace"):
        monkeypatch.setattr(run_lock.os, how, named(how))
    monkeypatch.setattr(run_lock.os, "fsync", lambda file: (
        synced.append(os.fstat(file).st_ino), really["fsync"](file)))
    RunLock(tmp_path, "pose").take()
    assert synced and (tmp_path / "pose.lock").exists()


@pytest.mark.parametrize("gone", ["moved", "removed", "a file"])
def test_a_folder_that_has_gone_is_said(tmp_path, gone):
    lock, folder = RunLock(tmp_path / "run", "pose"), tmp_path / "run"
    lock.take()
    if gone == "moved":
        folder.rename(tmp_path / "elsewhere")
    else:
        shutil.rmtree(folder)
    if gone == "a file":
        folder.write_text("")
    with pytest.raises(UserError, match=f"^val.weight_path: the folder {folder} was moved or remo"):
        lock.ensure_held()
    lock.release()
    assert (tmp_path / "elsewhere").exists() == (gone == "moved")
    assert folder.exists() == (gone == "a file")


def test_without_locks_it_says_so_and_goes_on(tmp_path, monkeypatch, caplog):
    def unsupported(*_):
        raise OSError(errno.ENOSYS, "Function not implemented")
    monkeypatch.setattr(run_lock.fcntl, "lockf", unsupported)
    RunLock(tmp_path, "pose").take()
    assert f"the file system of {tmp_path} has no locks" in caplog.text
