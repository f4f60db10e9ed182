"""COCO files as other tools write them: what can be mended is, and all of it is said."""
import json
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pytest

import main
from datasets.annotations import coco_file
from datasets.annotations.part_fields import part_names
from datasets.annotations.skeleton import load_skeleton, skeleton_from_dict
from datasets.imports.coco import read_coco_labels
from datasets.imports.write_coco import Notes, write_coco
from utils.errors import UserError

STICK = skeleton_from_dict({"name": "stick", "joints": ["top", "end"]}, "stick.yaml")
JOINTS = [10, 5, 2, 20, 10, 1]
ROW = {"id": 5, "image_id": 3, "category_id": 1, "bbox": [8, 4, 14, 8], "area": 50,
       "iscrowd": 0, "num_keypoints": 2, "keypoints": JOINTS}


def content(annotations: list, images: list | None = None, names=("top", "end"), **more) -> dict:
    return {"images": images or [{"id": 3, "file_name": "a.png", "width": 40, "height": 20}],
            "annotations": annotations,
            "categories": [{"id": 1, "name": "person", "keypoints": list(names)}], **more}


def mended(folder: Path, file: dict, skeleton=STICK, wanted="") -> tuple[dict, Notes]:
    """What is written, and what is said. Pictures are made as far as they have plain names."""
    for image in file["images"]:
        if image.get("file_name", "").isprintable() and not (folder / "a.png").exists():
            cv2.imwrite(str(folder / "a.png"), np.zeros((20, 40, 3), np.uint8))
    (folder / "in.json").write_text(json.dumps(file))
    notes = Notes(wanted=wanted)
    images, root = read_coco_labels(folder / "in.json", skeleton, None, notes)
    return write_coco(images, root, skeleton, "person", folder / "out.json", notes), notes


def test_a_whole_file_stays_as_it_is(tmp_path):
    out, notes = mended(tmp_path, content([ROW]))
    assert out["annotations"] == [{**ROW, "id": 1}]
    assert out["images"] == [{"id": 3, "file_name": "a.png", "width": 40, "height": 20}]
    assert not notes.counts and not notes.remarks and not notes.bad


def test_a_file_is_parsed_once(tmp_path, monkeypatch):
    parsed, read = [], coco_file.read_json
    monkeypatch.setattr(coco_file, "read_json", lambda *words: parsed.append(words) or read(*words))
    mended(tmp_path, content([ROW]))
    assert len(parsed) == 1


@pytest.mark.parametrize("change, field, value, note", [
    ({"bbox": None}, "bbox", [6, 1, 18, 13], "boxes made around the joints"),
    ({"bbox": [8, 4, 0, 8]}, "bbox", [6, 1, 18, 13], "boxes made around the joints"),
    ({"bbox": ["x"]}, "bbox", [6, 1, 18, 13], "boxes made around the joints"),
    ({"area": None}, "area", 59.36, "areas made from the boxes"),
    ({"area": -1}, "area", 59.36, "areas made from the boxes"),
    ({"num_keypoints": 0}, "num_keypoints", 2, "num_keypoints that were not the number of "
                                               "labelled joints made anew"),
    ({"keypoints": [[10, 5, 2], [20, 10, 1]]}, "keypoints", JOINTS, ""),
    ({"keypoints": [[[10, 5, 2], [20, 10, 1]]]}, "keypoints", JOINTS, ""),
    ({"keypoints": [[10, 5], [20, 10]]}, "keypoints", [10, 5, 2, 20, 10, 2],
     "persons whose joints have no v: 0 0 is not labelled"),
    ({"keypoints": [10, 5, 0.7, 20, 10, 1]}, "keypoints", JOINTS,
     "joints whose v is none of 0, 1 and 2 taken as visible"),
    ({"keypoints": [None, None, 2, 20, 10, 1]}, "keypoints", [0, 0, 0, 20, 10, 1],
     "joints without a place left out"),
    ({"keypoints": [9, 9, 0, 20, 10, 1], "num_keypoints": 1}, "keypoints", [0, 0, 0, 20, 10, 1],
     ""),
    ({"image_id": "3"}, "image_id", 3, ""), ({"category_id": "1"}, "category_id", 1, ""),
    ({"iscrowd": 1}, "iscrowd", 1, ""), ({"iscrowd": None}, "iscrowd", 0, ""),
])
def test_what_can_be_mended(tmp_path, change, field, value, note):
    other = ROW | {"id": 6, "keypoints": [1, 1, 2, 9, 9, 2]}
    out, notes = mended(tmp_path, content([ROW | change, other]))
    assert out["annotations"][0][field] == pytest.approx(value)
    assert not note or notes.counts[note] == 1
    assert sum(notes.counts.values()) <= 2


