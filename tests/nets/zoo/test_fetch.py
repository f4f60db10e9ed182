"""fetch: a file from a server in the test, whatever goes wrong between."""
import errno
import fcntl
import hashlib
import logging
import multiprocessing
import os
import random
import signal
import time
from email.message import Message

import pytest

from nets.zoo import fetch as fetching
from nets.zoo.fetch import ensure_hash, fetch
from utils.errors import UserError

DATA = random.Random(0).randbytes(3_000_000)
DIGITS = hashlib.sha256(DATA).hexdigest()[:8]
WRONG = "0" * 8


@pytest.fixture
def path(tmp_path):
    return tmp_path / "cache" / "net.pth"


@pytest.fixture
def address(web):
    web.files["/net.pth"] = DATA
    return f"{web.address}/net.pth"


def part_of(path):
    return path.with_name("net.pth.part")


def alone(path):
    """Whether the file is whole, and nothing lies beside it."""
    return path.read_bytes() == DATA and os.listdir(path.parent) == [path.name]


@pytest.mark.parametrize("sha256", [DIGITS, ""])
def test_a_file_comes_whole_and_once(web, address, path, sha256, caplog):
    caplog.set_level(logging.INFO)
    fetch(address, path, sha256)
    assert alone(path) and f"net.pth, 3.0 MB from {address}" in caplog.text
    fetch(address, path, sha256)
    assert web.asked == [("/net.pth", None)]


def test_addresses_that_moved_are_followed(web, path):
    web.files["/there"] = DATA
    web.moved |= {"/here": "/further", "/further": f"{web.address}/there"}
    fetch(f"{web.address}/here", path, DIGITS)
    assert alone(path)


def test_one_that_goes_in_circles_is_not(web, path):
    web.moved |= {"/a": "/b", "/b": "/a"}
    with pytest.raises(UserError, match="cannot be fetched .*302"):
        fetch(f"{web.address}/a", path, DIGITS)


def test_what_was_cut_off_goes_on_where_it_ended(web, address, path, caplog):
    web.cuts["/net.pth"] = [1_000_000, 2_500_000]
    fetch(address, path, DIGITS)
    assert alone(path)
    assert web.asked == [("/net.pth", None), ("/net.pth", "bytes=1000000-"),
                         ("/net.pth", "bytes=2500000-")]
    assert "net.pth broke off at 1.0 MB (1000000 of 3000000 bytes came)" in caplog.text


def test_without_a_hash_it_begins_anew(web, address, path):
    web.cuts["/net.pth"] = [1_000_000]
    fetch(address, path)
    assert alone(path) and [begin for _, begin in web.asked] == [None, None]


def test_a_transfer_that_never_ends_is_given_up_and_goes_on_later(web, address, path):
    web.cuts["/net.pth"] = [number * 100_000 for number in range(1, 6)]
    with pytest.raises(UserError, match=f"500000 of 3000000 bytes.*put the file of {address} into "
                                        f"{path.parent} by hand"):
        fetch(address, path, DIGITS)
    assert not path.exists() and part_of(path).stat().st_size == 500_000
    fetch(address, path, DIGITS)
    assert alone(path) and web.asked[-1] == ("/net.pth", "bytes=500000-")


@pytest.mark.parametrize("left", [DATA, DATA + b"more", b"of another file", b""])
def test_what_another_process_left_is_gone_on_with_or_not(web, address, path, left):
    path.parent.mkdir()
    part_of(path).write_bytes(left)
    fetch(address, path, DIGITS)
    assert alone(path) and len(web.asked) == 1 + (left not in (DATA, b""))


def test_a_server_without_ranges_gives_all_again(web, address, path):
    web.has_ranges, web.cuts["/net.pth"] = False, [1_000_000]
    fetch(address, path, DIGITS)
    assert alone(path) and len(web.asked) == 2


@pytest.mark.parametrize("wrong, words", [
    ("hash", f"begins with {DIGITS} and not with {WRONG}, so it is another file"),
    ("path", "the server answers 404"), ("page", "a web page"), ("port", "refused"),
    ("host", "not known|resolution|No address"), ("silent", "timed out")])
def test_what_cannot_be_had_is_one_sentence_and_leaves_nothing(web, address, path, monkeypatch,
                                                               wrong, words):
    if wrong == "path":
        web.files.clear()
    elif wrong == "page":
        web.kinds["/net.pth"] = "text/html"
    elif wrong == "port":
        address = "http://127.0.0.1:9/net.pth"
    elif wrong == "host":
        address = "http://nowhere.invalid/net.pth"
    elif wrong == "silent":
        monkeypatch.setattr(fetching, "SILENCE", 0.2)
        web.silent.add("/net.pth")
    with pytest.raises(UserError, match=words) as caught:
        fetch(address, path, WRONG if wrong == "hash" else DIGITS)
    said = str(caught.value)
    assert f"put the file of {address} into {path.parent} by hand" in said and "\n" not in said
    assert not path.parent.exists()     # nor an empty folder


