"""Joints and boxes that are drawn apart: who is whose, and what is said where that is unclear."""
import json
from itertools import permutations

import cv2
import numpy as np
import pytest

import main
from datasets.annotations.skeleton import skeleton_from_dict
from datasets.imports.cvat import read_cvat
from datasets.imports.joining import Drawing, assign
from datasets.imports.labelme import read_labelme
from datasets.imports.write_coco import Notes

STICK = skeleton_from_dict({"joints": ["top", "end"]}, "stick")


@pytest.mark.parametrize("candidates, found", [
    ([{0}, {0, 1}], [0, 1]), ([{0}, {0}], [None, None]), ([{0, 1}, {0, 1}], [None, None]),
    ([{2}, {1, 2}, {0, 1}], [2, 1, 0]), ([{0}, {0}, {0, 1}], [None] * 3), ([set()], [None])])
def test_what_is_left_alone_with_a_place_gets_it(candidates, found):
    assert assign(candidates) == found
    for order in permutations(range(len(found))):
        assert assign([candidates[i] for i in order]) == [found[i] for i in order]


def drawn(joints, boxes, notes, **options):
    """The boxes, or None, of the persons by the x of their first joint. joints: name, x, y, group;
    boxes: x, y, right, bottom, class, group."""
    drawing = Drawing(STICK, "a.json", notes)
    for name, x, y, group in joints:
        drawing.joint(name, (x, y), 2, group)
    for x, y, right, bottom, kind, group in boxes:
        drawing.box([(x, y), (right, bottom)], kind, group, **options)
    return {tuple(person.joints[person.joints[:, 2] > 0, 0].tolist()): person.box and person.box[0]
            for person in drawing.persons()}


LEFT, RIGHT = (0, 0, 10, 10, "bird", None), (20, 0, 30, 10, "bird", None)


def test_loose_joints_go_to_the_box_that_they_are_in():
    notes = Notes()
    joints = [("top", 3, 3, None), ("end", 5, 5, None), ("top", 23, 3, None), ("end", 25, 5, None),
              ("end", 50, 50, None)]
    assert drawn(joints, [LEFT, RIGHT], notes) == {(3, 5): 0, (23, 25): 20}
    assert notes.counts == {"joints without a group left out that are in no box, or of which it is "
                            "unclear in which": 1}


def test_joints_where_two_boxes_overlap_go_where_they_are_lacking():
    right = (5, 0, 15, 10, "bird", None)
    joints = [("top", 2, 2, None), ("end", 2, 8, None), ("top", 7, 2, None), ("end", 12, 8, None)]
    assert drawn(joints, [LEFT, right], Notes()) == {(2, 2): 0, (7, 12): 5}
    notes = Notes()     # both tops in both: nothing tells whose they are
    joints = [("top", 6, 2, None), ("end", 2, 8, None), ("top", 7, 2, None), ("end", 12, 8, None)]
    assert drawn(joints, [LEFT, right], notes) == {(2,): 0, (12,): 5}
    assert notes.counts.total() == 2


def test_groups_without_a_box_find_theirs_by_place():
    groups = [("top", 23, 3, 1), ("end", 25, 5, 1), ("top", 3, 3, 2), ("end", 5, 5, 2)]
    assert drawn(groups, [LEFT, RIGHT], Notes()) == {(23, 25): 20, (3, 5): 0}
    inner = (2, 2, 8, 8, "bird", None)      # a child in front of its father
    groups = [("top", 3, 3, 1), ("end", 5, 5, 1), ("top", 1, 1, 2), ("end", 9, 9, 2)]
    assert drawn(groups, [LEFT, inner], Notes()) == {(3, 5): 2, (1, 9): 0}


def test_of_two_boxes_that_of_more_joints_is_meant():
    """Two who overlap: most of the joints of each are in both boxes, all in one."""
    drawing = Drawing(skeleton_from_dict({"joints": ["a", "b", "c"]}, "three"), "a.json", Notes())
    for group, places in ((1, (2, 6, 7)), (2, (6, 7, 12))):
        for name, x in zip("abc", places, strict=True):
            drawing.joint(name, (x, 5), 2, group)
    drawing.box([(0, 0), (10, 10)], "bird", None)
    drawing.box([(5, 0), (15, 10)], "bird", None)
    assert [person.box[0] for person in drawing.persons()] == [0, 5]