@pytest.mark.parametrize("keypoints", [None, [], "x", [1, 2, 3, 4]])
def test_persons_without_keypoints_are_boxes(tmp_path, keypoints):
    row = {key: value for key, value in ROW.items() if key not in ("keypoints", "num_keypoints")}
    row |= {} if keypoints is None else {"keypoints": keypoints}
    out, notes = mended(tmp_path, content([row, ROW]))
    assert [person["num_keypoints"] for person in out["annotations"]] == [0, 2]
    assert notes.counts["persons with a box only: not trained on, not judged"] == 1
    assert notes.counts["keypoints that are no numbers, or not three for each joint, left out"] == (
        keypoints in ("x", [1, 2, 3, 4]))


def test_ids_of_images_that_are_text_are_numbered(tmp_path):
    file = content([ROW | {"image_id": "b4"}],
                   [{"id": "b4", "file_name": "a.png", "width": 40, "height": 20}])
    out, notes = mended(tmp_path, file)
    assert out["images"][0]["id"] == out["annotations"][0]["image_id"] == 1
    assert "numbered anew" in notes.remarks[0]


def test_images_of_no_use_and_their_persons_are_counted(tmp_path):
    images = [{"id": 3, "file_name": "a.png"}, {"id": 4}, {"id": 5, "file_name": "b.png"},
              {"id": 5, "file_name": "c.png"}]
    out, notes = mended(tmp_path, content([ROW, ROW | {"image_id": 9}], images))
    assert [image["id"] for image in out["images"]] == [3]
    assert notes.counts == {
        "images without a file_name, or with an id that another one has, left out": 3,
        "persons in images that the file does not list left out": 1}


@pytest.mark.parametrize("name", ["D:\\set\\a.png", "/home/x/a.png", "train2017/a.png", "../a.png"])
def test_file_names_of_another_computer(tmp_path, name):
    out, notes = mended(tmp_path, content([ROW], [{"id": 3, "file_name": name}]))
    assert out["images"][0]["file_name"] == "a.png"
    assert notes.counts == {"file names without their folder, as the images lie": 1}


@pytest.mark.parametrize("images", ["images", ".", "../images/default", "../default", "../images"])
def test_the_usual_folders_of_images_are_found(tmp_path, images):
    folder = tmp_path / "annotations"
    (folder / images).mkdir(parents=True)
    cv2.imwrite(str(folder / images / "a.png"), np.zeros((20, 40, 3), np.uint8))
    path = folder / "person_keypoints_default.json"
    path.write_text(json.dumps(content([ROW])))
    assert (read_coco_labels(path, STICK, None, Notes())[1] / "a.png").is_file()


def test_boxes_of_heads_come_along(tmp_path):
    assert mended(tmp_path, content([ROW | {"bbox_head": [1, 2, 3, 4]}]))[0]["annotations"][0][
        "bbox_head"] == [1, 2, 3, 4]


def test_back_slashes_of_windows(tmp_path):
    (tmp_path / "train").mkdir()
    cv2.imwrite(str(tmp_path / "train" / "b.png"), np.zeros((20, 40, 3), np.uint8))
    out, notes = mended(tmp_path, content([ROW], [{"id": 3, "file_name": "train\\b.png"}]))
    assert out["images"][0]["file_name"] == "train/b.png"
    assert notes.counts == {"file names with / in the place of \\": 1}


@pytest.mark.parametrize("name", ["../a.png", "{}/a.png"])
def test_a_file_name_leads_out_of_no_folder(tmp_path, name):
    """Though there is such a picture."""
    (tmp_path / "set").mkdir()
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((9, 9, 3), np.uint8))
    file = content([ROW], [{"id": 3, "file_name": name.format(tmp_path)}])
    out, _ = mended(tmp_path / "set", file)
    assert out["images"][0] == {"id": 3, "file_name": "a.png", "width": 40, "height": 20}


# ---- classes

def test_classes_by_name_or_number_and_without_one_as_training_does(tmp_path):
    file = content([ROW, ROW | {"category_id": 2}, ROW | {"category_id": 3}])
    file["categories"] += [{"id": 2, "name": "dog", "keypoints": ["top", "end"]},
                           {"id": 3, "name": "car"}]
    out, notes = mended(tmp_path, file)
    assert len(out["annotations"]) == 1
    assert notes.counts == {"annotations of other categories left out (--class)": 2}
    for wanted in ("dog", "2"):
        out, notes = mended(tmp_path, file, wanted=wanted)
        assert len(out["annotations"]) == 1 and notes.classes == {"dog": 1}
    with pytest.raises(UserError, match=r"no class cat .*person \(1\), dog \(2\), car \(3\)"):
        mended(tmp_path, file, wanted="cat")
    file["categories"][0]["name"] = "cow"
    out, notes = mended(tmp_path, file)
    assert notes.classes == {"cow": 1, "dog": 1}


