"""MPII: its two forms give one crop, and what is odd is left out by name."""
import json
from dataclasses import replace

import cv2
import numpy as np
import pytest

from datasets.annotations.skeleton import load_skeleton
from datasets.imports.mpii import read_mpii
from datasets.imports.write_coco import Notes
from tests.datasets.imports.written import write
from utils.geometry import box_to_center_scale

MPII = load_skeleton("mpii")


def test_both_forms_of_mpii_give_the_crop_of_hrnet(tmp_path):
    cv2.imwrite(str(tmp_path / "p.jpg"), np.zeros((400, 500, 3), np.uint8))
    joints = [[101.0 + 3 * j, 151.0 + 5 * j] for j in range(16)]
    joints[4] = [-1.0, -1.0]
    vis = [1] * 16
    vis[4] = 0
    forms = {"train.json": {"image": "p.jpg", "center": [251.0, 201.0], "scale": 1.2,
                            "joints": joints, "joints_vis": vis},
             "mpii_annotations.json": {
                 "img_paths": "p.jpg", "objpos": [251.0, 201.0], "scale_provided": 1.2,
                 "joint_self": [[*xy, v] for xy, v in zip(joints, vis, strict=True)]}}
    contents = []
    for name, row in forms.items():
        row["head_rect"] = [241.0, 101.0, 271.0, 141.0]
        (tmp_path / name).write_text(json.dumps([row, {"image": 3}]))
        notes = Notes()
        contents.append(write(read_mpii(tmp_path / name, MPII, tmp_path, notes), tmp_path, MPII,
                              notes))
        assert len(notes.bad) == 1 and "person 1, is no person of MPII: its image, " in notes.bad[0]
    assert contents[0] == contents[1]
    person = contents[0]["annotations"][0]
    table = np.reshape(person["keypoints"], (16, 3))
    assert table[0].tolist() == [100, 150, 2] and table[4].tolist() == [0, 0, 0]
    center, scale = box_to_center_scale(np.array(person["bbox"]), (256, 256))
    np.testing.assert_allclose(center, [250, 200 + 15 * 1.2], atol=1e-3)
    np.testing.assert_allclose(scale, 1.2 * 1.25, atol=1e-5)
    assert person["bbox_head"] == [240, 100, 30, 40]
    turned = replace(MPII, joint_names=MPII.joint_names[::-1])  # 16 joints, too, and all wrong
    for skeleton in (load_skeleton("coco"), turned):
        with pytest.raises(ValueError, match="--skeleton mpii"):
            read_mpii(tmp_path / "train.json", skeleton, tmp_path, Notes())
    with pytest.raises(ValueError, match="have no classes: leave --class out"):
        read_mpii(tmp_path / "train.json", MPII, tmp_path, Notes(wanted="person"))
    with pytest.raises(ValueError, match="give --images"):
        read_mpii(tmp_path / "train.json", MPII, None, Notes())


@pytest.mark.parametrize("head, part", [
    ([5, 5, 5, 9], "has the head_rect"), ([1, 2, 3], "no person of MPII"),
    ([1, 2, 3, float("nan")], "has the head_rect"), (None, "")])
def test_head_boxes_of_mpii_are_whole_or_not_there(tmp_path, head, part):
    cv2.imwrite(str(tmp_path / "p.jpg"), np.zeros((400, 500, 3), np.uint8))
    row = {"image": "p.jpg", "center": [251.0, 201.0], "scale": 1.2, "joints": [[9.0, 9.0]] * 16,
           "joints_vis": [1] * 16, "head_rect": head}
    (tmp_path / "train.json").write_text(json.dumps([row]))
    notes = Notes()
    found = read_mpii(tmp_path / "train.json", MPII, tmp_path, notes)
    if part:
        assert part in notes.bad[0] and not found[0]
    else:
        assert "bbox_head" not in write(found, tmp_path, MPII, notes)["annotations"][0]


@pytest.mark.parametrize("name", ["../p.jpg", "a/../../p.jpg", "/{}/p.jpg", "..\\p.jpg"])
def test_an_image_outside_of_the_folder_is_not_looked_at(tmp_path, name):
    row = {"image": name.format(tmp_path), "center": [25.0, 20.0], "scale": 1.2,
           "joints": [[9.0, 9.0]] * 16, "joints_vis": [1] * 16}
    cv2.imwrite(str(tmp_path / "p.jpg"), np.zeros((400, 500, 3), np.uint8))
    (tmp_path / "images" / "a").mkdir(parents=True)
    cv2.imwrite(str(tmp_path / "images" / "q.jpg"), np.zeros((400, 500, 3), np.uint8))
    (tmp_path / "train.json").write_text(json.dumps([row, {**row, "image": "q.jpg"}]))
    notes = Notes()
    content = write(read_mpii(tmp_path / "train.json", MPII, tmp_path / "images", notes), tmp_path,
                    MPII, notes)
    assert [row["file_name"] for row in content["images"]] == ["q.jpg"]
    assert "is outside of the folder of images" in notes.bad[0] and len(notes.bad) == 1


def test_an_mpii_list_without_end_is_refused_and_such_a_person_left_out(tmp_path):
    source, notes = tmp_path / "train.json", Notes()
    source.write_text("[" * 10 ** 5)
    with pytest.raises(ValueError, match="nested too deeply"):
        read_mpii(source, load_skeleton("mpii"), tmp_path, notes)
    row = '{"image": "a.jpg", "center": [1, 2], "scale": 1' + "0" * 400 + ', "joints": [], ' \
        '"joints_vis": []}'
    source.write_text(f"[{row}]")
    read_mpii(source, load_skeleton("mpii"), tmp_path, notes)
    assert len(notes.bad) == 1
