"""Packs give the crops of the images, go on after an interruption, and refuse what cannot be."""
import dataclasses
import fcntl
import json
import pickle
import shutil

import cv2
import numpy as np
import pytest
import torch

from configs.schema import AugmentConfig, DataConfig
from datasets.coco import MSCOCO
from datasets.crop_pack import RECORD, CropPack, index_path, person_keys
from datasets.images import ImageError
from datasets.loaders import train_loader
from datasets.pack_writer import write_pack
from datasets.skeleton import load_skeleton

COCO = load_skeleton("coco")
AUGMENT = AugmentConfig(rotation=30, scale=0.25, half_body=0.5)
SIZE = (48, 64)


@pytest.fixture
def files(coco_content, write_coco):
    """Annotation file and image folder."""
    return write_coco(coco_content)


@pytest.fixture
def make(files, tmp_path):
    """Function: make or finish a pack of the files; returns its path."""
    def pack(form="jpeg", augment=AUGMENT, name="pack", workers=0, **settings):
        path = tmp_path / name
        dataset = MSCOCO(*files, COCO, input_size=SIZE, **settings)
        write_pack(path, dataset, augment, form, workers)
        return path
    return pack


def packed(files, path, augment=AUGMENT, **settings) -> MSCOCO:
    return MSCOCO(*files, COCO, augment=augment, pack=path, **{"input_size": SIZE} | settings)


def assert_same(one, other):
    for field in dataclasses.fields(one):
        np.testing.assert_array_equal(getattr(one, field.name), getattr(other, field.name))


def psnr(one, other) -> float:
    error = ((one.astype(float) - other) ** 2).mean()
    return 10 * np.log10(255 ** 2 / max(error, 0.01))


# ---- the same samples

@pytest.mark.parametrize("form, lowest", [("jpeg", 30), ("raw", 33)])
def test_crops_and_joints_are_those_of_the_images(files, make, form, lowest):
    images, pack = MSCOCO(*files, COCO, augment=AUGMENT, input_size=SIZE), packed(files, make(form))
    halves = 0
    for epoch in range(5):
        for index in range(len(images)):
            one, other = images[epoch, index], pack[epoch, index]
            assert psnr(one.crop, other.crop) > lowest
            assert_same(one, dataclasses.replace(other, crop=one.crop))
            halves += pack._plan((epoch, index))[1].part > 0
    assert 10 < halves < 30     # of 40, the halves have pieces of their own


def test_real_crops_differ_little(shared, tmp_path):
    """A mean PSNR above 35 dB, with and without augmentation."""
    coco = shared / "data" / "coco"
    files = coco / "annotations" / "person_keypoints_train2017.json", coco / "train2017"
    augment = AugmentConfig(rotation=45, scale=0.35, half_body=0.3)
    still = AugmentConfig(rotation=0, scale=0, flip=0)
    write_pack(tmp_path / "pack", MSCOCO(*files, COCO), augment, "jpeg", 2)
    for views in (augment, still):
        images = MSCOCO(*files, COCO, augment=views)
        pack = MSCOCO(*files, COCO, augment=views, pack=tmp_path / "pack")
        values = [psnr(images[i].crop, pack[i].crop) for i in range(0, len(images), 3)]
        assert np.mean(values) > 36.5 and min(values) > 25


def test_images_are_not_needed(files, make):
    path = make()
    sample = packed(files, path)[3, 4]
    shutil.rmtree(files[1])
    assert_same(packed(files, path)[3, 4], sample)


def test_a_part_of_the_data_set_finds_its_crops(files, make):
    path = make()
    few, all_ = packed(files, path, debug=3), packed(files, path)
    assert len(few) == 3 and "crops from" in few.summary()
    assert_same(few[2, 2], all_[2, 2])