def test_a_file_without_categories(tmp_path):
    out, notes = mended(tmp_path, content([ROW], categories=[]))
    assert out["annotations"][0]["keypoints"] == JOINTS


# ---- joints out of longer lists

def test_the_first_26_of_halpe(tmp_path):
    """136 joints, and a category that names none."""
    points = np.column_stack([np.arange(136) / 4, np.arange(136) / 8, np.full(136, 2)])
    file = content([ROW | {"keypoints": points.ravel().tolist(), "num_keypoints": 136}], names=())
    out, notes = mended(tmp_path, file, load_skeleton("halpe26"))
    assert np.allclose(out["annotations"][0]["keypoints"], points[:26].ravel(), atol=1e-3)
    assert "the first 26 of its 136 joints are taken in their order" in notes.remarks[0]


def test_joints_by_their_names_in_another_order(tmp_path):
    file = content([ROW | {"keypoints": [1, 1, 2, 2, 2, 1, 3, 3, 2], "num_keypoints": 3}],
                   names=("end", "middle", "top"))
    out, notes = mended(tmp_path, file)
    assert out["annotations"][0]["keypoints"] == [3, 3, 2, 1, 1, 2]
    assert "2 of its 3 joints are taken, by their names" in notes.remarks[0]


def test_names_that_say_nothing_are_taken_in_their_order_and_told(tmp_path):
    out, notes = mended(tmp_path, content([ROW], names=("oben", "unten")))
    assert out["annotations"][0]["keypoints"] == JOINTS
    assert "in their order; oben as top, unten as end" in notes.remarks[0]


def test_names_of_another_number_of_joints_are_not_used(tmp_path):
    out, notes = mended(tmp_path, content([ROW], names=("end", "top", "side")))
    assert out["annotations"][0]["keypoints"] == JOINTS
    assert "names 3 joints and has 2: its names are not used" in notes.remarks[0]


def test_too_few_joints_are_refused_and_odd_rows_left_out(tmp_path):
    with pytest.raises(UserError, match="has 2 joints and the skeleton coco 17"):
        mended(tmp_path, content([ROW]), load_skeleton("coco"))
    out, notes = mended(tmp_path, content([ROW, ROW, ROW | {"keypoints": JOINTS + [1, 1, 2]}]))
    assert len(out["annotations"]) == 2
    assert notes.counts["annotations with 3 joints in the place of 2 left out"] == 1


# ---- COCO-WholeBody

def whole_body() -> dict:
    def points(count, first):
        return np.column_stack([np.arange(count) * 0.1 + first, np.full(count, first),
                                np.full(count, 2)]).ravel().tolist()
    row = ROW | {"keypoints": points(17, 1), "num_keypoints": 17, "foot_kpts": points(6, 3),
                 "face_kpts": points(68, 4), "lefthand_kpts": points(21, 6),
                 "righthand_kpts": points(21, 9), "lefthand_box": [5, 5, 6, 6],
                 "righthand_box": [8, 8, 6, 6], "lefthand_valid": True, "righthand_valid": True}
    return content([row, row | {"righthand_valid": False}],
                   names=load_skeleton("coco").joint_names)


def test_body_and_feet_of_wholebody_by_name(tmp_path):
    names = [*load_skeleton("coco").joint_names, *part_names()["foot_kpts"][::-1]]
    skeleton = skeleton_from_dict({"joints": names}, "body and feet")
    joints = np.reshape(mended(tmp_path, whole_body(), skeleton)[0]["annotations"][0]["keypoints"],
                        (23, 3))
    assert joints[16, :2].tolist() == [2.6, 1] and joints[17, :2].tolist() == [3.5, 3]
    assert joints[22, :2].tolist() == [3, 3]


def test_all_133_in_their_order(tmp_path):
    names = [*load_skeleton("coco").joint_names, *(f"point{number}" for number in range(116))]
    skeleton = skeleton_from_dict({"joints": names}, "all")
    joints = np.reshape(mended(tmp_path, whole_body(), skeleton)[0]["annotations"][0]["keypoints"],
                        (133, 3))
    assert Counter(joints[:, 1].tolist()) == {1: 17, 3: 6, 4: 68, 6: 21, 9: 21}


