"""The cache is used for exactly the file it was made from, and is never in the way."""
import dataclasses
import json
import os
import stat

import numpy as np
import pytest

from datasets.annotations import annotation_cache
from datasets.annotations.annotation_cache import cache_paths, cached_persons
from datasets.annotations.readers import read_persons
from datasets.annotations.skeleton import load_skeleton
from datasets.coco import MSCOCO

COCO = load_skeleton("coco")
KEY = "data.train_ann_path"


@pytest.fixture
def path(coco_content, write_coco, monkeypatch, tmp_path):
    """An annotation file that counts as large; the user's cache folder is a temporary one."""
    monkeypatch.setattr(annotation_cache, "SMALLEST", 0)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "user"))
    return write_coco(coco_content)[0]


@pytest.fixture
def reads(monkeypatch):
    """Names of the files that were read as JSON."""
    names = []

    def count(path, *rest):
        names.append(path.name)
        return read_persons(path, *rest)

    monkeypatch.setattr(annotation_cache, "read_persons", count)
    return names


def load(path, alignment="hrnet"):
    return cached_persons(path, COCO, alignment, KEY)


def assert_same(one, other):
    for field in dataclasses.fields(one):
        a, b = getattr(one, field.name), getattr(other, field.name)
        assert type(a) is type(b)
        if isinstance(a, np.ndarray):
            assert a.dtype == b.dtype
        np.testing.assert_array_equal(a, b)


def test_the_second_time_the_same_comes_from_the_cache(path, reads, coco_content):
    coco_content["annotations"][2]["iscrowd"] = 1       # something for the notes
    path.write_text(json.dumps(coco_content))
    first, second = load(path), load(path)
    assert reads == ["persons.json"]
    assert_same(first, second)
    assert_same(first, read_persons(path, COCO, "hrnet", KEY))
    assert second.notes == {"crowds left out": 1}
    assert cache_paths(path, COCO, "hrnet")[0].parent == path.parent


def test_a_changed_file_is_read_anew_even_with_its_old_date_and_size(path, reads):
    load(path)
    status, text = path.stat(), path.read_text()
    path.write_text(text.replace("[20.0, 10.0,", "[20.0, 11.0,", 1))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert path.stat().st_size == status.st_size
    assert load(path).boxes[0, 1] == 11
    assert len(reads) == 2
    path.write_text(text)
    assert load(path).boxes[0, 1] == 10


def test_alignments_do_not_share_a_cache(path, reads):
    assert load(path).boxes[0, 2] + 1 == load(path, "dark").boxes[0, 2]
    load(path), load(path, "dark")
    assert len(reads) == 2


@pytest.mark.parametrize("content", [b"", b"rubbish", b"PK\x03\x04rubbish", None])
def test_a_damaged_cache_is_made_again(path, reads, content):
    good = load(path)
    place = cache_paths(path, COCO, "hrnet")[0]
    place.write_bytes(place.read_bytes()[:-300] if content is None else content)
    assert_same(load(path), good)
    load(path)
    assert len(reads) == 2


@pytest.mark.parametrize("notes", ["[" * 10 ** 5, "{", ""])
def test_a_cache_whose_notes_cannot_be_read_is_made_again(path, reads, notes):
    good = load(path)
    place = cache_paths(path, COCO, "hrnet")[0]
    with np.load(place) as arrays:
        np.savez(place, **{**arrays, "notes": np.array(notes)})
    assert_same(load(path), good)
    assert len(reads) == 2


def test_a_flipped_bit_in_the_cache_is_noticed(path, reads):
    good = load(path)
    place = cache_paths(path, COCO, "hrnet")[0]
    content = bytearray(place.read_bytes())
    spot = content.index(good.boxes.tobytes())
    content[spot + 6] ^= 1
    place.write_bytes(content)
    assert_same(load(path), good)
    assert len(reads) == 2


def test_where_nothing_can_be_written_the_users_folder_is_taken(path, reads, monkeypatch):
    beside, in_folder = cache_paths(path, COCO, "hrnet")
    write = annotation_cache.write_atomically

    def refuse(place, function):
        if place == beside:
            raise PermissionError("read-only")
        write(place, function)

    monkeypatch.setattr(annotation_cache, "write_atomically", refuse)
    load(path), load(path)
    assert reads == ["persons.json"] and in_folder.is_file() and not beside.exists()


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_folder(path, reads, tmp_path):
    path.parent.chmod(stat.S_IREAD | stat.S_IEXEC)
    try:
        load(path), load(path)
    finally:
        path.parent.chmod(stat.S_IRWXU)
    assert len(reads) == 1


def test_without_any_place_it_works_as_before(path, reads, monkeypatch):
    def refuse(place, function):
        raise OSError("no space left")

    monkeypatch.setattr(annotation_cache, "write_atomically", refuse)
    assert_same(load(path), load(path))
    assert len(reads) == 2


def test_small_files_leave_nothing_behind(coco_content, write_coco):
    path, root = write_coco(coco_content)
    before = set(path.parent.iterdir())
    MSCOCO(path, root, COCO)
    assert set(path.parent.iterdir()) == before


def test_a_data_set_is_the_same_from_the_cache(path, reads):
    first, second = (MSCOCO(path, path.parent / "images", COCO) for _ in range(2))
    assert reads == ["persons.json"]
    assert first.summary() == second.summary()
    assert np.array_equal(first[3].crop, second[3].crop)


def test_what_is_wrong_with_a_file_is_said_as_without_a_cache(path, tmp_path):
    path.write_text("not json")
    with pytest.raises(ValueError, match="is not JSON"):
        load(path)
    with pytest.raises(FileNotFoundError, match=r"\(data.train_ann_path\) does not exist"):
        load(tmp_path / "no.json")
    with pytest.raises(ValueError, match="cannot be read"):
        load(tmp_path)