def test_workers_and_copies_read_the_same(files, make):
    dataset = packed(files, make())
    dataset[0]      # the file is open now; each process must have its own
    assert_same(pickle.loads(pickle.dumps(dataset))[1, 5], dataset[1, 5])
    runs = [list(train_loader(dataset, DataConfig(batch_size=4, num_workers=workers), seed=0,
                              epochs=2)) for workers in (0, 1, 2)]
    for run in runs[1:]:
        for one, other in zip(runs[0], run, strict=True):
            assert torch.equal(one.crop, other.crop) and torch.equal(one.draws, other.draws)


# ---- making one

def test_processes_write_the_same_pack(make):
    alone, two = make(name="alone"), make(name="two", workers=2)
    assert alone.read_bytes() == two.read_bytes()
    assert index_path(alone).read_bytes() == index_path(two).read_bytes()


@pytest.mark.parametrize("form", ["jpeg", "raw"])
def test_an_interrupted_pack_goes_on_anywhere(make, form):
    path = make(form)
    data, index = path.read_bytes(), index_path(path).read_bytes()
    start, rng = index.index(b"\n") + 1, np.random.default_rng(0)
    for _ in range(12):
        # the pixels are on the disk before the record; a power cut may keep only later writes
        index_path(path).write_bytes(index[:rng.integers(start, len(index))])
        path.write_bytes(data[:rng.integers(0, len(data))])
        with pytest.raises(ValueError, match="not finished|cut short|damaged"):
            CropPack(path)
        make(form)
        assert path.read_bytes() == data and index_path(path).read_bytes() == index


def test_only_what_is_missing_is_made(make, monkeypatch, files):
    path = make()
    index = index_path(path).read_bytes()
    index_path(path).write_bytes(index[:-RECORD.itemsize - 9])
    read = []
    from_file = MSCOCO.image
    monkeypatch.setattr(MSCOCO, "image", lambda self, row: read.append(row) or from_file(self, row))
    make()
    assert read == [3] and index_path(path).read_bytes() == index
    make()
    assert read == [3]


def test_a_start_that_came_to_nothing_is_forgotten(make, tmp_path):
    (tmp_path / "pack").touch()
    CropPack(make())