def test_hands_are_persons_of_the_skeleton_of_a_hand(tmp_path):
    out, notes = mended(tmp_path, whole_body(), load_skeleton("hand21"))
    assert [row["bbox"] for row in out["annotations"]] == [[5, 5, 6, 6], [8, 8, 6, 6], [5, 5, 6, 6]]
    assert notes.classes == {"lefthand": 2, "righthand": 1}
    out, _ = mended(tmp_path, whole_body(), load_skeleton("hand21"), "righthand")
    assert [row["bbox"] for row in out["annotations"]] == [[8, 8, 6, 6]]


# ---- the command

def test_a_roboflow_tree_of_coco_files(tmp_path, capsys):
    for split, count in (("train", 2), ("valid", 1)):
        folder = tmp_path / "set" / split
        folder.mkdir(parents=True)
        images = [{"id": i, "file_name": f"{i}.png"} for i in range(count)]
        for image in images:
            cv2.imwrite(str(folder / image["file_name"]), np.zeros((20, 40, 3), np.uint8))
        (folder / "_annotations.coco.json").write_text(json.dumps(content(
            [ROW | {"image_id": i} for i in range(count)], images)))
    (tmp_path / "stick.yaml").write_text("joints: [top, end]")
    assert main.main(["import", "--from", "coco", str(tmp_path / "set"), "--skeleton",
                      str(tmp_path / "stick.yaml"), "--out", str(tmp_path / "train.json"),
                      "--val", str(tmp_path / "val.json")]) == 0
    for name, found in (("train", ["train/0.png", "train/1.png"]), ("val", ["valid/0.png"])):
        images = json.loads((tmp_path / f"{name}.json").read_text())["images"]
        assert [image["file_name"] for image in images] == found


# ---- categories, shapes and units --------------------------------------------------------------

def with_faces(rows: list) -> dict:
    """More faces of three joints than people."""
    file = content(rows + [{**ROW, "id": 90 + number, "category_id": 2, "keypoints": [1, 1, 2] * 3}
                           for number in range(5)])
    file["categories"] += [{"id": 2, "name": "face", "keypoints": ["x", "y", "z"]}]
    return file


@pytest.mark.parametrize("wanted", ["", "person"])
def test_each_category_has_its_own_number_of_joints(tmp_path, wanted):
    out, notes = mended(tmp_path, with_faces([ROW]), wanted=wanted)
    assert [row["keypoints"] for row in out["annotations"]] == [JOINTS]
    assert notes.counts["annotations of other categories left out (--class)"] == 5


def test_boxes_called_person_do_not_hide_joints_of_another_category(tmp_path):
    """As Label Studio exports them."""
    file = content([{**ROW, "keypoints": None}, {**ROW, "id": 6, "category_id": 0}])
    file["categories"] = [{"id": 0, "name": "default"}, {"id": 1, "name": "person"}]
    out, _ = mended(tmp_path, file)
    assert [row["keypoints"] for row in out["annotations"]] == [JOINTS]


@pytest.mark.parametrize("rows, told", [
    ([[10, 20, 30, 40], [5, 10, 15, 20], [2, 1, 2, 2]], "lists of all x, all y and all v"),
    ([[10, 20, 30, 40], [5, 10, 15, 20]], "lists of all x, all y and all v")])
def test_lists_of_all_x_and_all_y_are_turned(tmp_path, rows, told):
    four = skeleton_from_dict({"name": "four", "joints": list("abcd")}, "four.yaml")
    out, notes = mended(tmp_path, content([{**ROW, "keypoints": rows}], names="abcd"), four)
    assert out["annotations"][0]["keypoints"][3:5] == [20, 10]
    assert any(told in what for what in notes.counts)


def test_lists_of_another_shape_are_left_out(tmp_path):
    odd = {**ROW, "id": 6, "keypoints": np.ones((6, 5)).tolist()}
    _, notes = mended(tmp_path, content([ROW, odd]))
    assert notes.counts["keypoints that are no numbers, or not three for each joint, left out"] == 1


@pytest.mark.parametrize("change, told", [
    ({"keypoints": [0.1, 0.2, 2, 0.3, 0.4, 2]}, "all joints lie between 0 and 1"),
    ({"bbox": [0.2, 0.2, 0.4, 0.4]}, "all boxes lie between 0 and 1"),
    ({"bbox": [15, 8, 34, 19]}, "100% of the boxes reach out of their image"), ({}, "")])
def test_units_other_than_pixels_are_told(tmp_path, change, told):
    _, notes = mended(tmp_path, content([{**ROW, **change, "id": number} for number in range(4)]))
    assert [sentence[:len(told)] for sentence in notes.remarks] == [told] * bool(told)
