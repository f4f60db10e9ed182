"""Packs give the crops of the images, and refuse what they cannot give."""
import dataclasses
import json
import pickle
import shutil

import cv2
import numpy as np
import pytest
import torch

from configs.schema import AugmentConfig, DataConfig
from datasets.coco import MSCOCO
from datasets.crops.crop_pack import RECORD, index_path, person_keys
from datasets.crops.images import ImageError
from datasets.loaders import train_loader
from datasets.pack_writer import write_pack
from tests.datasets.crops.crop_packs import AUGMENT, COCO, INPUT_SIZE, packed
from tests.turned_pictures import store_turned
from utils.errors import UserError


def assert_same(one, other):
    for field in dataclasses.fields(one):
        np.testing.assert_array_equal(getattr(one, field.name), getattr(other, field.name))


def psnr(one, other) -> float:
    error = ((one.astype(float) - other) ** 2).mean()
    return 10 * np.log10(255 ** 2 / max(error, 0.01))


# ---- the same samples

@pytest.mark.parametrize("form, lowest", [("jpeg", 30), ("raw", 33)])
def test_crops_and_joints_are_those_of_the_images(coco_files, make_pack, form, lowest):
    images = MSCOCO(*coco_files, COCO, augment=AUGMENT, input_size=INPUT_SIZE)
    pack = packed(coco_files, make_pack(form))
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
    coco_files = coco / "annotations" / "person_keypoints_train2017.json", coco / "train2017"
    augment = AugmentConfig(rotation=45, scale=0.35, half_body=0.3)
    still = AugmentConfig(rotation=0, scale=0, flip=0)
    write_pack(tmp_path / "pack", MSCOCO(*coco_files, COCO), augment, "jpeg", 2)
    for views in (augment, still):
        images = MSCOCO(*coco_files, COCO, augment=views)
        pack = MSCOCO(*coco_files, COCO, augment=views, pack=tmp_path / "pack")
        values = [psnr(images[i].crop, pack[i].crop) for i in range(0, len(images), 3)]
        assert np.mean(values) > 36.5 and min(values) > 25


@pytest.mark.parametrize("orientation, exif, row_exif", [
    (6, "default", ""), (3, "obey", ""), (3, "default", "obey"), (3, "default", "")])
def test_a_pack_stores_what_training_reads(coco_content, write_coco, tmp_path, orientation, exif,
                                           row_exif):
    for image in coco_content["images"]:
        image.update({"exif": row_exif} if row_exif else {})
    files = write_coco(coco_content)
    for image in files[1].iterdir():
        store_turned(image, orientation)
    plain = MSCOCO(*files, COCO, augment=AUGMENT, input_size=INPUT_SIZE, exif=exif)
    write_pack(tmp_path / "pack", MSCOCO(*files, COCO, input_size=INPUT_SIZE, exif=exif), AUGMENT,
               "raw", 0)
    pack = packed(files, tmp_path / "pack", exif=exif)
    assert all(psnr(plain[index].crop, pack[index].crop) > 30 for index in range(len(plain)))


@pytest.mark.parametrize("settings, words", [({"exif": "obey"}, "data.exif ignore, not obey"),
                                             ({"bits": 12}, "data.bits 0, not 12")])
def test_a_pack_of_images_that_were_read_otherwise_is_refused(coco_files, make_pack, settings,
                                                              words):
    path = make_pack()
    packed(coco_files, path, exif="ignore")
    with pytest.raises(UserError, match=f"was made with {words}"):
        packed(coco_files, path, **settings)


def test_what_a_row_says_of_its_orientation_makes_other_persons(coco_content, write_coco):
    table = MSCOCO(*write_coco(coco_content), COCO).persons
    said = dataclasses.replace(table, exif=np.full(len(table.exif), "obey"))
    assert (person_keys(table) != person_keys(said)).all()


def test_images_are_not_needed(coco_files, make_pack):
    path = make_pack()
    sample = packed(coco_files, path)[3, 4]
    shutil.rmtree(coco_files[1])
    assert_same(packed(coco_files, path)[3, 4], sample)