def test_a_server_that_drips_is_given_up(web, address, path, monkeypatch):
    monkeypatch.setattr(fetching, "WINDOW", -1.0)
    monkeypatch.setattr(fetching, "SLOWEST", 10 ** 9)
    with pytest.raises(UserError, match="only .* bytes came in"):
        fetch(address, path, DIGITS)
    assert not path.exists()


def test_an_unencrypted_way_is_not_taken(monkeypatch, path):
    class Answer:
        url, headers = "http://other.example/net.pth", Message()

        def close(self):
            pass

    monkeypatch.setattr(fetching, "urlopen", lambda *words, **more: Answer())
    with pytest.raises(UserError, match="http://other.example/net.pth, which is not encrypted"):
        fetch("https://some.example/net.pth", path, DIGITS)


def start(address, path):
    process = multiprocessing.get_context("fork").Process(
        target=fetch, args=(address, path, DIGITS))
    process.start()
    return process


def test_processes_at_once_fetch_once(web, address, path):
    processes = [start(address, path) for _ in range(4)]
    for process in processes:
        process.join(30)
    assert [process.exitcode for process in processes] == [0] * 4
    assert alone(path) and len(web.asked) == 1


def test_after_a_kill_the_next_process_goes_on(web, address, path, caplog):
    web.cuts["/net.pth"], web.stalls = [1_000_000], {"/net.pth"}
    process = start(address, path)
    until = time.monotonic() + 20
    while time.monotonic() < until and not (
            part_of(path).exists() and part_of(path).stat().st_size > 900_000):
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.join(30)
    left = part_of(path).stat().st_size
    fetch(address, path, DIGITS)
    assert alone(path) and web.asked[-1] == ("/net.pth", f"bytes={left}-")


def test_where_there_are_no_locks_each_process_has_its_own_file(web, address, path, monkeypatch):
    def none(file, how):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", none)
    web.cuts["/net.pth"] = [1_000_000, 2_000_000]
    processes = [start(address, path) for _ in range(3)]
    for process in processes:
        process.join(30)
    assert [process.exitcode for process in processes] == [0] * 3
    assert alone(path)


class Full:
    """Stands for a file on a disk that is full after a million bytes."""

    def __init__(self, file):
        self.file = file

    def __getattr__(self, name):
        return getattr(self.file, name)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.file.close()

    def write(self, data):
        if self.file.tell() > 1_000_000:
            raise OSError(errno.ENOSPC, "No space left on device")
        return self.file.write(data)


def test_a_full_disk_is_one_sentence(web, address, path, monkeypatch):
    whole = fetching.open_to_append
    monkeypatch.setattr(fetching, "open_to_append", lambda part: Full(whole(part)))
    with pytest.raises(OSError, match=rf"TORCH_HOME.*{path} cannot be written \(No space left"):
        fetch(address, path, DIGITS)
    assert not path.exists()
    monkeypatch.undo()
    fetch(address, path, DIGITS)        # there is room again
    assert alone(path)


def test_a_cache_that_cannot_be_written_is_one_sentence(web, address, path, tmp_path, monkeypatch):
    (tmp_path / "cache").write_text("a file")
    with pytest.raises(OSError, match="TORCH_HOME.*cache is a file, and a folder is to be there"):
        fetch(address, path, DIGITS)
    (tmp_path / "cache").unlink()

    def read_only(part):
        raise OSError(errno.EROFS, "Read-only file system", str(part))

    monkeypatch.setattr(fetching, "open_to_append", read_only)
    with pytest.raises(OSError, match=r"TORCH_HOME.*cannot be written \(Read-only file system\)"):
        fetch(address, path, DIGITS)
    assert not web.asked
    path.parent.mkdir()
    path.write_bytes(DATA)
    fetch(address, path, DIGITS)        # what is there is used


def test_nothing_is_written_through_a_link(address, path, tmp_path):
    path.parent.mkdir()
    (tmp_path / "mine").write_text("mine")
    part_of(path).symlink_to(tmp_path / "mine")
    with pytest.raises(OSError, match="is a link, and nothing is written through links"):
        fetch(address, path, DIGITS)
    assert (tmp_path / "mine").read_text() == "mine"


def test_a_damaged_file_is_told(tmp_path):
    (tmp_path / "net.pth").write_bytes(DATA)
    ensure_hash(tmp_path / "net.pth", DIGITS, "remove it")
    with pytest.raises(UserError, match=f"begins with {DIGITS} and not with {WRONG}: remove it"):
        ensure_hash(tmp_path / "net.pth", WRONG, "remove it")
