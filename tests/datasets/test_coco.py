"""MSCOCO: who is in it, and what is said about wrong files."""
import json
import re

import cv2
import numpy as np
import pytest

from configs.schema import AugmentConfig, CodecConfig, Config, DataConfig
from datasets.annotations.skeleton import load_skeleton
from datasets.coco import MSCOCO, train_set, val_set
from datasets.crops.images import ImageError
from utils.errors import UserError
from utils.geometry import CropGeometry

COCO = load_skeleton("coco")
ALL = AugmentConfig(flip=0.5, rotation=45, rotation_prob=0.8, scale=0.35, half_body=0.5)


# ---- who is in it

def test_persons_of_an_image_are_neighbours(coco_content, write_coco):
    coco_content["annotations"].sort(key=lambda row: row["id"] % 100)      # mixed up in the file
    dataset = MSCOCO(*write_coco(coco_content), COCO)
    assert len(dataset) == 8 and dataset.persons.image_ids.tolist() == [10, 11, 12, 14]
    assert [dataset[i].image_id for i in range(8)] == [10, 10, 11, 12, 12, 12, 14, 14]
    assert dataset.persons.ids.tolist() == [0, 1, 100, 200, 201, 202, 400, 401]
    assert dataset.image_path(3).name == "000012.jpg"
    assert "8 persons in 4 images" in dataset.summary()


@pytest.mark.parametrize("change, words", [
    ({"iscrowd": 1}, "1 crowds left out"),
    ({"keypoints": [0] * 51}, "1 persons without labelled joints left out"),
    ({"image_id": 99}, "1 persons in images that the file does not list left out"),
    ({"category_id": 2}, "1 annotations of other categories (2: 1) left out"),
    ({"category_id": "1"}, "1 annotations of other categories ('1': 1) left out"),
    ({"category_id": [1]}, "1 annotations of other categories ([1]: 1) left out"),
    ({"bbox": [10, 10, float("nan"), 20]}, "1 boxes without size"),
    ({"bbox": [10, 10, 0, 20]}, "1 boxes without size"),
    ({"bbox": [10, 10, -5, 20]}, "1 boxes without size"),
    ({"bbox": [500, 10, 30, 30]}, "1 boxes without size"),
    ({"bbox": [-50, 10, 30, 30]}, "1 boxes without size"),
    ({"bbox": [10, 10, 1, 1]}, "1 boxes without size"),
    ({"area": 0}, "1 persons whose area is not above 0"),
    ({"area": -4.5}, "1 persons whose area is not above 0"),
    ({"keypoints": [9000, 50, 2] + [0] * 48}, "1 joints far outside"),
])
def test_what_is_left_out_is_counted(coco_content, write_coco, change, words):
    coco_content["annotations"][3].update(change)
    dataset = MSCOCO(*write_coco(coco_content), COCO)
    assert len(dataset) == 7 and 200 not in dataset.persons.ids
    assert words in dataset.summary()


def test_a_joint_far_outside_is_not_used_but_the_others_are(coco_content, write_coco):
    joints = coco_content["annotations"][0]["keypoints"]
    joints[0:3], joints[3:6] = [9000, 50, 2], [float("nan"), 5, 2]
    dataset = MSCOCO(*write_coco(coco_content), COCO)
    assert "2 joints far outside their image not used" in dataset.summary()
    assert dataset.persons.visibility[0].tolist() == [0, 0] + [1] * 15
    assert np.isfinite(dataset[0].keypoints).all() and dataset[0].visibility[:2].sum() == 0


def test_missing_areas_are_told(coco_content, write_coco):
    del coco_content["annotations"][0]["area"]
    dataset = MSCOCO(*write_coco(coco_content), COCO)
    assert len(dataset) == 8 and "1 areas missing and taken as 0.53" in dataset.summary()


def test_a_config_gives_its_training_and_validation_set(coco_content, write_coco):
    path, root = map(str, write_coco(coco_content))
    config = Config(data=DataConfig(
        train_ann_path=path, train_img_root=root, val_ann_path=path, val_img_root=root, debug=3,
        skip_broken=True), codec=CodecConfig(input_size=(96, 128), alignment="udp"), seed=7)
    trained, judged = train_set(config, COCO), val_set(config, COCO)
    assert trained.augment is config.augment and trained.seed == 7 and judged.augment is None
    for dataset, key in ((trained, "data.train_ann_path"), (judged, "data.val_ann_path")):
        assert len(dataset) == 3 and dataset.skip_broken and dataset.sets[0].ann_key == key
        assert dataset.geometry == CropGeometry((96, 128), "udp")


def test_debug_takes_the_first(coco_content, write_coco):
    dataset = MSCOCO(*write_coco(coco_content), COCO, debug=3)
    assert len(dataset) == 3 and dataset.persons.image_ids.tolist() == [10, 11]
    assert len(MSCOCO(*write_coco(coco_content), COCO, debug=False)) == 8


# ---- wrong annotation files

