import errno
import os
import pickle
from contextlib import contextmanager

import pytest
import torch

from configs.loader import config_to_dict
from configs.schema import Config
from configs.version import made_by
from processors.models import checkpoint
from processors.models.checkpoint import (
    keep_as_old,
    load_checkpoint,
    load_last,
    prepare_folder,
    previous,
    save_checkpoint,
)
from utils.log import log

DEAD = 2 ** 22 + 1       # no process has such a number


@pytest.fixture
def last(tmp_path):
    """The path of a run's checkpoint; the model name has a dot on purpose."""
    return tmp_path / "v1.5_last.pth"


@pytest.fixture
def said(caplog):
    caplog.set_level("INFO", log.name)
    return caplog


def state(step: int) -> dict:
    """What a run stores."""
    return {"net": {"weight": torch.full((64, 64), float(step))}, "ema": {"w": torch.ones(2)},
            "optimizer": {"state": {0: {}}}, "scaler": {}, "step": step, "steps_per_epoch": 10,
            "evaluated": 0,
            "skipped": 0, "best": {"AP": -1.0}, "random": torch.get_rng_state(), "run": "today",
            "config": config_to_dict(Config())}


def save(path, *steps: int) -> None:
    for step in steps:
        save_checkpoint(state(step), path, keep_previous=True)


def names(path) -> set[str]:
    return {file.name for file in path.parent.iterdir()}


def test_what_is_saved_is_loaded(last):
    save_checkpoint(state(3), last)
    loaded, expected = load_checkpoint(last), state(3)
    assert torch.equal(loaded["net"].pop("weight"), torch.full((64, 64), 3.0))
    assert torch.equal(loaded.pop("random"), expected.pop("random"))
    assert loaded.pop("ema")["w"].tolist() == expected.pop("ema")["w"].tolist()
    assert loaded == {"format": checkpoint.FORMAT} | expected | made_by() | {"net": {}}
    assert names(last) == {"v1.5_last.pth"}


def test_the_one_before_stays(last):
    save(last, 1)
    assert names(last) == {"v1.5_last.pth"}
    save(last, 2, 3)
    assert names(last) == {"v1.5_last.pth", "v1.5_last.prev.pth"}
    assert [load_checkpoint(p)["step"] for p in (last, previous(last))] == [3, 2]


def test_the_last_one_is_there_while_the_one_before_is_kept(last, monkeypatch):
    seen, keep = [], checkpoint._keep_as_previous
    monkeypatch.setattr(checkpoint, "_keep_as_previous",
                        lambda path: (keep(path), seen.append(load_checkpoint(path)["step"])))
    save(last, 1, 2, 3)
    assert seen == [1, 2]


def test_the_one_before_stays_where_there_are_no_hard_links(last, monkeypatch):
    def link(*_):
        raise OSError(errno.EOPNOTSUPP, "Operation not supported")
    monkeypatch.setattr(os, "link", link)
    save(last, 1, 2)
    assert [load_checkpoint(p)["step"] for p in (last, previous(last))] == [2, 1]
    assert names(last) == {"v1.5_last.pth", "v1.5_last.prev.pth"}


@pytest.mark.parametrize("share", [0, 0.01, 0.5, 0.999])
def test_a_cut_off_file_costs_one_interval_and_says_so(last, said, share):
    save(last, 1, 2)
    last.write_bytes(last.read_bytes()[:int(share * last.stat().st_size)])
    assert load_last(last)["step"] == 1
    assert f"{last} cannot be read as a PyTorch checkpoint" in said.text
    assert f"going on from the one before it, {previous(last)}" in said.text


def test_a_damaged_file_is_not_kept_as_the_one_before(last):
    save(last, 1, 2)
    last.write_bytes(b"x")
    load_last(last)
    save(last, 3)
    assert names(last) == {"v1.5_last.pth", "v1.5_last.prev.pth", "v1.5_last.damaged.pth"}
    assert [load_checkpoint(p)["step"] for p in (last, previous(last))] == [3, 1]


def test_what_was_set_aside_before_stays(last):
    save(last, 1, 2)
    last.with_suffix(".damaged.pth").write_bytes(b"mine")
    last.with_suffix(".damaged.2.pth").symlink_to("nowhere")
    last.write_bytes(b"x")
    load_last(last)
    assert last.with_suffix(".damaged.pth").read_bytes() == b"mine"
    assert last.with_suffix(".damaged.2.pth").is_symlink()
    assert last.with_suffix(".damaged.3.pth").read_bytes() == b"x"


