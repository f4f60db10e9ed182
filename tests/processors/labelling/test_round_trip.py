"""What `predict --labels` writes, `import` reads back, also after somebody has corrected it."""
import json

import numpy as np
import pytest

from processors.prediction.person import Person
from tests.processors.labelling.corrections import corrected
from tests.processors.labelling.drawn_people import (
    FORMS,
    assert_alike,
    draw_pictures,
    found_people,
    imported,
    labels_of,
    skeleton_named,
    source_of,
    write_labels,
)
from tests.turned_pictures import store_turned


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", ["coco", "odd", "ball", "coco_wholebody"])
def test_labels_come_back_to_the_last_digit(tmp_path, form, name):
    """Odd names of pictures and joints, pictures with nobody, one joint, 133 joints."""
    skeleton, root = skeleton_named(name, tmp_path), draw_pictures(tmp_path / "photos")
    people = found_people(skeleton)
    assert write_labels(form, root, skeleton, people) == []
    found, notes = imported(form, source_of(form, root), skeleton)
    assert_alike(found, labels_of(people))
    assert not notes.bad and not notes.strangers
    kind = "person" if name in ("coco", "coco_wholebody") else name
    assert notes.classes == {kind: 6}


@pytest.mark.parametrize("form", FORMS)
def test_corrections_come_back(tmp_path, form):
    skeleton, root = skeleton_named("coco", tmp_path), draw_pictures(tmp_path / "photos")
    people = found_people(skeleton)
    write_labels(form, root, skeleton, people)
    wanted = corrected(form, root, skeleton, labels_of(people))
    found, notes = imported(form, source_of(form, root), skeleton)
    assert_alike(found, wanted)
    assert not notes.bad


@pytest.mark.parametrize("form", FORMS)
def test_labels_in_another_folder_find_their_pictures(tmp_path, form):
    skeleton, root = skeleton_named("coco", tmp_path), draw_pictures(tmp_path / "photos")
    people, out = found_people(skeleton), tmp_path / "labels of mine"
    before = {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}
    write_labels(form, root, skeleton, people, out)
    assert {path: path.read_bytes() for path in root.rglob("*") if path.is_file()} == before
    found, _ = imported(form, source_of(form, out), skeleton, root)
    assert_alike(found, labels_of(people))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("orientation", [3, 6])
def test_turned_pictures_are_labelled_upright(tmp_path, form, orientation):
    """As labelling tools show them: the labels and the pictures of training fit."""
    skeleton, root = skeleton_named("coco", tmp_path), draw_pictures(tmp_path / "photos")
    store_turned(root / "1.png", orientation)
    people = found_people(skeleton)
    write_labels(form, root, skeleton, people)
    found, notes = imported(form, source_of(form, root), skeleton)
    assert_alike(found, labels_of(people))
    rows = {row["file_name"]: row for row in json.loads(
        (root.parent / "imported.json" if source_of(form, root) == root else
         root / "imported.json").read_text())["images"]}
    assert (rows["1.png"]["width"], rows["1.png"]["height"]) == (120, 90)
    assert rows["1.png"].get("exif", "obey") == "obey"


@pytest.mark.parametrize("form", FORMS)
def test_what_cannot_be_seen_is_not_labelled(tmp_path, form):
    """A joint below the threshold, one outside of the picture, one that a network with visibility
    holds for absent; what it holds for hidden is labelled as hidden. A box is cut to the picture,
    and who is outside of it is counted."""
    skeleton, root = skeleton_named("odd", tmp_path), draw_pictures(tmp_path / "photos", ["1.png"])
    points = np.float32([[10, 20], [130, 20], [30, 40], [50, 60]])
    plain = Person(points, np.float32([0.29, 0.9, 0.31, 0.3]), np.float32([-10, -5, 80, 200]), 0.5)
    tells = Person(points, np.float32([0.9, 0.9, 0.9, 0.2]), np.float32([5, 5, 90, 80]), 0.5,
                   visibility=np.float32([[.6, .2, .2], [0, 0, 1], [.2, .5, .3], [0, 0, 1]]))
    gone = Person(points, np.ones(4, np.float32), np.float32([120, 0, 40, 40]), 0.5)
    notes = write_labels(form, root, skeleton, {"1.png": [plain, tells, gone]})
    assert notes == ["1 people outside of their picture left out"]
    found, _ = imported(form, source_of(form, root), skeleton)
    assert_alike(found, {"1.png": [
        (np.array([[0, 0, 0], [0, 0, 0], [30, 40, 2], [50, 60, 2]]), np.array([0, 0, 70, 90])),
        (np.array([[0, 0, 0], [0, 0, 0], [30, 40, 1], [0, 0, 0]]), np.array([5, 5, 90, 80]))]})
