"""The same pictures in both sets are found by their pixels, unless who is labelled is elsewhere."""
import cv2
import numpy as np
import pytest

from datasets.doctor import check_images
from datasets.doctor.check_images import same_pictures
from datasets.doctor.examine import Diagnosis
from tests.datasets.doctor.sets import COCO, raw_set

SIZE = (1200, 900)


def cage(folder, name, at, labelled=True, scale=1.0):
    """A picture of a camera that stands still, and of a small animal, as a set of one."""
    noise = np.random.default_rng(0).normal(128, 400, (9, 12)).clip(60, 190).astype(np.uint8)
    picture = cv2.resize(noise, SIZE, interpolation=cv2.INTER_CUBIC)
    cv2.circle(picture, at, 6, 0, -1)
    (folder / name).mkdir()
    width, height = (int(side * scale) for side in SIZE)
    cv2.imwrite(str(folder / name / "a.jpg"), cv2.resize(picture, (width, height)))
    joints = [value * scale for value in (at[0] - 8, at[1], at[0] + 8, at[1])]
    row = {"id": 1, "image_id": 1, "category_id": 1, "area": 99, "num_keypoints": 2,
           "bbox": [scale * value for value in (at[0] - 10, at[1] - 10, 20, 20)],
           "keypoints": [*joints[:2], 2, *joints[2:], 2] + [0] * 45}
    return raw_set(folder / name, {
        "images": [{"id": 1, "file_name": "a.jpg", "width": width, "height": height}],
        "annotations": [row] * labelled, "categories": [{"id": 1, "name": "mouse"}]}, COCO)


@pytest.mark.parametrize("at, labelled, scale, same", [
    ((300, 300), True, 1, True), ((300, 300), True, 0.5, True), ((700, 500), True, 1, False),
    ((700, 500), False, 1, True), ((308, 300), True, 1, False)])
def test_a_camera_that_stands_still(tmp_path, at, labelled, scale, same):
    train, val = cage(tmp_path, "train", (300, 300)), cage(tmp_path, "val", at, labelled, scale)
    assert same_pictures(train, val) == ({0: 0} if same else {})


def test_pictures_that_are_not_compared_are_told(tmp_path, monkeypatch):
    train, val = (cage(tmp_path, name, (300, 300), scale=scale)
                  for name, scale in (("train", 1), ("val", 0.9)))
    for pixels, told in ((1.8 * 1200 * 900 / 5, 0), (1.8 * 1200 * 900 / 9, 1)):     # JPEGs are fast
        monkeypatch.setattr(check_images, "MOST_PIXELS", pixels)
        diagnosis = Diagnosis((), (train,), val)
        assert str(diagnosis).count("too many pixels to compare all pictures") == told
        assert len([*check_images.overlap([train], val)]) == 1 - told