def test_a_box_that_may_be_of_two_is_of_neither():
    notes = Notes()
    groups = [("top", 3, 3, 1), ("end", 5, 5, 1), ("top", 4, 3, 2), ("end", 6, 5, 2)]
    assert drawn(groups, [LEFT], notes) == {(3, 5): None, (4, 6): None, (): 0}
    assert notes.counts == {"persons without a box, as it is unclear which is theirs (give them a "
                            "group)": 2}


def test_a_lone_person_and_a_lone_box_belong_together_in_part():
    assert drawn([("top", 9, 9, None), ("end", 14, 3, None)], [LEFT], Notes()) == {(9, 14): 0}
    assert drawn([("top", 9, 9, None), ("end", 14, 3, None)], [(*LEFT[:5], 7)], Notes()) == {
        (9, 14): 0}
    assert drawn([("top", 13, 3, None)], [LEFT], Notes()) == {(13,): None, (): 0}


def test_a_group_decides_before_the_place():
    joints = [("top", 3, 3, 1), ("end", 5, 5, 1)]
    boxes = [(20, 0, 30, 10, "bird", 1), LEFT]
    assert drawn(joints, boxes, Notes()) == {(3, 5): 20, (): 0}


def test_outlines_are_boxes_of_those_who_have_no_other():
    notes = Notes()
    joints = [("top", 3, 3, 1), ("end", 5, 5, 1)]
    assert drawn(joints, [LEFT, RIGHT], notes, outline=True) == {(3, 5): 0}
    assert notes.counts == {"outlines without joints left out": 1}


# ---- classes

GROUPS = [("top", 3, 3, 1), ("end", 5, 5, 1), ("top", 23, 3, 2), ("end", 25, 5, 2),
          ("top", 50, 3, 3)]
BOXES = [(0, 0, 10, 10, "bird", 1), (20, 0, 30, 10, "dog", 2), (70, 0, 80, 10, "dog", None)]


def test_only_the_class_that_is_asked_for_is_taken_and_the_rest_is_counted():
    notes = Notes(wanted="bird")
    assert drawn(GROUPS, BOXES, notes) == {(3, 5): 0}
    assert notes.counts == {"persons of the class 'dog' left out (--class)": 2,
                            "persons whose class nothing tells left out (--class)": 1}


def test_without_a_filter_all_are_taken_and_counted_by_class():
    notes = Notes()
    assert len(drawn(GROUPS, BOXES, notes)) == 4
    assert notes.classes == {"bird": 1, "dog": 2, "": 1} and not notes.counts


def test_joints_in_a_box_of_another_class_are_not_taken():
    notes = Notes(wanted="bird")
    joints = [("top", 3, 3, None), ("end", 5, 5, None), ("top", 23, 3, None), ("end", 25, 5, None)]
    boxes = [LEFT, (20, 0, 30, 10, "dog", None)]
    assert drawn(joints, boxes, notes) == {(3, 5): 0}
    assert notes.counts == {"persons of the class 'dog' left out (--class)": 1}


def test_of_two_boxes_in_a_group_that_of_the_class_counts():
    joints = [("top", 3, 3, 1), ("end", 5, 5, 1)]
    boxes = [(0, 0, 10, 10, "bird", 1), (1, 1, 9, 9, "helmet", 1)]
    assert drawn(joints, boxes, Notes(wanted="bird")) == {(3, 5): 0}


# ---- the tools' own forms

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


@pytest.mark.parametrize("shape, box", [
    ('<box label="b" xtl="1" ytl="2" xbr="11" ybr="14"/>', [1, 2, 10, 12]),
    ('<box label="b" xtl="0" ytl="3" xbr="12" ybr="13" rotation="90"/>', [1, 2, 10, 12]),
    ('<polygon label="b" points="1,2;11,8;5,14"/>', [1, 2, 10, 12]),
    ('<ellipse label="b" cx="6" cy="8" rx="6" ry="5" rotation="270"/>', [1, 2, 10, 12]),
    ('<mask label="b" left="1" top="2" width="10" height="12" rle="120"/>', [1, 2, 10, 12])])
