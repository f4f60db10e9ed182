"""MSCOCO: who is in it, what a sample is, and what is said about wrong files."""
import copy
import dataclasses
import json
import re

import cv2
import numpy as np
import pytest

from configs.schema import AugmentConfig
from datasets.augment import View
from datasets.coco import MSCOCO
from datasets.images import ImageError
from datasets.pack_writer import write_pack
from datasets.skeleton import load_skeleton
from datasets.warp import view_matrix

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
    ({"category_id": 2}, ""),
    ({"bbox": [10, 10, float("nan"), 20]}, "1 boxes without size"),
    ({"bbox": [10, 10, 0, 20]}, "1 boxes without size"),
    ({"bbox": [10, 10, -5, 20]}, "1 boxes without size"),
    ({"bbox": [500, 10, 30, 30]}, "1 boxes without size"),
    ({"bbox": [-50, 10, 30, 30]}, "1 boxes without size"),
    ({"bbox": [10, 10, 1, 1]}, "1 boxes without size"),
    ({"area": 0}, "1 boxes without size"),
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


def test_debug_takes_the_first(coco_content, write_coco):
    dataset = MSCOCO(*write_coco(coco_content), COCO, debug=3)
    assert len(dataset) == 3 and dataset.persons.image_ids.tolist() == [10, 11]
    assert len(MSCOCO(*write_coco(coco_content), COCO, debug=False)) == 8


# ---- detections

def write_detections(tmp_path, rows: list):
    path = tmp_path / "detections.json"
    path.write_text(json.dumps(rows))
    return path


def detection(**changes) -> dict:
    return {"image_id": 11, "category_id": 1, "bbox": [-9, 5, 30, 60], "score": 0.5, **changes}


def test_detections_replace_the_boxes(coco_content, write_coco, tmp_path):
    rows = [detection(), detection(image_id=13.0, score=0.9), detection(image_id=11, score=0.25),
            detection(category_id=2), detection(score=0.1), detection(image_id=77),
            detection(image_id=[11]),
            detection(bbox=[1, 2, 0, 4]), detection(bbox=[1, 2, float("nan"), 4]),
            detection(bbox=[1, 2, 3, -4])]
    dataset = MSCOCO(*write_coco(coco_content), COCO, split="val", box_score=0.2,
                     detections=write_detections(tmp_path, rows))
    assert dataset.persons.ids.tolist() == [0, 2, 1]        # image 13 has no annotated person
    assert dataset.persons.boxes[0].tolist() == [-9, 5, 30, 60]     # not cut to the image
    assert [round(dataset[i].box_score, 3) for i in range(3)] == [0.5, 0.25, 0.9]
    assert dataset[0].visibility.sum() == 0
    assert dataset[0].area == pytest.approx(45 * 60 * 1.25 ** 2, rel=1e-5)
    for words in ("1 boxes with a score below 0.2", "3 boxes without size or not finite",
                  "2 boxes in images that the annotation file does not list"):
        assert words in dataset.summary()


@pytest.mark.parametrize("rows, words", [
    ({"a": 1}, "not a detections file"), ([detection(), {"image_id": 11}], "row 1 has no category"),
    ([detection(bbox=[1, 2, 3])], "row 0 has 3 numbers in bbox instead of 4"),
])
def test_wrong_detections(coco_content, write_coco, tmp_path, rows, words):
    with pytest.raises(ValueError, match=words) as caught:
        MSCOCO(*write_coco(coco_content), COCO, detections=write_detections(tmp_path, rows))
    assert "val.boxes" in str(caught.value) and "detections.json" in str(caught.value)


@pytest.mark.parametrize("rows, words", [
    ([], "0 persons in 0 images"), ([detection(score=None)], "1 boxes without size or not finite"),
    ([detection(image_id=77)], "1 boxes in images that the annotation file does not list")])
def test_a_detector_that_finds_nobody_is_no_error(coco_content, write_coco, tmp_path, rows, words):
    dataset = MSCOCO(*write_coco(coco_content), COCO, detections=write_detections(tmp_path, rows))
    assert len(dataset) == 0 and words in dataset.summary()


