"""Writing packs: it goes on after an interruption, and leaves alone what is not its own."""
import dataclasses
import fcntl
import multiprocessing
import os
import signal

import numpy as np
import pytest

from datasets.coco import MSCOCO
from datasets.crops.crop_pack import RECORD, CropPack, index_path
from datasets.crops.images import ImageError
from tests.datasets.crops.crop_packs import AUGMENT, packed


def test_processes_write_the_same_pack(make_pack):
    alone, two = make_pack(name="alone"), make_pack(name="two", workers=2)
    assert alone.read_bytes() == two.read_bytes()
    assert index_path(alone).read_bytes() == index_path(two).read_bytes()


@pytest.mark.parametrize("form", ["jpeg", "raw"])
def test_an_interrupted_pack_goes_on_anywhere(make_pack, form):
    path = make_pack(form)
    data, index = path.read_bytes(), index_path(path).read_bytes()
    start, rng = index.index(b"\n") + 1, np.random.default_rng(0)
    for _ in range(12):
        # the pixels are on the disk before the record; a power cut may keep only later writes
        index_path(path).write_bytes(index[:rng.integers(start, len(index))])
        path.write_bytes(data[:rng.integers(0, len(data))])
        with pytest.raises(ValueError, match="not finished|cut short|damaged"):
            CropPack(path)
        make_pack(form)
        assert path.read_bytes() == data and index_path(path).read_bytes() == index


def test_only_what_is_missing_is_made(make_pack, monkeypatch, coco_files):
    path = make_pack()
    index = index_path(path).read_bytes()
    index_path(path).write_bytes(index[:-RECORD.itemsize - 9])
    read = []
    from_file = MSCOCO.image
    monkeypatch.setattr(MSCOCO, "image", lambda self, row: read.append(row) or from_file(self, row))
    make_pack()
    assert read == [3] and index_path(path).read_bytes() == index
    make_pack()
    assert read == [3]


def test_a_start_that_came_to_nothing_is_forgotten(make_pack, tmp_path):
    (tmp_path / "pack").touch()
    CropPack(make_pack())


def test_a_damaged_pack_is_repaired(make_pack):
    path = make_pack()
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    make_pack()
    data[len(data) // 2] ^= 1
    assert path.read_bytes() == data


def test_other_files_are_left_alone(make_pack, coco_files, tmp_path):
    (tmp_path / "pack").write_text("a letter")
    with pytest.raises(ValueError, match="pack exists and is no crop pack"):
        make_pack()
    (tmp_path / "pack.index").write_text("{}\n")
    with pytest.raises(ValueError, match="no index of a crop pack"):
        make_pack()
    assert (tmp_path / "pack").read_text() == "a letter"


def test_an_index_of_others_and_links_are_left_alone(make_pack, tmp_path):
    (tmp_path / "pack.index").write_text("a letter")
    with pytest.raises(ValueError, match="pack.index .data.train_pack. is no index of a crop"):
        make_pack()
    assert [path.name for path in tmp_path.glob("pack*")] == ["pack.index"]
    assert (tmp_path / "pack.index").read_text() == "a letter"
    for name in ("pack.index", "pack"):
        (tmp_path / "victim").write_bytes(b"")
        (tmp_path / "pack.index").unlink(missing_ok=True)
        (tmp_path / name).symlink_to(tmp_path / "victim")
        with pytest.raises(ValueError, match="train_pack: .*pack(.index)? is a link"):
            make_pack()
        assert (tmp_path / "victim").read_bytes() == b""


def test_an_index_of_a_deleted_pack_is_made_again(make_pack):
    path = make_pack()
    before = path.read_bytes()
    path.unlink()
    assert make_pack().read_bytes() == before


@pytest.mark.parametrize("changes, words", [
    ({"form": "raw"}, "data.pack_format jpeg instead of raw"),
    ({"augment": dataclasses.replace(AUGMENT, scale=0.2)}, "augment.scale 0.25 instead of 0.2"),
    ({"alignment": "dark"}, "codec.alignment hrnet instead of dark"),
    ({"exif": "obey"}, "data.exif ignore instead of obey"),
    ({"bits": 12}, "data.bits 0 instead of 12"),
    ({"debug": 5}, r"other annotations \(8 persons of .*, not the 5 of .*\)")])
def test_a_pack_of_something_else_is_not_overwritten(make_pack, changes, words):
    path = make_pack()
    before = path.read_bytes()
    with pytest.raises(ValueError, match=rf"\(data.train_pack\) was made with {words}: delete it"):
        make_pack(**changes)
    assert path.read_bytes() == before


def test_a_broken_image_stops_packing_or_is_left_out(make_pack, coco_files):
    broken = coco_files[1] / "000012.jpg"
    broken.write_bytes(broken.read_bytes()[:500])
    with pytest.raises(ImageError, match="000012.jpg is cut short"):
        make_pack()
    (coco_files[1] / "000011.jpg").unlink()
    path = make_pack(skip_broken=True, check_files=False, name="other")
    with pytest.raises(ValueError, match="no pixels of 4 persons whose image was missing or broke"):
        packed(coco_files, path)
    dataset = packed(coco_files, path, skip_broken=True)
    assert len(dataset) == 4 and "4 persons whose image was missing or broken" in dataset.summary()
    assert [dataset[i].image_id for i in range(4)] == [10, 10, 14, 14]


def test_mended_images_are_packed_when_it_is_made_again(make_pack, coco_files, caplog):
    whole = make_pack(name="whole")
    image = coco_files[1] / "000012.jpg"
    content = image.read_bytes()
    image.write_bytes(content[:500])
    path = make_pack(skip_broken=True, check_files=False)
    assert "left out: image " in caplog.text and "000012.jpg is cut short" in caplog.text
    before = path.read_bytes()
    assert make_pack(skip_broken=True, check_files=False).read_bytes() == before
    with pytest.raises(ImageError, match="000012.jpg is cut short"):
        make_pack()
    image.write_bytes(content)
    make_pack()
    assert path.read_bytes() == whole.read_bytes()
    assert len(packed(coco_files, path)) == 8


def test_one_process_packs_at_a_time(make_pack, monkeypatch):
    monkeypatch.setattr("datasets.pack_writer.PARENT_LOOK", 0.1)
    path = make_pack()
    with open(path, "rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)        # as another process holds it
        with pytest.raises(ValueError, match="another process is packing .*pack: wait for it"):
            make_pack()
    make_pack()


def test_a_pack_that_is_stopped_ends_workers_that_hang(make_pack, monkeypatch):
    def stopped(images, _):
        read = iter(images)
        yield next(read)
        for worker in multiprocessing.active_children():
            os.kill(worker.pid, signal.SIGSTOP)
        raise KeyboardInterrupt
    monkeypatch.setattr("datasets.pack_writer.bar", stopped)
    monkeypatch.setattr("datasets.workers.END_WITHIN", 0.2)
    before = signal.getsignal(signal.SIGCHLD)
    try:
        with pytest.raises(KeyboardInterrupt):
            make_pack(workers=2)
        assert not multiprocessing.active_children()
    finally:
        for worker in multiprocessing.active_children():
            worker.kill()
        signal.signal(signal.SIGCHLD, before)


@pytest.mark.parametrize("name", ["pack", "pack.index"])
@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
def test_what_is_no_file_is_not_opened(make_pack, tmp_path, name, make):
    make(tmp_path / name)
    with pytest.raises(ValueError, match=f"data.train_pack: .*{name} is no file, but a folder"):
        make_pack()
    assert [path.name for path in tmp_path.glob("pack*")] == [name]