@pytest.mark.parametrize("text, words", [
    ("not json", "is not JSON"), ("[]", "not a COCO annotation file"), ("\x00\xff", "is not JSON"),
    ('{"images": [], "annotations": []}', "categories"), ("", "is not JSON"),
    ('{"images": [], "annotations": [], "categories": [{"name": "cat", "id": 1}, '
     '{"name": "dog", "id": 2}]}', "no category named person"),
    ('{"images": [{"id": "a"}], "annotations": [], "categories": [{"name": "person", "id": 1}]}',
     "image in row 0 has the id 'a', which is no whole number"),
    ('{"images": [], "annotations": [], "categories": [{"name": "person", "id": 1}]}',
     "no person is left"),
])
def test_wrong_annotation_file(tmp_path, text, words):
    (tmp_path / "wrong.json").write_text(text, encoding="latin-1")
    with pytest.raises(ValueError, match=words) as caught:
        MSCOCO(tmp_path / "wrong.json", tmp_path, COCO, split="val")
    assert "wrong.json" in str(caught.value) and "data.val_ann_path" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("field", ["keypoints", "bbox", "image_id", "category_id"])
def test_missing_field_names_the_annotation(coco_content, write_coco, field):
    del coco_content["annotations"][4][field]
    words = rf"\(data.train_ann_path\): annotation 201 has no {field}"
    with pytest.raises(ValueError, match=words):
        MSCOCO(*write_coco(coco_content), COCO)


@pytest.mark.parametrize("field, value, words", [
    ("keypoints", [1, 2, 2] * 14, "42 numbers in keypoints instead of 51.*skeleton coco"),
    ("keypoints", ["x"] * 51, "something else than numbers in keypoints"),
    ("bbox", [1, 2, 3], "3 numbers in bbox instead of 4"), ("bbox", None, "no bbox"),
    ("bbox", 5, "1 number in bbox instead of 4"),
    ("bbox", [1, 2, [3], 4], "something else than numbers in bbox"),
    ("area", "big", "something else than numbers in area"),
    ("keypoints", [10 ** 400] * 51, "numbers in keypoints, or numbers without end"),
    ("bbox", [1, 2, 3, 10 ** 400], "numbers without end"), ("area", 10 ** 400, "numbers without"),
    ("image_id", "12", "the image_id '12', which is no number"),
    ("iscrowd", "0", "iscrowd that is neither 0 nor 1"), ("iscrowd", [0], "that is neither 0 nor"),
])
def test_wrong_field_names_the_annotation(coco_content, write_coco, field, value, words):
    coco_content["annotations"][4][field] = value
    with pytest.raises(ValueError, match=f"annotation 201 has .*{words}"):
        MSCOCO(*write_coco(coco_content), COCO)


@pytest.mark.parametrize("field, value, words", [
    ("id", 10.0, "the id 10.0, which is no whole number"), ("id", "10", "the id '10', which is no"),
    ("id", 2 ** 70, "the id 1180591620717411303424, which is beyond 64 bits"),
    ("file_name", None, "no file_name"), ("file_name", 7, "the file_name 7, which is no text"),
    ("width", float("inf"), "the width inf, which is no number of pixels"),
    ("height", 2 ** 31, "the height 2147483648, which is no number of pixels"),
    ("height", 0, "the height 0, which"),
    ("width", 10 ** 400, "the width a number of some 400 digits"),
    ("width", "wide", "the width 'wide', which"), ("width", None, "no width")])
def test_an_image_that_cannot_be_used_says_which_field_it_is(
        coco_content, write_coco, field, value, words):
    path, root = write_coco(coco_content)
    coco_content["images"][1][field] = value
    path.write_text(json.dumps(coco_content))
    with pytest.raises(UserError, match=f"persons.json .*: the image in row 1 has {words}"):
        MSCOCO(path, root, COCO)


def test_annotation_ids_of_any_size_do_no_harm(coco_content, write_coco):
    for number, row in enumerate(coco_content["annotations"]):
        row["id"] = 2 ** 70 + number
    assert MSCOCO(*write_coco(coco_content), COCO).persons.ids.tolist() == list(range(8))


def test_nobody_left_says_why(coco_content, write_coco):
    for row in coco_content["annotations"]:
        row["category_id"] = "1"
    with pytest.raises(UserError, match=r"no person is left.*8 annotations of other categories "
                                        r"\('1': 8\) left out"):
        MSCOCO(*write_coco(coco_content), COCO)


def test_many_other_categories_are_counted_and_not_all_listed(coco_content, write_coco):
    for number, row in enumerate(coco_content["annotations"][1:]):
        row["category_id"] = 10 + number
    assert ("7 annotations of other categories (10: 1, 11: 1, 12: 1, 13: 1, 14: 1, ...) left out"
            in MSCOCO(*write_coco(coco_content), COCO).summary())


def test_missing_annotation_file_and_folder(coco_content, write_coco, tmp_path):
    path, root = write_coco(coco_content)
    with pytest.raises(FileNotFoundError, match=r"no\.json \(data.train_ann_path\)"):
        MSCOCO(tmp_path / "no.json", root, COCO)
    with pytest.raises(FileNotFoundError, match="data.val_img_root: the folder .*nowhere"):
        MSCOCO(path, tmp_path / "nowhere", COCO, split="val")


