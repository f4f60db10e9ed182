"""What training learns of visibility from annotation files, and from what they leave open."""
import json

import numpy as np
import pytest

from configs.schema import AugmentConfig
from datasets.annotations.annotated_sets import AnnotatedSet, read_sets
from datasets.annotations.skeleton import load_skeleton
from datasets.visibility_labels import visibility_labels

COCO, MPII = load_skeleton("coco"), load_skeleton("mpii")


def annotated(folder, name, v, skeleton=COCO):
    """A file of one person with these v."""
    joints = np.zeros((skeleton.num_joints, 3))
    joints[:len(v)] = [(10 + place, 20 + place, value) for place, value in enumerate(v)]
    (folder / name).write_text(json.dumps({
        "images": [{"id": 1, "file_name": "a.jpg", "width": 100, "height": 100}],
        "categories": [{"id": 1, "name": "person", "keypoints": list(skeleton.joint_names)}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "iscrowd": 0, "area": 900,
                         "bbox": [5, 5, 60, 60], "keypoints": joints.ravel().tolist()}]}))
    return AnnotatedSet(folder / name, folder, skeleton, "", "data.train_ann_path", "x")


def labels(*sets):
    return visibility_labels(read_sets(sets, COCO, "hrnet"), list(sets), COCO)


def test_it_is_cocos_v(tmp_path):
    found = labels(annotated(tmp_path, "a", [2, 1, 0, 2, 1]))
    assert found.dtype == np.int8 and found[0].tolist() == [2, 1, 0, 2, 1] + [0] * 12


def test_a_file_that_never_hides_a_joint_is_warned_about(tmp_path, caplog):
    found = labels(annotated(tmp_path, "a", [2, 2, 0]))
    assert found[0, :3].tolist() == [2, 2, 0]
    assert "are visible (v = 2), so the network learns that every joint is that or" in caplog.text


def test_beside_one_that_tells_its_labelled_joints_say_nothing(tmp_path, caplog):
    caplog.set_level("INFO")
    found = labels(annotated(tmp_path, "a", [2, 1, 0]), annotated(tmp_path, "b", [1, 0, 1]))
    assert found[:, :3].tolist() == [[2, 1, 0], [3, 0, 3]]
    assert f"all labelled joints of {tmp_path / 'b'} are hidden (v = 1), which tells" in caplog.text


def test_joints_that_a_set_does_not_have_are_unknown(tmp_path):
    other = annotated(tmp_path, "b", [2, 1] + [2] * 14, MPII)
    found = labels(annotated(tmp_path, "a", [2, 1, 0]), other)
    has = [name in MPII.joint_names for name in COCO.joint_names]
    assert any(has) and not all(has)
    assert ((found[1] == -1) == ~np.array(has)).all() and not (found[0] == -1).any()


@pytest.mark.parametrize("flip", [0.0, 1.0])
def test_samples_carry_it_to_the_side_they_show(tmp_path, flip):
    cv2 = pytest.importorskip("cv2")
    from datasets.coco import MSCOCO
    cv2.imwrite(str(tmp_path / "a.jpg"), np.zeros((100, 100, 3), np.uint8))
    part = annotated(tmp_path, "a", [2, 1, 0, 2, 1, 1, 2])
    dataset = MSCOCO(part.ann_path, tmp_path, COCO, augment=AugmentConfig(
        flip=flip, rotation=0, scale=0))
    plain = dataset[0].visibility
    dataset.labels = labels(part)
    dataset.labels[0, 16] = -1
    wanted = dataset.labels[0].copy()
    dataset.labels[0, 15] = 2       # of a joint that is nowhere in the sample, as in a tilted view
    found = dataset[0].visibility
    order = list(COCO.flip_order) if flip else range(17)
    assert found.tolist() == wanted[order].tolist() and found.dtype == np.float32
    assert ((found > 0) == (plain > 0)).all()