def test_missing_detections_file(coco_content, write_coco, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no\.json \(val.boxes\) does not exist"):
        MSCOCO(*write_coco(coco_content), COCO, detections=tmp_path / "no.json")


# ---- wrong annotation files

@pytest.mark.parametrize("text, words", [
    ("not json", "is not JSON"), ("[]", "not a COCO annotation file"), ("\x00\xff", "is not JSON"),
    ('{"images": [], "annotations": []}', "categories"), ("", "is not JSON"),
    ('{"images": [], "annotations": [], "categories": [{"name": "cat", "id": 1}, '
     '{"name": "dog", "id": 2}]}', "no category named person"),
    ('{"images": [{"id": "a"}], "annotations": [], "categories": [{"name": "person", "id": 1}]}',
     "image in row 0 needs id"),
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
    ("keypoints", ["x"] * 51, "keypoints that is not made of numbers"),
    ("bbox", [1, 2, 3], "3 numbers in bbox instead of 4"), ("bbox", None, "numbers in bbox"),
    ("bbox", [1, 2, [3], 4], "bbox that is not made of numbers"),
    ("area", "big", "area that is not made of numbers"),
])
def test_wrong_field_names_the_annotation(coco_content, write_coco, field, value, words):
    coco_content["annotations"][4][field] = value
    with pytest.raises(ValueError, match=f"annotation 201 has .*{words}"):
        MSCOCO(*write_coco(coco_content), COCO)


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
    sample = MSCOCO(*broken, skip_broken=True, augment=ALL)[(4, 2)]
    assert sample.index == -3 and sample.image_id == 11
    assert sample.visibility.sum() == 0 and sample.crop.sum() == 0
    assert MSCOCO(*broken, skip_broken=True).image_path(sample.index).name == "000011.jpg"


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
                        lambda path: read.append(path.name) or from_file(path))
    for index in range(len(dataset)):
        dataset[index]
    assert read == ["000010.jpg", "000011.jpg", "000012.jpg", "000014.jpg"]


# ---- what a sample is

def assert_same(one, other):
    for field in dataclasses.fields(one):
        np.testing.assert_array_equal(getattr(one, field.name), getattr(other, field.name))


def test_a_sample_depends_on_seed_epoch_and_index_only(coco_content, write_coco):
    files = write_coco(coco_content)
    one, other = MSCOCO(*files, COCO, augment=ALL), MSCOCO(*files, COCO, augment=ALL)
    for key in [(0, 3), (5, 3), (5, 0)]:
        assert_same(one[key], other[key])
    other[(1, 1)]
    assert_same(one[(2, 7)], other[(2, 7)])
    assert_same(one[4], one[(0, 4)])
    crops = [one[(epoch, 3)].crop for epoch in range(4)]
    assert len({crop.tobytes() for crop in crops}) == 4
    reseeded = MSCOCO(*files, COCO, augment=ALL, seed=1)
    assert not np.array_equal(one[(0, 3)].crop, reseeded[(0, 3)].crop)


def test_shapes_and_types(coco_content, write_coco):
    sample = MSCOCO(*write_coco(coco_content), COCO, input_size=(96, 128))[np.int64(2)]
    assert sample.crop.shape == (128, 96, 3) and sample.crop.dtype == np.uint8
    assert sample.keypoints.shape == (17, 2) and sample.keypoints.dtype == np.float32
    assert sample.visibility.shape == (17,) and sample.visibility.dtype == np.float32
    assert sample.to_image.shape == (2, 3) and sample.to_image.dtype == np.float32
    assert sample.box_score == 1 and sample.index == 2


def test_joints_outside_the_crop_are_not_visible(coco_content, write_coco):
    for row in coco_content["annotations"]:
        row["bbox"] = [20, 10, 30, 40]
    dataset = MSCOCO(*write_coco(coco_content), COCO)
    sample = dataset[0]
    inside = ((sample.keypoints > -0.5) & (sample.keypoints < [191.5, 255.5])).all(axis=1)
    assert 0 < inside.sum() < 17
    assert np.array_equal(sample.visibility > 0, inside)