def test_a_part_of_the_data_set_finds_its_crops(coco_files, make_pack):
    path = make_pack()
    few, all_ = packed(coco_files, path, debug=3), packed(coco_files, path)
    assert len(few) == 3 and "crops from" in few.summary()
    assert_same(few[2, 2], all_[2, 2])


def test_workers_and_copies_read_the_same(coco_files, make_pack):
    dataset = packed(coco_files, make_pack())
    dataset[0]      # the file is open now; each process must have its own
    assert_same(pickle.loads(pickle.dumps(dataset))[1, 5], dataset[1, 5])
    runs = [list(train_loader(dataset, DataConfig(batch_size=4, num_workers=workers), seed=0,
                              epochs=2)) for workers in (0, 1, 2)]
    for run in runs[1:]:
        for one, other in zip(runs[0], run, strict=True):
            assert torch.equal(one.crop, other.crop) and torch.equal(one.draws, other.draws)


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
def test_more_than_was_packed_is_refused(coco_files, make_pack, changes, words):
    with pytest.raises(ValueError, match=rf"pack \(data.train_pack\) .*{words}.*pack again"):
        packed(coco_files, make_pack(), **changes)


@pytest.mark.parametrize("changes", [
    {"scale": 0.1}, {"rotation": 90, "rotation_prob": 0}, {"half_body": 0.9}, {"half_body": 0},
    {"hue": 10, "blur": 0.5}])
def test_less_or_other_things_are_fine(coco_files, make_pack, changes):
    packed(coco_files, make_pack(), dataclasses.replace(AUGMENT, **changes))[0]


def test_half_body_needs_its_pieces(coco_files, make_pack):
    path = make_pack(augment=dataclasses.replace(AUGMENT, half_body=0))
    with pytest.raises(ValueError, match="room for augment.half_body 0, but 1 is asked for"):
        packed(coco_files, path)


@pytest.mark.parametrize("change", [
    {"bbox": [21.0, 10.0, 90.0, 80.0]}, {"keypoints": [31, 20, 2] * 17}, {"id": 777}])
def test_changed_annotations_are_refused(coco_files, make_pack, coco_content, change):
    path = make_pack()
    coco_content["annotations"][4].update(change)
    coco_files[0].write_text(json.dumps(coco_content))
    with pytest.raises(ValueError, match="persons.json has changed since .*: 1 of 8 persons .* "
                                         f"annotation {change.get('id', 201)}"):
        packed(coco_files, path)


def test_what_decides_nothing_may_change(coco_files, make_pack, coco_content):
    path = make_pack()
    coco_content["annotations"].sort(key=lambda row: -row["id"] % 7)
    for row in coco_content["annotations"]:
        row["area"] = 123.0
    coco_files[0].write_text(json.dumps(coco_content, indent=1))
    packed(coco_files, path)


def test_another_data_set_is_refused(coco_files, make_pack, coco_content, tmp_path):
    path = make_pack()
    for row in coco_content["images"]:
        row["file_name"] = row["file_name"].replace("0000", "1111")
    other = tmp_path / "other.json"
    other.write_text(json.dumps(coco_content))
    with pytest.raises(ValueError, match=r"pack \(data.train_pack\) was made from .*persons.json, "
                                         r"not from .*other.json, of whose .* none: name the"):
        packed((other, coco_files[1]), path)
    coco_files[0].write_text(other.read_text())      # the same name, other people
    with pytest.raises(ValueError, match="persons.json has changed since .*: 8 of 8 persons"):
        packed(coco_files, path)
    with pytest.raises(ValueError, match=r"with other annotations \(8 persons of .*persons.json, "
                                         r"not the 8 of .*persons.json as it is now\): delete it"):
        make_pack(check_files=False)


