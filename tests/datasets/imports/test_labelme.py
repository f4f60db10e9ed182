"""labelme and X-AnyLabeling: what is odd is left out by name, never taken silently."""
import json

import cv2
import numpy as np
import pytest

from datasets.annotations.skeleton import load_skeleton, skeleton_from_dict
from datasets.imports.labelme import read_labelme
from datasets.imports.write_coco import Notes
from tests.datasets.imports.written import write

STICK = skeleton_from_dict({"joints": ["top", "end"]}, "stick")


@pytest.mark.parametrize("change, part", [
    ({"imageWidth": 41}, "has 40x30 pixels, but its annotation says 41x30"),
    ({"imagePath": "gone.png"}, "gone.png does not exist"),
    ({"imagePath": "../../etc/x.png"}, "outside of"), ({"shapes": 3}, "no file of labelme"),
    ({"shapes": [{"label": "top", "shape_type": "point", "points": [["x", 1]]}]}, "no numbers"),
    ({"shapes": [{"label": "top", "shape_type": "point", "points": [[3, 1]]}] * 2}, "top twice"),
    ({"shapes": [{"label": ["top"], "shape_type": "point", "points": [[3, 1]]}]}, "write text"),
    ({"shapes": [{"label": "top", "shape_type": "point", "points": [[3, 1]], "group_id": [1]}]},
     "group_id"),
    ({"shapes": [{"label": "toe", "shape_type": "point", "points": [[3, 1]]}]},
     "points 'toe' that are no joint"),
])
def test_bad_labelme_files_are_named(stick, tmp_path, change, part):
    content = {"imagePath": "a.png", "imageWidth": 40, "imageHeight": 30, "shapes": [
        {"label": "top", "shape_type": "point", "points": [[3, 1]], "group_id": None}]} | change
    (tmp_path / "images" / "a.json").write_text(json.dumps(content))
    notes = Notes()
    with pytest.raises(ValueError, match=f"no person with joints was found.*{part}"):
        write(read_labelme(tmp_path / "images", stick, None, notes), tmp_path, stick, notes)
    assert not (tmp_path / "out.json").exists()


def test_points_of_many_unknown_names_are_one_short_sentence(stick, tmp_path):
    shapes = [{"label": f"toe{i}", "shape_type": "point", "points": [[3, 1]]} for i in range(9)]
    (tmp_path / "images" / "a.json").write_text(json.dumps({
        "imagePath": "a.png", "imageWidth": 40, "imageHeight": 30, "shapes": shapes}))
    notes = Notes()
    with pytest.raises(ValueError, match="json; 9 points 'toe0', 'toe1', 'toe2' and 6 more names "
                                         "that are no joint of stick left out; give the skeleton"):
        write(read_labelme(tmp_path / "images", stick, None, notes), tmp_path, stick, notes)


def test_a_bad_file_does_not_spoil_the_others(stick, tmp_path):
    good = {"imagePath": "a.png", "imageWidth": 40, "imageHeight": 30, "shapes": [
        {"label": "top", "shape_type": "point", "points": [[3, 1]]},
        {"label": "box", "shape_type": "rectangle", "points": [[1, 1], [9, 9]]},
        {"label": "hill", "shape_type": "polygon", "points": [[1, 1], [9, 9], [3, 3]]}]}
    (tmp_path / "images" / "a.json").write_text(json.dumps(good))
    (tmp_path / "images" / "b.json").write_text("{")
    notes = Notes()
    content = write(read_labelme(tmp_path / "images", stick, None, notes), tmp_path, stick, notes)
    assert [row["bbox"] for row in content["annotations"]] == [[1, 1, 8, 8]]
    assert len(notes.bad) == 1 and "b.json is no file of labelme" in notes.bad[0]
    assert notes.counts == {"outlines without joints left out": 1}