@pytest.fixture
def mark(coco_content, tmp_path):
    """Function: factor -> arguments of a data set of 17 black images with one person each; image
    j shows only joint j, as a small spot. Images, persons and spots grow with the factor."""
    def write(factor: int = 1):
        rng = np.random.default_rng(5)
        joints = rng.uniform(60, 260, (17, 2)).round(2) * factor
        width, height = 320 * factor, 310 * factor
        content = copy.deepcopy(coco_content)
        content["images"] = [{"id": j, "file_name": f"{j}.png", "width": width, "height": height}
                             for j in range(17)]
        flat = [float(v) for point in joints for v in (*point, 2)]
        box = [factor * side for side in (50, 40, 220, 230)]
        content["annotations"] = [
            {"id": j, "image_id": j, "category_id": 1, "iscrowd": 0, "area": 9000, "bbox": box,
             "keypoints": flat} for j in range(17)]
        y, x = np.mgrid[:height, :width]
        for j, (px, py) in enumerate(joints):
            spot = 255 * np.exp(-((x - px) ** 2 + (y - py) ** 2) / (2 * (3 * factor) ** 2))
            cv2.imwrite(str(tmp_path / f"{j}.png"), spot.round().astype(np.uint8))
        (tmp_path / "marked.json").write_text(json.dumps(content))
        return tmp_path / "marked.json", tmp_path, COCO
    return write


@pytest.fixture
def marked(mark):
    return mark()


@pytest.mark.parametrize("alignment", ["hrnet", "dark", "udp"])
@pytest.mark.parametrize("changes", [{}, {"perspective": 0.25}, {"box_jitter": 1.0}, {
    "perspective": 0.2, "box_jitter": 1.0, "rotation": 90, "scale": 0.5}])
def test_marks_are_found_where_the_keypoints_say(marked, alignment, changes):
    """Whatever is drawn moves pixels, joints and the way back alike."""
    augment = dataclasses.replace(ALL, **changes)
    find_marks(MSCOCO(*marked, augment=augment, alignment=alignment))


@pytest.mark.parametrize("alignment, source, factor, changes", [
    ("hrnet", "jpeg", 1, {"perspective": 0.2, "box_jitter": 1.0}), ("dark", "raw", 1, {}),
    ("hrnet", "raw", 4, {"scale": 0.2}), ("udp", "jpeg", 4, {"perspective": 0.1, "scale": 0.2})])
def test_marks_are_found_in_packed_crops(mark, tmp_path, alignment, source, factor, changes):
    augment, files = dataclasses.replace(ALL, **changes), mark(factor)
    write_pack(tmp_path / "pack", MSCOCO(*files, alignment=alignment), augment, source, 0)
    dataset = MSCOCO(*files, augment=augment, alignment=alignment, pack=tmp_path / "pack")
    assert (dataset.pack.steps.max() > 2) == (factor == 4)      # stored smaller than the image
    find_marks(dataset)


def find_marks(dataset: MSCOCO):
    """The spots are within half a pixel of the keypoints, in many crops."""
    original = dataset.persons.keypoints[0]
    y, x = np.mgrid[:256, :192]
    checked = flipped = 0
    for epoch in range(6):
        for joint in range(17):
            sample = dataset[(epoch, joint)]
            mirrored = dataset._plan((epoch, joint))[1].flip
            name = COCO.flip_order[joint] if mirrored else joint    # a mirrored left is a right
            point = sample.keypoints[name]
            if dataset.augment.perspective:
                assert np.isnan(sample.to_image).all()
            else:
                back = sample.to_image[:, :2] @ point + sample.to_image[:, 2]
                np.testing.assert_allclose(back, original[joint], atol=0.02)
            weight = (sample.crop[..., 0] - 3.0).clip(0)    # without the noise of a JPEG
            if min(*point, *([191, 255] - point)) < 30:
                continue        # the spot is cut by the edge
            assert sample.visibility[name] == 1
            found = np.array([(weight * x).sum(), (weight * y).sum()]) / weight.sum()
            assert np.abs(found - point).max() < 0.5
            checked, flipped = checked + 1, flipped + mirrored
    assert checked > 25 and 8 < flipped < checked - 8


def test_a_flip_mirrors_the_crop(marked):
    plain = MSCOCO(*marked)[5]
    only_flip = AugmentConfig(flip=1, rotation=0, scale=0, half_body=0)
    mirrored = MSCOCO(*marked, augment=only_flip)[5]
    assert np.abs(mirrored.crop[:, ::-1].astype(int) - plain.crop).max() <= 1
    order = list(COCO.flip_order)
    np.testing.assert_allclose(mirrored.keypoints[:, 0], 191 - plain.keypoints[order, 0], atol=1e-3)
    np.testing.assert_allclose(mirrored.keypoints[:, 1], plain.keypoints[order, 1], atol=1e-3)


