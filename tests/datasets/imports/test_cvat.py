"""CVAT: shapes, skeletons, subsets; what is odd is refused or left out by name."""
import json

import cv2
import numpy as np
import pytest

import main
from datasets.annotations.skeleton import skeleton_from_dict
from datasets.imports.cvat import read_cvat
from datasets.imports.write_coco import Notes

STICK = skeleton_from_dict({"joints": ["top", "end"]}, "stick")

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


def project(folder, image='<image name="a.png" width="40" height="30" subset="{}">{}</image>'):
    """The same name in two subsets, and a picture without a subset."""
    for place in ("Train", "Validation", "."):
        (folder / "images" / place).mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(folder / "images" / place / "a.png"), np.zeros((30, 40, 3), np.uint8))
    points = ('<skeleton label="s"><points label="top" points="{},4"/>'
              '<points label="end" points="9,9"/></skeleton>')
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
