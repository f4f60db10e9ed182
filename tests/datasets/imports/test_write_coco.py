"""Importers: what is odd is left out by name, never taken silently; MPII's two forms."""
import json
from dataclasses import replace

import cv2
import numpy as np
import pytest

from datasets.annotations.skeleton import load_skeleton
from datasets.imports.cvat import read_cvat
from datasets.imports.labelme import read_labelme
from datasets.imports.mpii import read_mpii
from datasets.imports.write_coco import Notes, write_coco
from datasets.imports.yolo import read_yolo
from utils.geometry import box_to_center_scale

MPII = load_skeleton("mpii")


@pytest.fixture
def stick(tmp_path):
    """A skeleton of two joints, and one image a.png of 40 x 30 pixels in images/."""
    (tmp_path / "stick.yaml").write_text("joints: [top, end]")
    (tmp_path / "images").mkdir()
    cv2.imwrite(str(tmp_path / "images" / "a.png"), np.zeros((30, 40, 3), np.uint8))
    return load_skeleton(str(tmp_path / "stick.yaml"))


def write(found, folder, skeleton, notes):
    return write_coco(found[0], found[1], skeleton, "stick", folder / "out.json", notes)


# ---- what all forms share

def test_a_box_is_made_around_the_joints_and_cut_to_the_image(stick, tmp_path):
    (tmp_path / "a.xml").write_text(
        '<annotations><image name="a.png" width="40" height="30">'
        '<points label="top" points="10,2"/><points label="end" points="30,12"/></image>'
        '</annotations>')
    notes = Notes()
    content = write(read_cvat(tmp_path / "a.xml", stick, None, notes), tmp_path, stick, notes)
    assert content["annotations"][0]["bbox"] == [6, 0, 28, 16]      # 4 pixels, the least padding
    assert notes.counts["boxes made around the joints"] == 1


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


# ---- CVAT

BOMB = ('<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'
        '<annotations><image name="&b;"/></annotations>')


@pytest.mark.parametrize("text, part", [
    (BOMB, "has a document type"), (BOMB.encode("utf-16").decode("latin-1"), "document type"),
    ("<annotations>", "is no XML"), ("", "is no XML"), ("<annotations/>", "CVAT for images 1.1"),
    ("<annotations><track/></annotations>", "CVAT for images 1.1"),
])
def test_xml_that_is_refused(stick, tmp_path, text, part):
    (tmp_path / "a.xml").write_bytes(text.encode("latin-1"))
    with pytest.raises(ValueError, match=f"a.xml .*{part}"):
        read_cvat(tmp_path / "a.xml", stick, None, Notes())


@pytest.mark.parametrize("image, part", [
    ('name="/a.png" width="40" height="30"', "a name inside"),
    ('name="a.png" height="30"', "needs a number as its width"),
    ('name="a.png" width="inf" height="30"', "needs a number as its width"),
    ('name="a.png" width="40" height="nan"', "needs a number as its height"),
])
def test_bad_images_of_cvat_are_named(stick, tmp_path, image, part):
    (tmp_path / "a.xml").write_text(f"<annotations><image {image}/></annotations>")
    notes = Notes()
    assert read_cvat(tmp_path / "a.xml", stick, None, notes)[0] == []
    assert part in notes.bad[0]


def test_a_box_without_a_group_is_of_whom_it_surrounds(stick, tmp_path):
    points = '<points label="top" points="{0},2"/><points label="end" points="{0},12"/>'
    people = "".join(f'<skeleton label="s">{points.format(x)}</skeleton>' for x in (10, 30))
    box = '<box label="s" xtl="1" ytl="2" xbr="21" ybr="27"/>'
    boxes = []
    for number in (1, 2):
        (tmp_path / "a.xml").write_text(
            f'<annotations><image name="a.png" width="40" height="30">'
            f'{people if number == 2 else people[:len(people) // 2]}{box}</image></annotations>')
        found = read_cvat(tmp_path / "a.xml", stick, None, Notes())[0][0]
        boxes.append([person.box for person in found.persons])
    assert boxes == [[[1, 2, 20, 25]], [[1, 2, 20, 25], None]]


# ---- YOLO

@pytest.mark.parametrize("line, part", [
    ("0 .5 .5 .2 .2 .5", "line 1, has 6 numbers; .* needs 9 or 11"),
    ("0 .5 .5 .2 .2 .5 x .4 .4", "no number"), ("0 20 15 9 9 .5 .5 .4 .4", "parts of the image"),
    ("0 .5 .5 .2 .2 nan .5 .4 .4", "parts of the image"),
    ("0 .5 .5 .2 .2 20 15 .4 .4", "parts of the image"),
    ("0 .5 .5 .2 .2 .5 .5 .87 .4 .4 .31", "a v that is none of 0, 1 and 2"),
])
def test_bad_yolo_lines_are_named(stick, tmp_path, line, part):
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels" / "a.txt").write_text(line)
    notes = Notes()
    with pytest.raises(ValueError, match=f"a.txt, {part}" if "line" in part else part):
        write(read_yolo(tmp_path, stick, None, notes), tmp_path, stick, notes)


def test_yolo_without_visibility(stick, tmp_path):
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels" / "a.txt").write_text(
        "\ufeff0 .5 .5 .5 .5 .25 .5 0 0\n\n", encoding="utf-8")       # as Notepad begins a file
    notes = Notes()
    content = write(read_yolo(tmp_path, stick, None, notes), tmp_path, stick, notes)
    assert content["annotations"][0]["keypoints"] == [10, 15, 2, 0, 0, 0]
    assert content["annotations"][0]["bbox"] == [10, 7.5, 20, 15]


# ---- MPII

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