def test_a_rectangle_without_a_group_is_of_whom_it_surrounds(stick, tmp_path):
    shapes = [{"label": "top", "shape_type": "point", "points": [[3, 1]], "group_id": 1},
              {"label": "box", "shape_type": "rectangle", "points": [[1, 1], [9, 9]]},
              {"label": "top", "shape_type": "point", "points": [[30, 1]], "group_id": 2}]
    boxes = []
    for number in (2, 3):
        (tmp_path / "images" / "a.json").write_text(json.dumps({
            "imagePath": "a.png", "imageWidth": 40, "imageHeight": 30, "shapes": shapes[:number]}))
        found = read_labelme(tmp_path / "images", stick, None, Notes())[0][0]
        boxes.append([person.box for person in found.persons])
    assert boxes == [[[1, 1, 8, 8]], [[1, 1, 8, 8], None]]


@pytest.mark.parametrize("text, words", [
    ("[" * 10 ** 5, "nested too deeply"),
    ('{"imagePath": "a", "imageWidth": Infinity}', "imageWidth, imageHeight or shapes are missing"),
    ('{"imagePath": "a", "imageWidth": 9, "imageHeight": 9, "shapes": [{"label": "nose", '
     '"shape_type": "point", "points": [[1' + "0" * 400 + ", 2]]}]}", "no numbers")])
def test_a_labelme_file_without_end_is_left_out_with_its_reason(tmp_path, text, words):
    (tmp_path / "a.json").write_text(text)
    notes = Notes()
    read_labelme(tmp_path / "a.json", load_skeleton("coco"), None, notes)
    assert words in str(notes.bad) and "Error" not in str(notes.bad)


def labelme(folder, shapes):
    cv2.imwrite(str(folder / "a.png"), np.zeros((30, 40, 3), np.uint8))
    rows = [{"label": label, "shape_type": kind, "points": points, **more}
            for label, kind, points, more in shapes]
    (folder / "a.json").write_text(json.dumps({
        "imagePath": "a.png", "imageWidth": 40, "imageHeight": 30, "shapes": rows}))

TOP, END = ("top", "point", [[3, 4]], {"group_id": 1}), ("end", "point", [[8, 9]], {"group_id": 1})


@pytest.mark.parametrize("kind, points", [
    ("rectangle", [[1, 2], [11, 14]]), ("rectangle", [[1, 2], [11, 2], [11, 14], [1, 14]]),
    ("rotation", [[6, 2], [11, 8], [6, 14], [1, 8]]), ("mask", [[1, 2], [11, 14]]),
    ("polygon", [[1, 2], [11, 8], [5, 14]])])
@pytest.mark.parametrize("group", [1, None])
def test_boxes_of_labelme_and_x_anylabeling(tmp_path, kind, points, group):
    labelme(tmp_path, [TOP, END, ("bird", kind, points, {"group_id": group})])
    notes = Notes()
    (image,), _ = read_labelme(tmp_path, STICK, None, notes)
    assert [person.box for person in image.persons] == [[1, 2, 10, 12]]
    assert notes.classes == {"bird": 1} and not notes.counts


def test_a_circle_of_labelme_is_its_middle_and_a_place_on_it(tmp_path):
    labelme(tmp_path, [TOP, END, ("bird", "circle", [[6, 7], [9, 11]], {"group_id": 1})])
    assert read_labelme(tmp_path, STICK, None, Notes())[0][0].persons[0].box == [1, 2, 10, 10]


@pytest.mark.parametrize("more, v", [({"difficult": True}, 1), ({"difficult": False}, 2),
                                     ({"difficult": "false"}, 2), ({"flags": {"occluded": 1}}, 1)])
def test_what_x_anylabeling_calls_difficult_is_hidden(tmp_path, more, v):
    labelme(tmp_path, [(*TOP[:3], {"group_id": 1, **more}), END])
    joints = read_labelme(tmp_path, STICK, None, Notes())[0][0].persons[0].joints
    assert joints[:, 2].tolist() == [v, 2]