def test_missing_cut_and_unfinished_packs(coco_files, make_pack, tmp_path):
    with pytest.raises(FileNotFoundError, match="data.train_pack: .*none.* does not exist.*pack"):
        packed(coco_files, tmp_path / "none")
    path = make_pack()
    data, index = path.read_bytes(), index_path(path).read_bytes()
    path.write_bytes(data[:-1])
    with pytest.raises(ValueError, match=r"pack \(data.train_pack\) is cut short: it has"):
        packed(coco_files, path)
    path.write_bytes(data)
    index_path(path).write_bytes(index[:len(index) // 2])
    with pytest.raises(ValueError, match="not finished, it has . of 8 persons"):
        packed(coco_files, path)
    index_path(path).write_bytes(b"not json\n")
    with pytest.raises(ValueError, match="no index of a crop pack"):
        packed(coco_files, path)
    path.unlink()
    with pytest.raises(FileNotFoundError, match="does not exist"):
        packed(coco_files, path)


@pytest.mark.parametrize("form", ["jpeg", "raw"])
def test_a_damaged_crop_is_noticed_when_it_is_read(coco_files, make_pack, form):
    path = make_pack(form)
    data = bytearray(path.read_bytes())
    data[100] ^= 64
    path.write_bytes(data)
    plain = dataclasses.replace(AUGMENT, half_body=0)
    with pytest.raises(ImageError, match=r"pack \(data.train_pack\) is damaged at byte 0: "):
        packed(coco_files, path, plain)[0]
    assert packed(coco_files, path, plain, skip_broken=True)[0].broken
    assert not packed(coco_files, path, plain)[1].broken     # the others are as they were


@pytest.mark.parametrize("field", ["left", "height", "stored_width", "crc", "offset"])
def test_a_damaged_record_is_noticed_and_repaired(coco_files, make_pack, field):
    """A piece in a wrong place would train wrong joints."""
    path = make_pack()
    whole = index_path(path).read_bytes()
    damaged, start = bytearray(whole), whole.index(b"\n") + 1
    damaged[start + RECORD.fields[field][1]] ^= 8
    index_path(path).write_bytes(damaged)
    plain = dataclasses.replace(AUGMENT, half_body=0)
    with pytest.raises(ImageError, match=r"pack \(data.train_pack\) is damaged at byte"):
        packed(coco_files, path, plain)[0]
    make_pack()
    assert index_path(path).read_bytes() == whole


@pytest.mark.parametrize("old, new", [
    (b'"persons": 8', b'"persons": 7'), (b'"persons"', b'"parsons"'), (b'"crc"', b'"src"'),
    (b'"rotation"', b'"notation"')])
def test_a_damaged_header_is_noticed(coco_files, make_pack, old, new):
    path = make_pack()
    content = index_path(path).read_bytes()
    assert content.count(old) == 1
    index_path(path).write_bytes(content.replace(old, new))
    with pytest.raises(ValueError, match="pack.index .* is no index of .*, or is damaged: pack ag"):
        packed(coco_files, path)


def test_a_header_that_is_nested_too_deeply_is_noticed(coco_files, make_pack):
    path = make_pack()
    index_path(path).write_bytes(b'{"version": ' * 10 ** 5 + b"\n")
    with pytest.raises(UserError, match="pack.index .* is no index of .*, or is damaged: pack ag"):
        packed(coco_files, path)


def test_a_file_that_becomes_shorter_while_it_is_used(coco_files, make_pack):
    path = make_pack()
    dataset = packed(coco_files, path)
    path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(ImageError, match="is cut short at byte|is damaged"):
        dataset[7]


def test_keys_tell_persons_apart(coco_files):
    dataset = MSCOCO(*coco_files, COCO)
    keys = person_keys(dataset.persons)
    assert len(set(keys.tolist())) == 8
    order = np.array([5, 0, 7])
    assert person_keys(dataset.persons.select(order)).tolist() == keys[order].tolist()


def test_a_grey_piece_and_a_png_are_packed(coco_files, make_pack):
    pixels = cv2.imread(str(coco_files[1] / "000010.jpg"), cv2.IMREAD_GRAYSCALE)
    cv2.imwrite(str(coco_files[1] / "000010.jpg"), pixels)
    crop = packed(coco_files, make_pack("raw"))[0].crop
    assert (crop == crop[..., :1]).all()
