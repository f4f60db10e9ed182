import errno
import os
from pathlib import Path

import pytest

from configs.strict_yaml import read_yaml
from datasets.annotations.annotation_cache import checksum
from datasets.crops.crop_pack import index_path, read_index
from datasets.crops.image_header import count_pictures, read_header
from datasets.crops.images import read_image
from datasets.imports.cvat import cvat_tree
from utils.files import files_below, open_to_append, read_file, write_atomically
from utils.json_file import read_json


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "results.json"
    path.write_bytes(b"old")
    return path


def only_file(path) -> bytes:
    assert list(path.parent.iterdir()) == [path]
    return path.read_bytes()


def test_it_writes_a_new_file_and_replaces_an_old_one(path):
    write_atomically(path, lambda file: file.write(b"new"))
    assert only_file(path) == b"new"
    path.unlink()
    write_atomically(path, lambda file: file.write(b"first"))
    assert only_file(path) == b"first"


@pytest.mark.parametrize("error", [ValueError, OSError, KeyboardInterrupt, SystemExit])
def test_a_failure_leaves_the_old_file_and_nothing_else(path, error):
    def write(file):
        file.write(b"half of the ne")
        file.flush()
        raise error

    with pytest.raises(error):
        write_atomically(path, write)
    assert only_file(path) == b"old"


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_disk_that_fails_late_leaves_the_old_file(path, monkeypatch, call):
    def fail(*_):
        raise OSError("no space left")
    monkeypatch.setattr(os, call, fail)
    with pytest.raises(OSError, match="no space left"):
        write_atomically(path, lambda file: file.write(b"new"))
    assert only_file(path) == b"old"


def test_a_full_disk_is_said_with_the_name_of_the_file(path):
    def write(file):
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OSError, match=f"No space left on device: '{path}'"):
        write_atomically(path, write)


def test_the_bytes_are_on_the_disk_before_the_name_changes(path, monkeypatch):
    calls = []
    fsync, replace = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda fd: (calls.append(os.fstat(fd).st_size), fsync(fd)))
    monkeypatch.setattr(os, "replace", lambda a, b: (calls.append("replace"), replace(a, b)))
    write_atomically(path, lambda file: file.write(b"12345"))
    assert calls == [5, "replace"]


def test_a_reader_sees_the_old_file_until_the_new_one_is_whole(path):
    def write(file):
        file.write(b"new")
        file.flush()
        assert path.read_bytes() == b"old"

    write_atomically(path, write)
    assert path.read_bytes() == b"new"


def test_a_missing_folder_is_an_os_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        write_atomically(tmp_path / "gone" / "a.txt", lambda file: file.write(b"x"))
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_written_through_a_link(path, tmp_path):
    """Neither through the path itself, nor through a file that lies in wait for the temporary."""
    victim = tmp_path / "elsewhere"
    victim.write_bytes(b"precious")
    path.unlink()
    path.symlink_to(victim)
    with pytest.raises(OSError, match="results.json is a link, and nothing is written through"):
        open_to_append(path)
    path.with_name(f"{path.name}.{os.getpid()}.simplepose.tmp").symlink_to(victim)
    write_atomically(path, lambda file: file.write(b"new"))
    assert victim.read_bytes() == b"precious"
    assert not path.is_symlink() and path.read_bytes() == b"new"


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="reads of it fail")
@pytest.mark.parametrize("read", [read_yaml, read_file])
def test_a_read_that_fails_names_its_file(read):
    with pytest.raises(OSError) as caught:
        read(Path("/proc/self/mem"))
    assert caught.value.filename == "/proc/self/mem"


@pytest.mark.parametrize("read", [read_yaml, checksum, read_header, read_image, cvat_tree,
                                  read_json, read_index])
def test_a_device_or_a_pipe_is_not_even_opened(tmp_path, read):
    """/dev/null does not hang or fill the memory, as others do, so that this fails and ends."""
    place = tmp_path / "x"
    index_path(place).symlink_to("/dev/null")
    place.symlink_to("/dev/null")
    with pytest.raises((OSError, ValueError), match="is no file"):
        read(place)
    assert not count_pictures(place)


def test_what_a_folder_holds_is_listed_and_what_may_not_be_listed_is_refused(tmp_path, closed):
    for name in ("a.txt", "b/c.txt", "b/.d/e.txt", "b/f.json", "no.txt/g"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    (tmp_path / "link").symlink_to(tmp_path / "b")
    (tmp_path / "gone.txt").symlink_to("nowhere")
    found = {str(path.relative_to(tmp_path)) for path in files_below(tmp_path, "*.txt")}
    assert found == {"a.txt", "b/c.txt", "b/.d/e.txt", "gone.txt"}
    assert len(list(files_below(tmp_path))) == 6
    assert not [*files_below(tmp_path / "no"), *files_below(tmp_path / "a.txt")]
    closed(tmp_path / "b" / ".d")
    with pytest.raises(PermissionError, match="Permission denied.*/b/.d"):
        list(files_below(tmp_path, "*.txt"))
