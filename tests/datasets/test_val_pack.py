"""Packs of the persons to judge: to the last bit what their images give, or a sentence."""
import dataclasses
import json
import shutil

import numpy as np
import pytest

from datasets.coco import MSCOCO
from datasets.crops import crop_pack
from datasets.crops.crop_pack import VAL, CropPack, index_path
from datasets.crops.images import ImageError
from datasets.pack_writer import write_pack
from tests.datasets.crops.crop_packs import COCO, INPUT_SIZE, packed


@pytest.fixture
def boxes(coco_content, tmp_path):
    """A detections file: three boxes in each of two images, one of them twice."""
    rows = [{"image_id": image, "category_id": 1, "score": 0.9 - 0.2 * number,
             "bbox": [7.5 * number, 3.25, 80.0, 90.0]} for image in (10, 12) for number in range(3)]
    path = tmp_path / "boxes.json"
    path.write_text(json.dumps([*rows, rows[0]]))
    return path


@pytest.fixture
def val(coco_files):
    """Function: the data set to judge."""
    return lambda **more: MSCOCO(*coco_files, COCO, split="val",
                                 **{"input_size": INPUT_SIZE} | more)


def same(one: MSCOCO, other: MSCOCO) -> bool:
    pairs = [zip(dataclasses.asdict(a).values(), dataclasses.asdict(b).values(), strict=True)
             for a, b in zip(map(one.__getitem__, range(len(one))),
                             map(other.__getitem__, range(len(other))), strict=True)]
    return len(one) == len(other) > 0 and all(
        np.array_equal(a, b, equal_nan=True) if isinstance(a, np.ndarray) else a == b
        for pair in pairs for a, b in pair)


@pytest.mark.parametrize("alignment", ["hrnet", "udp"])
@pytest.mark.parametrize("detected", [False, True])
def test_samples_are_those_of_the_images_and_need_none(val, tmp_path, coco_files, boxes, alignment,
                                                       detected):
    settings = {"alignment": alignment} | ({"detections": boxes} if detected else {})
    plain = val(**settings)
    write_pack(tmp_path / "pack", plain, None, "raw", 2 if detected else 0)
    assert same(val(pack=tmp_path / "pack", **settings), plain)
    kept = list(map(plain.__getitem__, range(len(plain))))
    some = val(debug=4, pack=tmp_path / "pack", **settings)
    shutil.rmtree(coco_files[1])
    assert len(some) == 4
    assert all(np.array_equal(some[i].crop, kept[i].crop) for i in range(4))
    held = [some[0].crop, some[1].crop]     # no buffer that is used again
    assert np.array_equal(held[0], kept[0].crop)


def test_a_higher_bar_for_boxes_takes_some_of_a_pack(val, tmp_path, boxes):
    write_pack(tmp_path / "pack", val(detections=boxes), None, "raw", 0)
    settings = {"detections": boxes, "box_score": 0.6}
    assert same(val(pack=tmp_path / "pack", **settings), val(**settings))
    write_pack(tmp_path / "few", val(**settings), None, "raw", 0)
    with pytest.raises(ValueError, match=r"boxes.json has changed since .*few \(data.val_pack\) "
                                         r"was made: 2 of 7 persons are new or different"):
        val(detections=boxes, pack=tmp_path / "few")


def test_where_no_box_is_left_a_pack_has_nobody(val, tmp_path, boxes):
    settings = {"detections": boxes, "box_score": 0.95}
    write_pack(tmp_path / "nobody", val(**settings), None, "raw", 0)
    write_pack(tmp_path / "pack", val(detections=boxes), None, "raw", 0)
    for name in ("nobody", "pack"):
        assert len(val(pack=tmp_path / name, **settings)) == 0