def test_a_damaged_pack_is_repaired(make):
    path = make()
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    make()
    data[len(data) // 2] ^= 1
    assert path.read_bytes() == data


def test_other_files_are_left_alone(make, files, tmp_path):
    (tmp_path / "pack").write_text("a letter")
    with pytest.raises(ValueError, match="pack exists and is no crop pack"):
        make()
    (tmp_path / "pack.index").write_text("{}\n")
    with pytest.raises(ValueError, match="no index of a crop pack"):
        make()
    assert (tmp_path / "pack").read_text() == "a letter"


@pytest.mark.parametrize("changes, words", [
    ({"form": "raw"}, "data.pack_format jpeg instead of raw"),
    ({"augment": dataclasses.replace(AUGMENT, scale=0.2)}, "augment.scale 0.25 instead of 0.2"),
    ({"alignment": "dark"}, "codec.alignment hrnet instead of dark"),
    ({"debug": 5}, r"other annotations \(8 persons of .*, not the 5 of .*\)")])
def test_a_pack_of_something_else_is_not_overwritten(make, changes, words):
    path = make()
    before = path.read_bytes()
    with pytest.raises(ValueError, match=rf"\(data.train_pack\) was made with {words}: delete it"):
        make(**changes)
    assert path.read_bytes() == before


def test_a_broken_image_stops_packing_or_is_left_out(make, files):
    broken = files[1] / "000012.jpg"
    broken.write_bytes(broken.read_bytes()[:500])
    with pytest.raises(ImageError, match="000012.jpg is cut short"):
        make()
    (files[1] / "000011.jpg").unlink()
    path = make(skip_broken=True, check_files=False, name="other")
    with pytest.raises(ValueError, match="no pixels of 4 persons whose image was missing or broke"):
        packed(files, path)
    dataset = packed(files, path, skip_broken=True)
    assert len(dataset) == 4 and "4 persons whose image was missing or broken" in dataset.summary()
    assert [dataset[i].image_id for i in range(4)] == [10, 10, 14, 14]


def test_mended_images_are_packed_when_it_is_made_again(make, files, caplog):
    whole = make(name="whole")
    image = files[1] / "000012.jpg"
    content = image.read_bytes()
    image.write_bytes(content[:500])
    path = make(skip_broken=True, check_files=False)
    assert "left out: image " in caplog.text and "000012.jpg is cut short" in caplog.text
    before = path.read_bytes()
    assert make(skip_broken=True, check_files=False).read_bytes() == before
    with pytest.raises(ImageError, match="000012.jpg is cut short"):
        make()
    image.write_bytes(content)
    make()
    assert path.read_bytes() == whole.read_bytes()
    assert len(packed(files, path)) == 8


def test_one_process_packs_at_a_time(make, monkeypatch):
    monkeypatch.setattr("datasets.pack_writer.PARENT_LOOK", 0.1)
    path = make()
    with open(path, "rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)        # as another process holds it
        with pytest.raises(ValueError, match="another process is packing .*pack: wait for it"):
            make()
    make()


# ---- refusals

@pytest.mark.parametrize("changes, words", [
    ({"augment": dataclasses.replace(AUGMENT, scale=0.3)}, "room for augment.scale 0.25, but 0.3"),
    ({"augment": dataclasses.replace(AUGMENT, rotation=31)}, "augment.rotation 30, but 31"),
    ({"augment": dataclasses.replace(AUGMENT, perspective=0.1)}, "augment.perspective 0, but 0.1"),
    ({"augment": dataclasses.replace(AUGMENT, box_jitter=1)}, "augment.box_jitter 0, but 1"),
    ({"alignment": "dark"}, "codec.alignment hrnet, not dark"),
    ({"input_size": (96, 128)}, r"codec.input_size \[48, 64\], not \[96, 128\]"),
    ({"input_size": (48, 48)}, r"not \[48, 48\]"),
])
def test_more_than_was_packed_is_refused(files, make, changes, words):
    with pytest.raises(ValueError, match=rf"pack \(data.train_pack\) .*{words}.*pack again"):
        packed(files, make(), **changes)


@pytest.mark.parametrize("changes", [
    {"scale": 0.1}, {"rotation": 90, "rotation_prob": 0}, {"half_body": 0.9}, {"half_body": 0},
    {"hue": 10, "blur": 0.5}])
def test_less_or_other_things_are_fine(files, make, changes):
    packed(files, make(), dataclasses.replace(AUGMENT, **changes))[0]


def test_half_body_needs_its_pieces(files, make):
    path = make(augment=dataclasses.replace(AUGMENT, half_body=0))
    with pytest.raises(ValueError, match="room for augment.half_body 0, but 1 is asked for"):
        packed(files, path)


@pytest.mark.parametrize("change", [
    {"bbox": [21.0, 10.0, 90.0, 80.0]}, {"keypoints": [31, 20, 2] * 17}, {"id": 777}])
def test_changed_annotations_are_refused(files, make, coco_content, change):
    path = make()
    coco_content["annotations"][4].update(change)
    files[0].write_text(json.dumps(coco_content))
    with pytest.raises(ValueError, match="persons.json has changed since .*: 1 of 8 persons .* "
                                         f"annotation {change.get('id', 201)}"):
        packed(files, path)


def test_what_decides_nothing_may_change(files, make, coco_content):
    path = make()
    coco_content["annotations"].sort(key=lambda row: -row["id"] % 7)
    for row in coco_content["annotations"]:
        row["area"] = 123.0
    files[0].write_text(json.dumps(coco_content, indent=1))
    packed(files, path)


def test_another_data_set_is_refused(files, make, coco_content, tmp_path):
    path = make()
    for row in coco_content["images"]:
        row["file_name"] = row["file_name"].replace("0000", "1111")
    other = tmp_path / "other.json"
    other.write_text(json.dumps(coco_content))
    with pytest.raises(ValueError, match=r"pack \(data.train_pack\) was made from .*persons.json, "
                                         r"not from .*other.json, of whose .* none: name the"):
        packed((other, files[1]), path)
    files[0].write_text(other.read_text())      # the same name, other people
    with pytest.raises(ValueError, match="persons.json has changed since .*: 8 of 8 persons"):
        packed(files, path)
    with pytest.raises(ValueError, match=r"with other annotations \(8 persons of .*persons.json, "
                                         r"not the 8 of .*persons.json as it is now\): delete it"):
        make(check_files=False)


def test_missing_cut_and_unfinished_packs(files, make, tmp_path):
    with pytest.raises(FileNotFoundError, match="data.train_pack: .*none.* does not exist.*pack"):
        packed(files, tmp_path / "none")
    path = make()
    data, index = path.read_bytes(), index_path(path).read_bytes()
    path.write_bytes(data[:-1])
    with pytest.raises(ValueError, match=r"pack \(data.train_pack\) is cut short: it has"):
        packed(files, path)
    path.write_bytes(data)
    index_path(path).write_bytes(index[:len(index) // 2])
    with pytest.raises(ValueError, match="not finished, it has . of 8 persons"):
        packed(files, path)
    index_path(path).write_bytes(b"not json\n")
    with pytest.raises(ValueError, match="no index of a crop pack"):
        packed(files, path)
    path.unlink()
    with pytest.raises(FileNotFoundError, match="does not exist"):
        packed(files, path)


@pytest.mark.parametrize("form", ["jpeg", "raw"])
def test_a_damaged_crop_is_noticed_when_it_is_read(files, make, form):
    path = make(form)
    data = bytearray(path.read_bytes())
    data[100] ^= 64
    path.write_bytes(data)
    plain = dataclasses.replace(AUGMENT, half_body=0)
    with pytest.raises(ImageError, match=r"pack \(data.train_pack\) is damaged at byte 0: "):
        packed(files, path, plain)[0]
    assert packed(files, path, plain, skip_broken=True)[0].index == -1
    assert packed(files, path, plain)[1].index == 1     # the others are as they were


@pytest.mark.parametrize("field", ["left", "height", "stored_width", "crc", "offset"])
def test_a_damaged_record_is_noticed_and_repaired(files, make, field):
    """A piece in a wrong place would train wrong joints."""
    path = make()
    whole = index_path(path).read_bytes()
    damaged, start = bytearray(whole), whole.index(b"\n") + 1
    damaged[start + RECORD.fields[field][1]] ^= 8
    index_path(path).write_bytes(damaged)
    plain = dataclasses.replace(AUGMENT, half_body=0)
    with pytest.raises(ImageError, match=r"pack \(data.train_pack\) is damaged at byte"):
        packed(files, path, plain)[0]
    make()
    assert index_path(path).read_bytes() == whole


@pytest.mark.parametrize("old, new", [
    (b'"persons": 8', b'"persons": 7'), (b'"persons"', b'"parsons"'), (b'"crc"', b'"src"'),
    (b'"rotation"', b'"notation"')])
def test_a_damaged_header_is_noticed(files, make, old, new):
    path = make()
    content = index_path(path).read_bytes()
    assert content.count(old) == 1
    index_path(path).write_bytes(content.replace(old, new))
    with pytest.raises(ValueError, match="pack.index .* is no index of .*, or is damaged: pack ag"):
        packed(files, path)


def test_a_file_that_becomes_shorter_while_it_is_used(files, make):
    path = make()
    dataset = packed(files, path)
    path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(ImageError, match="is cut short at byte|is damaged"):
        dataset[7]


def test_keys_tell_persons_apart(files):
    dataset = MSCOCO(*files, COCO)
    keys = person_keys(dataset.persons)
    assert len(set(keys.tolist())) == 8
    order = np.array([5, 0, 7])
    assert person_keys(dataset.persons.select(order)).tolist() == keys[order].tolist()


def test_a_grey_piece_and_a_png_are_packed(files, make):
    pixels = cv2.imread(str(files[1] / "000010.jpg"), cv2.IMREAD_GRAYSCALE)
    cv2.imwrite(str(files[1] / "000010.jpg"), pixels)
    crop = packed(files, make("raw"))[0].crop
    assert (crop == crop[..., :1]).all()