def test_the_one_before_is_kept_past_files_of_others(last):
    mine = last.with_name("v1.5_last.prev.link")
    mine.write_bytes(b"mine")
    save(last, 1, 2)
    assert mine.read_bytes() == b"mine"


def test_damage_in_the_middle_of_a_tensor_is_noticed(last, said):
    save(last, 1, 2)
    content = bytearray(last.read_bytes())
    place = content.find(torch.full((4,), 2.0).numpy().tobytes()) + 100
    content[place] ^= 1
    last.write_bytes(content)
    assert load_last(last)["step"] == 1 and "is damaged" in said.text


def test_a_kill_between_the_renames_costs_nothing(last):
    save(last, 1, 2)
    last.unlink()
    assert load_last(last)["step"] == 1


def test_no_file_is_no_checkpoint(last):
    assert load_last(last) is None


def test_a_whole_file_is_not_overruled_by_the_one_before(last, said):
    save(last, 1, 2)
    assert load_last(last)["step"] == 2 and said.text == ""


@pytest.mark.parametrize("place", [lambda last: last, previous])
def test_a_pipe_in_the_place_of_a_checkpoint_is_told(last, place):
    """Not replaced, with the run begun anew."""
    os.mkfifo(place(last))
    with pytest.raises(ValueError, match="is no file, and the checkpoint of the run is to lie"):
        load_last(last)


def test_with_both_damaged_the_user_decides(last, said):
    save(last, 1, 2)
    last.write_bytes(b"x"), previous(last).write_bytes(b"x")
    with pytest.raises(ValueError, match=f"^{last} cannot.*or start over with resume=false"):
        load_last(last)
    assert [record.message.split()[0] for record in said.records] == [str(previous(last))]
    last.unlink()
    said.clear()
    with pytest.raises(ValueError, match=f"^{previous(last)} cannot be read"):
        load_last(last)
    assert not said.records     # what is wrong is said once


class Evil:
    """Pickled, it would make a folder when it is loaded."""
    def __init__(self, folder):
        self.folder = str(folder)

    def __reduce__(self):
        return os.mkdir, (self.folder,)


@pytest.mark.parametrize("write", [
    lambda path, evil: torch.save({"format": checkpoint.FORMAT, "net": evil}, path),
    lambda path, evil: torch.save(evil, path, _use_new_zipfile_serialization=False),
    lambda path, evil: path.write_bytes(pickle.dumps(evil))])
def test_code_in_a_file_is_refused_and_not_run(last, tmp_path, write):
    write(last, Evil(tmp_path / "done"))
    with pytest.raises(ValueError) as caught:
        load_checkpoint(last)
    assert not (tmp_path / "done").exists()
    assert str(last) in str(caught.value) and "weights_only" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"hello", b"<html>", b"\0" * 5000, b"PK\3\4"])
def test_what_is_no_checkpoint_is_one_sentence(last, content):
    last.write_bytes(content)
    with pytest.raises(ValueError, match="^.* cannot be read as a PyTorch .*; get it again$"):
        load_checkpoint(last)


def test_a_missing_file_is_one_sentence(last):
    with pytest.raises(FileNotFoundError, match=f"there is no weights file {last}"):
        load_checkpoint(last)


@pytest.mark.parametrize("content", [{"ema": {}, "epoch": 3}, [1, 2], torch.zeros(2)])
def test_foreign_files_are_told_where_to_go(last, content):
    torch.save(content, last)
    with pytest.raises(ValueError, match="model.pretrained"):
        load_checkpoint(last)


@contextmanager
def files_up_to(size: int):
    """A disk on which no file can grow beyond `size` bytes."""
    resource = pytest.importorskip("resource", reason="limits of file sizes are a Unix thing")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("share", [0, 0.05, 0.5, 0.95, 0.9999])
def test_a_full_disk_leaves_the_files_whole(last, share):
    save(last, 1, 2)
    room = int(share * last.stat().st_size)
    with pytest.raises(OSError) as caught, files_up_to(room):
        save(last, 3)
    assert names(last) == {"v1.5_last.pth", "v1.5_last.prev.pth"}
    assert [load_checkpoint(p)["step"] for p in (last, previous(last))] == [2, 1]
    message = str(caught.value)
    assert str(last) in message and "File too large" in message and "make room" in message
    assert "\n" not in message and "enforce" not in message


@pytest.mark.parametrize("call", ["fsync", "link"])
def test_a_disk_that_fails_late_leaves_the_files_whole(last, monkeypatch, call):
    save(last, 1, 2)

    def fail(*_):
        raise OSError(errno.ENOSPC, "No space left on device")
    monkeypatch.setattr(os, call, fail)
    monkeypatch.setattr(checkpoint.shutil, "copyfile", fail)
    with pytest.raises(OSError, match="could not be written .No space left"):
        save(last, 3)
    assert [load_checkpoint(p)["step"] for p in (last, previous(last))] == [2, 1]