@pytest.mark.parametrize("change, words", [
    ({"input_size": (64, 64)}, r"codec.input_size \[48, 64\], not \[64, 64\]: set it back"),
    ({"alignment": "udp"}, "codec.alignment hrnet, not udp: set it back"),
    ({"exif": "obey"}, "data.exif ignore, not obey"), ({"bits": 12}, "data.bits 0, not 12"),
    ({"opencv": "1.2.3"}, "OpenCV .*, not 1.2.3")])
def test_other_settings_are_refused(val, tmp_path, monkeypatch, change, words):
    write_pack(tmp_path / "pack", val(), None, "raw", 0)
    change = dict(change)
    monkeypatch.setattr(crop_pack.cv2, "__version__",
                        change.pop("opencv", crop_pack.cv2.__version__))
    with pytest.raises(ValueError, match=rf"pack \(data.val_pack\) was made with {words}"):
        val(pack=tmp_path / "pack", **change)


def test_other_persons_are_refused(val, tmp_path, coco_content, write_coco, boxes):
    write_pack(tmp_path / "pack", val(), None, "raw", 0)
    with pytest.raises(ValueError, match="was made from .*persons.json, not from .*boxes.json"):
        val(detections=boxes, pack=tmp_path / "pack")
    coco_content["annotations"][3]["bbox"][0] += 1
    write_coco(coco_content)
    with pytest.raises(ValueError, match="persons.json has changed since .*: 1 of 8 persons are"):
        val(pack=tmp_path / "pack")


def test_each_kind_of_pack_is_refused_in_the_place_of_the_other(val, tmp_path, coco_files,
                                                                make_pack):
    write_pack(tmp_path / "val", val(), None, "raw", 0)
    with pytest.raises(ValueError, match=r"pack \(data.val_pack\) has training crops, for "):
        val(pack=make_pack())
    with pytest.raises(ValueError, match=r"val \(data.train_pack\) has finished crops of "):
        packed(coco_files, tmp_path / "val")
    with pytest.raises(ValueError, match=r"pack \(data.val_pack\) has training crops"):
        write_pack(tmp_path / "pack", val(), None, "raw", 0)


@pytest.mark.parametrize("debug", [0, 3])
def test_broken_and_missing_images_are_as_without_it(val, tmp_path, coco_files, debug):
    (coco_files[1] / "000010.jpg").unlink()
    broken = coco_files[1] / "000011.jpg"
    whole = broken.read_bytes()
    broken.write_bytes(whole[:500])
    with pytest.raises(ImageError, match="000010.jpg does not exist"):
        write_pack(tmp_path / "pack", val(check_files=False), None, "raw", 0)
    write_pack(tmp_path / "pack2", val(skip_broken=True, check_files=False), None, "raw", 0)
    plain = val(skip_broken=True, debug=debug)
    there = val(skip_broken=True, debug=debug, pack=tmp_path / "pack2")
    assert same(there, plain) and any(there[i].broken for i in range(len(there)))
    with pytest.raises(ValueError, match="pack2 .data.val_pack. has no pixels of [23] persons"):
        val(debug=debug, pack=tmp_path / "pack2")
    broken.write_bytes(whole)       # mended: made again from there
    write_pack(tmp_path / "pack2", val(skip_broken=True, check_files=False), None, "raw", 0)
    assert same(val(skip_broken=True, pack=tmp_path / "pack2"), val(skip_broken=True))


def test_a_damaged_crop_is_told(val, tmp_path):
    path = tmp_path / "pack"
    write_pack(path, val(), None, "raw", 0)
    data = path.read_bytes()
    path.write_bytes(b"\0\1" + data[2:])
    with pytest.raises(ImageError, match=r"pack \(data.val_pack\) is damaged at byte 0: "):
        val(pack=path)[0]
    write_pack(path, val(), None, "raw", 0)
    assert path.read_bytes() == data and CropPack(path, VAL).header["opencv"]
    index_path(path).unlink()
    with pytest.raises(FileNotFoundError, match=r"data.val_pack: .*pack.index does not exist; ma"):
        val(pack=path)
