"""Areas of thin things, and what is said of longer lists of joints."""
import numpy as np
import pytest

from datasets.annotations.skeleton import skeleton_from_dict
from datasets.doctor.check_records import areas, joint_count
from tests.datasets.doctor.sets import COCO, raw_set

PEN = skeleton_from_dict({"name": "pen", "joints": ["tip", "middle", "end"]}, "pen.yaml")


def things(folder, width, part, count=30):
    """Of three joints, aslant, with an area that is such a part of their box."""
    rng, rows = np.random.default_rng(0), []
    for number in range(1, count + 1):
        length, angle = rng.uniform(80, 120), rng.uniform(0.5, 1)
        along = np.array([np.cos(angle), np.sin(angle)]) * length / 2
        middle = np.array([-along[1], along[0]]) * 2 * width / length
        points = np.stack([-along, middle, along]) + 200
        low, size = points.min(axis=0) - 4, np.ptp(points, axis=0) + 8
        rows.append({"id": number, "image_id": 1, "category_id": 1, "bbox": [*low, *size],
                     "area": part * size.prod(), "num_keypoints": 3,
                     "keypoints": np.column_stack([points, [2] * 3]).ravel().tolist()})
    return raw_set(folder, {"images": [{"id": 1, "file_name": "a", "width": 400, "height": 400}],
                            "annotations": rows, "categories": [{"id": 1, "name": "pen"}]}, PEN)


@pytest.mark.parametrize("width, part, serious", [(1, 0.1, False), (60, 0.1, True), (1, 0.3, None)])
def test_small_areas_are_right_for_thin_things(tmp_path, width, part, serious):
    found = [*areas(things(tmp_path, width, part))]
    assert [finding.serious for finding in found] == ([] if serious is None else [serious])
    assert all(("by their joints these are thin" in one.sentence) != serious for one in found)


@pytest.mark.parametrize("joints, told", [(136, True), (12, False)])
def test_longer_lists_are_for_import(tmp_path, joints, told):
    row = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [9, 9, 9, 9], "area": 50,
           "keypoints": [5, 5, 2] * joints}
    (said,) = joint_count(raw_set(tmp_path, {
        "images": [{"id": 1, "file_name": "a", "width": 400, "height": 400}],
        "annotations": [row], "categories": [{"id": 1, "name": "person"}]}, COCO))
    assert ("`import --from coco` takes" in said.cost) == told