def test_the_death_of_a_worker_that_is_heard_of_while_writing_is_no_error_of_the_disk(
        last, monkeypatch):
    save(last, 1)

    def dead(*_):
        raise RuntimeError("DataLoader worker (pid 7) is killed by signal: Killed. ")
    monkeypatch.setattr(checkpoint.torch, "save", dead)
    with pytest.raises(RuntimeError, match="^DataLoader worker"):
        save(last, 2)
    assert load_checkpoint(last)["step"] == 1 and names(last) == {last.name}


def test_the_folder_of_a_run_is_made_and_cleared_of_its_own_rests_only(tmp_path):
    folder = tmp_path / "a" / "b"
    lock = prepare_folder(folder, "v[1]")
    assert folder.is_dir()
    lock.release()
    assert not (tmp_path / "a").exists()        # nothing has come of it
    folder.mkdir(parents=True)
    kept = {"v[1]_last.pth", "v[1]_test", "v[1]_last.pth.trial", f"v[1]_last.pth.{DEAD}.tmp",
            *(f"{name}_last.pth.{pid}.simplepose.tmp" for name, pid in (
                ("v[1]_big", DEAD), ("v1", DEAD), ("v[1]", os.getppid()), ("v[1]", "no_pid")))}
    for name in kept | {*(f"v[1]_{name}.pth.{pid}.simplepose.tmp" for name, pid in (
            ("last", DEAD), ("last.prev", DEAD), ("best", os.getpid())))}:
        (folder / name).write_bytes(b"x")
    prepare_folder(folder, "v[1]").release()
    assert {file.name for file in folder.iterdir()} == kept


def test_a_folder_that_cannot_be_one_is_one_sentence(tmp_path):
    (tmp_path / "file").write_bytes(b"x")
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(OSError, match="^val.weight_path: .*/file is a file, and a folder is"):
            prepare_folder(folder, "pose")


def test_a_disk_that_is_full_at_the_start_is_said_at_the_start(tmp_path):
    with pytest.raises(OSError, match=r"\(File too large\); make room"), files_up_to(0):
        prepare_folder(tmp_path, "pose")
    assert list(tmp_path.iterdir()) == []


def test_a_missing_folder_is_one_sentence(tmp_path):
    path = tmp_path / "gone" / "a_last.pth"
    with pytest.raises(OSError, match=f"the checkpoint {path} could not be written"):
        save(path, 1)


@pytest.mark.skipif(getattr(os, "geteuid", lambda: 1)() == 0, reason="root may write anywhere")
def test_a_read_only_folder_is_one_sentence(last):
    last.parent.chmod(0o500)
    with pytest.raises(OSError, match="Permission denied.*set val.weight_path"):
        save(last, 1)
    last.parent.chmod(0o700)


def test_an_older_run_is_set_aside(last, said):
    save(last, 1, 2)
    keep_as_old(last)
    assert names(last) == {"v1.5_last.old.pth"}
    assert "v1.5_last.old.pth" in said.text
    keep_as_old(last)     # nothing there: nothing happens
    assert names(last) == {"v1.5_last.old.pth"}


def test_every_older_run_is_kept_and_its_files_have_one_number(last):
    best = last.with_name("v1.5_best.pth")
    mine = last.with_name("v1.5_best.prev.pth")
    mine.write_bytes(b"a copy that somebody made")
    for step, paths in enumerate([[last, best], [last], [last, best], [best]]):
        for path in paths:
            save(path, step)
        keep_as_old(last, best)
    assert names(last) == {f"v1.5_{name}.pth" for name in (
        "best.prev", "last.old", "best.old", "last.old.2", "last.old.3", "best.old.3",
        "best.old.4")}
    assert [load_checkpoint(last.with_suffix(f".old{n}.pth"))["step"]
            for n in ("", ".2", ".3")] == [0, 1, 2]


@pytest.mark.parametrize("there", [True, False])
def test_the_one_before_is_named_where_there_is_one(last, monkeypatch, there):
    if there:
        save(last, 1)

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")
    monkeypatch.setattr(checkpoint.torch, "save", full)
    with pytest.raises(OSError, match="could not be written .No space left on device.; ") as caught:
        save(last, 2)
    assert ("the one before it is untouched" in str(caught.value)) == there
    assert "make room" in str(caught.value)
