"""labelme: what lies beside its files."""
import json

import cv2
import numpy as np
import pytest

from datasets.annotations.skeleton import skeleton_from_dict
from datasets.imports.labelme import read_labelme
from datasets.imports.write_coco import Notes

STICK = skeleton_from_dict({"name": "stick", "joints": ["top", "end"]}, "stick.yaml")


def test_pictures_without_a_file_are_counted(tmp_path):
    for name in ("a", "b", "c"):
        cv2.imwrite(str(tmp_path / f"{name}.png"), np.zeros((20, 40, 3), np.uint8))
    shape = {"label": "top", "points": [[5, 5]], "shape_type": "point"}
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels" / "a.json").write_text(json.dumps(
        {"imagePath": "../a.png", "imageWidth": 40, "imageHeight": 20, "shapes": [shape]}))
    (tmp_path / "b.json").write_text("{}")      # named and left out by itself
    notes = Notes()
    images, _ = read_labelme(tmp_path, STICK, None, notes)
    assert [image.name for image in images] == ["a.png"] and len(notes.bad) == 1
    assert notes.counts == {"pictures without a JSON file left out": 1}


@pytest.mark.parametrize("folder", ["labels", "", "pictures"])
def test_a_folder_that_may_not_be_listed_stops_an_import(folder, tmp_path, closed):
    """Half of the labels would be missing without a word."""
    shape = {"label": "top", "points": [[5, 5]], "shape_type": "point"}
    for name in ("labels/a.json", "b.json"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps({"imagePath": str(tmp_path / "pictures" / "a.png"),
                                    "imageWidth": 40, "imageHeight": 20, "shapes": [shape]}))
    (tmp_path / "pictures").mkdir()
    closed(tmp_path / folder)
    with pytest.raises(PermissionError, match=f"Permission denied: '{tmp_path / folder}'"):
        read_labelme(tmp_path, STICK, None, Notes())


def read(folder, *shapes, **content):
    """The one image of a file with these shapes."""
    (folder / "a.json").write_text(json.dumps(
        {"imagePath": "a.png", "imageWidth": 400, "imageHeight": 300, "shapes": shapes} | content))
    notes = Notes()
    images, _ = read_labelme(folder, STICK, None, notes)
    return images, notes


def shape(label, kind, *points, **more):
    return {"label": label, "shape_type": kind, "points": points, "group_id": 1} | more


@pytest.mark.parametrize("corners", [[(10, 20), (110, 220)], [(110, 20), (10, 220)],
                                     [(10, 20), (110, 20), (110, 220), (10, 220)]])
def test_rectangles_have_two_corners_or_as_x_anylabeling_four(tmp_path, corners):
    [image], notes = read(tmp_path, shape("person", "rectangle", *corners),
                          shape("top", "point", (50, 30)))
    [person] = image.persons
    assert [*person.box] == [10, 20, 100, 200] and not notes.counts


@pytest.mark.parametrize("mark, v", [({"difficult": True}, 1), ({"difficult": False}, 2),
                                     ({"flags": {"occluded": True}}, 1), ({"flags": {}}, 2)])
def test_hidden_joints_are_those_marked_by_either_tool(tmp_path, mark, v):
    [image], _ = read(tmp_path, shape("top", "point", (50, 30), **mark))
    assert image.persons[0].joints[0, 2] == v


@pytest.mark.parametrize("content, words", [
    ({"imageWidth": float("inf")}, "its imagePath, imageWidth, imageHeight or shapes"),
    ({"shapes": [shape("top", "point", (10 ** 400, 5))]}, "with points that are no numbers")])
def test_numbers_that_overflow_are_one_sentence(tmp_path, content, words):
    images, notes = read(tmp_path, **content)
    assert not images and words in notes.bad[0]