# ---- the official loaders' numbers

@pytest.fixture
def real(shared):
    """Function: alignment -> (data set of real persons, golden numbers, pairs of rows)."""
    def load(alignment: str):
        coco = shared / "data" / "coco"
        dataset = MSCOCO(coco / "annotations" / "person_keypoints_val2017.json", coco / "val2017",
                         COCO, alignment=alignment, split="val")
        golden = np.load(shared / "golden" / "dataset.npz")
        centers = golden["dark_db_center" if alignment == "dark" else "db_center"]
        ours = dataset.persons.image_ids[dataset.persons.image_rows]
        pairs = []
        for image_id in np.intersect1d(golden["db_image_id"], ours):
            mine, theirs = np.flatnonzero(ours == image_id), np.flatnonzero(
                golden["db_image_id"] == image_id)
            assert len(mine) == len(theirs)
            mine = mine[np.lexsort(dataset.center[mine].T)]
            pairs += zip(mine, theirs[np.lexsort(centers[theirs].T)], strict=True)
        assert len(pairs) == 55     # of 68; seven images of the golden set are not at hand
        return dataset, golden, pairs
    return load


@pytest.mark.parametrize("alignment, prefix", [("hrnet", "db_"), ("dark", "dark_db_")])
def test_boxes_and_joints_equal_the_official_loader(real, alignment, prefix):
    dataset, golden, pairs = real(alignment)
    mine, theirs = (list(rows) for rows in zip(*pairs, strict=True))
    np.testing.assert_allclose(dataset.center[mine], golden[prefix + "center"][theirs], rtol=1e-6)
    np.testing.assert_allclose(dataset.scale[mine], golden[prefix + "scale"][theirs], rtol=1e-6)
    assert np.array_equal(dataset.persons.visibility[mine], golden["db_vis"][theirs][..., 0])
    joints = golden["db_joints"][theirs][..., :2]
    np.testing.assert_allclose(dataset.persons.keypoints[mine], joints, rtol=1e-6)


def test_crops_equal_the_official_loader(real):
    dataset, golden, pairs = real("hrnet")
    crops = dict(zip(golden["crop_idx"].tolist(), golden["crop_rgb_uint8"], strict=True))
    compared = 0
    for mine, theirs in pairs:
        sample = dataset[int(mine)]
        seen = sample.visibility > 0
        np.testing.assert_allclose(
            sample.keypoints[seen], golden["hrnet_joints_input_px"][theirs][seen, :2], atol=0.01)
        statistics = golden["crop_norm_mean3_std3_rawmean"][theirs]
        assert sample.crop.mean() == pytest.approx(statistics[6], abs=0.5)
        if theirs in crops:
            compared += 1
            assert_close(sample.crop, crops[theirs])
    assert compared == 3


def test_dark_and_turned_crops_equal_the_official_loader(real):
    dataset, golden, pairs = real("dark")
    first = next(int(mine) for mine, theirs in pairs if theirs == golden["crop_idx"][0])
    assert_close(dataset[first].crop, golden["dark_crop_rgb_uint8_first"])
    dataset, golden, pairs = real("hrnet")
    view = View(dataset.center[first], dataset.scale[first] * np.float32(1.2), rotation=30.0)
    matrix = view_matrix(view, (192, 256), "hrnet")
    turned = dataset._sample(first, view, matrix, np.empty(0, np.float32))
    np.testing.assert_allclose(cv2.invertAffineTransform(golden["crop_rot30_scale12_trans"]),
                               turned.to_image, rtol=1e-3)
    assert_close(turned.crop, golden["crop_rot30_scale12_uint8"])


def assert_close(crop: np.ndarray, official: np.ndarray):
    assert np.abs(crop.astype(int) - official).mean() < 1


def test_real_subset_is_read_as_counted(shared):
    coco = shared / "data" / "coco"
    dataset = MSCOCO(coco / "annotations" / "person_keypoints_train2017.json", coco / "train2017",
                     COCO)
    assert len(dataset) == 213
    assert re.search("213 persons in 67 images.*124 persons without labelled joints.*6 crowds",
                     dataset.summary())