# ---- images

def test_missing_images_are_told_at_the_start(coco_content, write_coco):
    path, root = write_coco(coco_content)
    (root / "000011.jpg").unlink()
    (root / "000012.jpg").unlink()
    (root / "000013.jpg").unlink()      # nobody is in it, so nobody misses it
    with pytest.raises(FileNotFoundError, match="data.train_img_root: 2 of 4 images .*000011.jpg"):
        MSCOCO(path, root, COCO)
    dataset = MSCOCO(path, root, COCO, skip_broken=True)
    assert len(dataset) == 4
    assert "4 persons whose image file is missing left out" in dataset.summary()


@pytest.mark.parametrize("change, words", [
    (lambda name: f"images\\{name}", "; they are there without the folder in file_name"),
    (lambda name: f"D:\\data\\{name}", "; they are there without the folder in file_name"),
    (lambda name: f"http://x.org/{name}", "; they are there without the folder in file_name"),
    (lambda name: name.replace(".jpg", ".JPG"), "; they are there in another case"),
    (lambda name: f"a/{name.upper()}", "in file_name, and in another case"),
    (lambda name: "x" * 10 ** 5, ", first xxx.{99,300}; add them")])
def test_names_that_are_there_in_another_spelling(coco_content, write_coco, change, words):
    path, root = write_coco(coco_content)
    for image in coco_content["images"]:
        image["file_name"] = change(image["file_name"])
    path.write_text(json.dumps(coco_content))
    with pytest.raises(FileNotFoundError, match=words) as caught:
        MSCOCO(path, root, COCO)
    assert len(str(caught.value)) < 1000
    with pytest.raises(UserError, match=f"is missing left out.*{words[:14]}|missing left out$"):
        MSCOCO(path, root, COCO, skip_broken=True)


@pytest.fixture
def broken(coco_content, write_coco):
    """Arguments of a data set whose second image is cut short."""
    path, root = write_coco(coco_content)
    content = (root / "000011.jpg").read_bytes()
    (root / "000011.jpg").write_bytes(content[:len(content) // 2])
    return path, root, COCO


def test_broken_image_names_its_file(broken):
    dataset = MSCOCO(*broken)
    with pytest.raises(ImageError, match="000011.jpg .*data.skip_broken"):
        dataset[2]
    assert dataset[3].image_id == 12        # the others still work


def test_skip_broken_marks_the_sample(broken):
    sample = MSCOCO(*broken, skip_broken=True)[2]
    assert sample.broken and sample.index == 2 and sample.image_id == 11
    assert sample.visibility.sum() == 0 and sample.crop.sum() == 0


def test_another_person_takes_the_place_of_a_broken_training_sample(broken):
    """A black crop would go into the statistics of batch norms and the mean of the loss."""
    one, other = (MSCOCO(*broken, skip_broken=True, augment=ALL) for _ in range(2))
    other[(9, 0)]       # nothing that was read before changes the choice
    taken = []
    for epoch in range(12):
        sample, again = one[(epoch, 2)], other[(epoch, 2)]
        assert sample.broken and sample.index == 2 and sample.visibility.any()
        assert np.array_equal(sample.crop, again.crop)
        taken += [index for index in range(8) if index != 2
                  and np.array_equal(one[(epoch, index)].crop, sample.crop)]
    assert len(taken) == 12 and len(set(taken)) > 3
    assert not one[(0, 3)].broken


def test_a_data_set_of_broken_images_only_ends_the_run(broken):
    path, root, skeleton = broken
    for file in root.iterdir():
        file.write_bytes(b"")
    with pytest.raises(ImageError, match="00001[0-4].jpg is empty.* of 8 other persons"):
        MSCOCO(path, root, skeleton, skip_broken=True, augment=ALL)[(0, 1)]


def test_image_of_another_size_is_refused(coco_content, write_coco):
    path, root = write_coco(coco_content)
    cv2.imwrite(str(root / "000010.jpg"), np.zeros((60, 80, 3), np.uint8))
    with pytest.raises(ImageError, match="000010.jpg has 80x60 pixels but .* says 160x120"):
        MSCOCO(path, root, COCO)[0]


def test_an_image_is_decoded_once_for_its_persons(coco_content, write_coco, monkeypatch):
    read = []
    dataset = MSCOCO(*write_coco(coco_content), COCO)
    from_file = MSCOCO.image.__globals__["read_image"]
    monkeypatch.setitem(MSCOCO.image.__globals__, "read_image",
                        lambda path, **how: read.append(path.name) or from_file(path))
    for index in range(len(dataset)):
        dataset[index]
    assert read == ["000010.jpg", "000011.jpg", "000012.jpg", "000014.jpg"]


def test_real_subset_is_read_as_counted(shared):
    coco = shared / "data" / "coco"
    dataset = MSCOCO(coco / "annotations" / "person_keypoints_train2017.json", coco / "train2017",
                     COCO)
    assert len(dataset) == 213
    assert re.search("213 persons in 67 images.*6 crowds.*124 persons without labelled joints",
                     dataset.summary())