@pytest.mark.parametrize("group", ["", ' group_id="1"'])
def test_boxes_of_cvat(tmp_path, shape, box, group):
    points = ''.join(f'<points label="{name}" points="{place}"{group}/>'
                     for name, place in (("top", "3,4"), ("end", "8,9")))
    (tmp_path / "a.xml").write_text(
        f'<annotations><image name="a.png" width="40" height="30">{points}'
        f'{shape.replace("/>", group + "/>")}</image></annotations>')
    (image,), _ = read_cvat(tmp_path / "a.xml", STICK, None, Notes())
    assert [np.round(person.box, 6).tolist() for person in image.persons] == [box]


def test_skeletons_and_points_of_cvat_are_of_a_class(tmp_path):
    """Pens of four points and a mouse: what the public file holds, each with the other's number."""
    mouse = "".join(f'<points label="{name}" points="{x},5"/>' for x, name in ((3, 1), (9, 2)))
    (tmp_path / "a.xml").write_text(
        f'<annotations><image name="a.png" width="40" height="30"><skeleton label="mouse">{mouse}'
        f'</skeleton><skeleton label="pen">{mouse}<points label="3" points="1,1"/></skeleton>'
        f'<points label="pen" points="20,5;30,5"/></image></annotations>')
    for wanted, people, strangers in (("mouse", 1, 0), ("pen", 2, 1), ("", 3, 1)):
        notes = Notes(wanted=wanted)
        (image,), _ = read_cvat(tmp_path / "a.xml", STICK, None, notes)
        assert len(image.persons) == people
        assert notes.strangers.total() == strangers
        assert notes.classes == {"": {"mouse": 1, "pen": 2}}.get(wanted, {wanted: people})
        assert notes.counts.total() == strangers + (3 - people if wanted else 0)


# ---- exports of a CVAT project

def project(folder, image='<image name="a.png" width="40" height="30" subset="{}">{}</image>'):
    """The same name in two subsets, and a picture without a subset."""
    for place in ("Train", "Validation", "."):
        (folder / "images" / place).mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(folder / "images" / place / "a.png"), np.zeros((30, 40, 3), np.uint8))
    points = '<skeleton label="s"><points label="top" points="{},4"/></skeleton>'
    (folder / "annotations.xml").write_text("<annotations>" + "".join(
        image.format(place, points.format(x))
        for x, place in ((3, "Train"), (5, "Validation"), (7, ""))) + "</annotations>")
    return folder / "annotations.xml"


def test_images_of_a_project_lie_in_its_subsets(tmp_path):
    images, root = read_cvat(project(tmp_path), STICK, None, Notes())
    assert root == tmp_path / "images"
    assert [(image.name, image.split, image.persons[0].joints[0, 0]) for image in images] == [
        ("Train/a.png", "Train", 3), ("Validation/a.png", "Validation", 5), ("a.png", "", 7)]


@pytest.mark.parametrize("options, found", [
    (["--split", "train"], ["Train/a.png"]), (["--split", "Validation"], ["Validation/a.png"]),
    (["--val", "val.json"], ["Train/a.png"])])
def test_subsets_of_a_project_are_splits(tmp_path, monkeypatch, options, found):
    source = project(tmp_path)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "stick.yaml").write_text("joints: [top, end]")
    assert main.main(["import", "--from", "cvat", str(source), "--skeleton", "stick.yaml", "--out",
                      "out.json", *options]) == 0
    assert [row["file_name"] for row in json.loads((tmp_path / "out.json").read_text())["images"]
            ] == found
    if "--val" in options:
        assert [row["file_name"] for row in json.loads((tmp_path / "val.json").read_text())[
            "images"]] == ["Validation/a.png"]


def test_a_subset_leads_out_of_no_folder(tmp_path):
    notes = Notes()
    source = project(tmp_path)
    source.write_text(source.read_text().replace('"Train"', '"../.."'))
    assert len(read_cvat(source, STICK, None, notes)[0]) == 2
    assert "a name inside the folder" in notes.bad[0]
