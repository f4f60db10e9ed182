"""MSCOCO: what a sample is, where its joints are, and the official loaders' numbers."""
import copy
import dataclasses
import json

import cv2
import numpy as np
import pytest
import torch

from configs.schema import AugmentConfig
from datasets import person_crops
from datasets.annotations.skeleton import load_skeleton
from datasets.coco import MSCOCO
from datasets.crops.augment import View
from datasets.crops.warp import view_matrix
from datasets.pack_writer import write_pack
from datasets.sample import collate
from utils.geometry import CropGeometry
from utils.heatmap_codec import HeatmapCodec

COCO = load_skeleton("coco")
ALL = AugmentConfig(flip=0.5, rotation=45, rotation_prob=0.8, scale=0.35, half_body=0.5)


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


def test_each_image_is_looked_at_for_a_cut_once(coco_content, write_coco, monkeypatch):
    """It costs a decoding more, and what was whole is whole in the next epoch."""
    looked, read = [], person_crops.read_image
    monkeypatch.setattr(person_crops, "read_image", lambda path, look_for_cut, **other: (
        looked.append(look_for_cut) or read(path, look_for_cut=look_for_cut, **other)))
    images = MSCOCO(*write_coco(coco_content), COCO)
    rows = range(len(images.persons.image_ids))
    for _ in range(2):
        images.forget_image()
        assert all(images.image(row).size for row in rows)
    assert looked == [True] * len(rows) + [False] * len(rows) and len(rows) > 1


def test_shapes_and_types(coco_content, write_coco):
    sample = MSCOCO(*write_coco(coco_content), COCO, input_size=(96, 128))[np.int64(2)]
    assert sample.crop.shape == (128, 96, 3) and sample.crop.dtype == np.uint8
    assert sample.keypoints.shape == (17, 2) and sample.keypoints.dtype == np.float32
    assert sample.visibility.shape == (17,) and sample.visibility.dtype == np.float32
    assert sample.to_image.shape == (2, 3) and sample.to_image.dtype == np.float32
    assert sample.box_score == 1 and sample.index == 2


@pytest.mark.parametrize("encoding", ["exact", "rounded"])
def test_joints_beside_the_crop_are_painted_as_far_as_their_gaussian_reaches(
        coco_content, write_coco, encoding):
    """As the official loaders do: up to 3 sigma beyond the map a joint keeps its weight."""
    for row in coco_content["annotations"]:
        row["bbox"] = [40, 20, 50, 40]
    dataset = MSCOCO(*write_coco(coco_content), COCO, augment=ALL)
    batch = collate([dataset[epoch, index] for epoch in range(40) for index in range(8)])
    assert (batch.visibility == 1).all()        # all are labelled
    maps, weights = HeatmapCodec(encoding=encoding).encode(batch.keypoints, batch.visibility)
    x, y = batch.keypoints.unbind(-1)
    inside = (x > -0.5) & (x < 191.5) & (y > -0.5) & (y < 255.5)
    beyond = torch.stack([-x, x - 188, -y, y - 252]).amax(0) / 4     # heatmap pixels off the map
    assert weights[inside].all() and weights[beyond < 6].all()
    assert not weights[beyond > 8.6].any()      # they round up to another 2.5 pixels towards it
    painted = maps.flatten(2).amax(-1)
    assert (painted[beyond < 5] > 0.001).all() and not painted[beyond > 8.6].any()
    outside = (weights > 0) & ~inside
    assert 0.02 < outside.sum() / weights.sum() < 0.3 and (beyond > 8.6).any()


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
    compared, codec = 0, HeatmapCodec(encoding="rounded")
    for mine, theirs in pairs:
        sample = dataset[int(mine)]
        seen = sample.visibility > 0
        _, weights = codec.encode(*(torch.from_numpy(values)[None] for values in (
            sample.keypoints, sample.visibility)))
        assert np.array_equal(weights[0], golden["hrnet_target_weight"][theirs][:, 0])
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
    matrix = view_matrix(view, CropGeometry())
    turned = dataset._sample(first, view, matrix, np.empty(0, np.float32))
    np.testing.assert_allclose(cv2.invertAffineTransform(golden["crop_rot30_scale12_trans"]),
                               turned.to_image, rtol=1e-3)
    assert_close(turned.crop, golden["crop_rot30_scale12_uint8"])


def assert_close(crop: np.ndarray, official: np.ndarray):
    assert np.abs(crop.astype(int) - official).mean() < 1
