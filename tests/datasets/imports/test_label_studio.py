"""The JSON of Label Studio: regions in percent, who belongs to whom, and which pictures."""
import json

import cv2
import numpy as np
import pytest

import main
from datasets.annotations.skeleton import load_skeleton
from datasets.imports.label_studio import read_label_studio
from datasets.imports.write_coco import Notes
from utils.errors import UserError

SIZE = {"original_width": 40, "original_height": 30, "image_rotation": 0}


def point(name, x, y, region="", **more):
    return {"type": "keypointlabels", "id": region or f"{name}{x}", **SIZE,
            "value": {"x": x * 2.5, "y": y / .3, "width": 0.5, "keypointlabels": [name]}, **more}


def box(x, y, w, h, region, label="cat", rotation=0):
    return {"type": "rectanglelabels", "id": region, **SIZE, "value": {
        "x": x * 2.5, "y": y / .3, "width": w * 2.5, "height": h / .3, "rotation": rotation,
        "rectanglelabels": [label]}}


def tie(one, other):
    return {"type": "relation", "from_id": one, "to_id": other, "direction": "right"}


def task(*regions, image="a.png", **more):
    return {"id": 1, "data": {"image": image}, "annotations": [{"result": list(regions)}], **more}


def read(folder, skeleton, *tasks, root=None, wanted=""):
    path, notes = folder / "labels.json", Notes(wanted=wanted)
    path.write_text(json.dumps(tasks))
    images, base = read_label_studio(path, skeleton, root, notes)
    return images, base, notes


def people(image):
    return [(person.joints.round(6).tolist(), None if person.box is None else
             np.round(person.box, 6).tolist()) for person in image.persons]


ONE = ([[4, 5, 2], [6, 7, 2]], [2, 3, 10, 12])
TWO = ([[8, 6, 2], [0, 0, 0]], [5, 4, 10, 12])


@pytest.mark.parametrize("way", ["relations", "parents", "places"])
def test_points_belong_to_a_rectangle(tmp_path, stick, way):
    """By a relation in either direction or as its child, though both are in both boxes; else by
    where they lie."""
    parent = {"parentID": "A"} if way == "parents" else {}
    regions = [box(2, 3, 10, 12, "A"), point("top", 4, 5, **parent), point("end", 6, 7, **parent),
               box(5, 4, 10, 12, "B") if way != "places" else box(25, 4, 10, 12, "B"),
               point("top", 8, 6, **({"parentID": "B"} if parent else {})) if way != "places" else
               point("top", 28, 6)]
    if way == "relations":
        regions += [tie("top4", "A"), tie("A", "end6"), tie("top8", "B")]
    (image,), base, notes = read(tmp_path, stick, task(*regions))
    other = ([[28, 6, 2], [0, 0, 0]], [25, 4, 10, 12]) if way == "places" else TWO
    assert people(image) == [ONE, other] and notes.classes == {"cat": 2}
    assert image.size == (40, 30) and image.name == "a.png" and base == tmp_path / "images"


def test_points_alone_are_one_person_and_strangers_are_counted(tmp_path, stick):
    (image,), _, notes = read(tmp_path, stick, task(point("Top", 4, 5), point("wing", 9, 9)))
    assert people(image) == [([[4, 5, 2], [0, 0, 0]], None)]
    assert notes.counts == {"points 'wing' that are no joint of stick left out": 1}


def test_a_rectangle_turns_about_its_first_corner(tmp_path, stick):
    (image,), *_ = read(tmp_path, stick, task(box(20, 10, 8, 4, "A", rotation=90)))
    assert people(image)[0][1] == [16, 10, 4, 8]


def test_the_newest_annotation_counts_and_what_nobody_has_drawn_does_not(tmp_path, stick):
    drawn = [{"result": [point("top", x, 5)], "updated_at": f"2026-0{month}", "was_cancelled": lost}
             for x, month, lost in ((1, 1, False), (2, 3, False), (3, 2, False), (4, 4, True))]
    tasks = [{"id": 1, "data": {"image": "a.png"}, "annotations": drawn},
             {"id": 2, "data": {"image": "b.png"}, "annotations": [],
              "predictions": [{"result": [point("top", 9, 9)]}]},
             {"id": 3, "data": {"image": "c.png"}, "annotations": [
                 {"result": [], "was_cancelled": True}]},
             {"id": 4, "data": {"image": "d.png"}, "completions": [{"result": []}]}]
    (first, empty), _, notes = read(tmp_path, stick, *tasks)
    assert people(first) == [([[2, 5, 2], [0, 0, 0]], None)]
    assert empty.name == "d.png" and empty.persons == []        # somebody has seen that it is empty
    assert notes.counts == {
        "tasks without an annotation, or that were skipped, left out": 2,
        "tasks with several annotations, of which the newest counts": 1}


@pytest.mark.parametrize("address, name", [
    ("/data/upload/3/1a2b3c4d-a.png", "a.png"),
    ("/data/local-files/?d=photos/b%20c.png", "b c.png"),
    ("s3://bucket/x/day/1.png", "day/1.png"), ("https://host:80/x/a.png?v=3#f", "a.png"),
    ("C:\\photos\\a.png", "a.png"), ("../../a.png", "a.png"), ("gone.png", "gone.png"),
    ("/data/upload/3/1a2b3c4d-a#1.png", "a#1.png"), ("day/a#1.png", "day/a#1.png")])
def test_pictures_are_found_by_their_address(tmp_path, stick, address, name):
    root = tmp_path / "images"
    (root / "day").mkdir()
    for other in ("b c.png", "day/1.png", "a#1.png", "day/a#1.png"):
        (root / other).write_bytes((root / "a.png").read_bytes())
    (image,), *_ = read(tmp_path, stick, task(point("top", 4, 5), image=address))
    assert image.name == name


def test_what_is_of_no_use_is_named(tmp_path, stick):
    turned = {**point("top", 4, 5), "image_rotation": 90}
    lost = {**point("top", 4, 5), "original_width": None}
    images, _, notes = read(
        tmp_path, stick, task(turned), task(lost), task(point("top", 1, 1), image=""),
        task(tie("a", "b"), tie("a", "c"), point("top", 1, 1, "a"), point("top", 2, 2, "b")),
        task({"type": "brushlabels", "value": {}}, box(0, 0, 400, 300, "A"), point("top", 1, 1)))
    assert len(images) == 1 and images[0].persons[0].box is None
    assert [sum(word in bad for bad in notes.bad) for word in (
        "is turned in Label Studio", "without numbers for its place", "names no picture",
        "has the joint top twice")] == [1, 1, 1, 1]
    assert notes.counts == {"regions of the kind brushlabels left out": 1,
                            "boxes that reach out of their picture left out": 1}
    for content, message in (([{"image": "a.png"}], "not as JSON-MIN"), ([], "is no file of Label"),
                             ({"imagePath": "a", "shapes": []}, "use import --from labelme")):
        (tmp_path / "x.json").write_text(json.dumps(content))
        with pytest.raises(UserError, match=message):
            read_label_studio(tmp_path / "x.json", stick, None, Notes())


def test_an_address_that_is_none_is_named(tmp_path, stick):
    good, bad = task(point("top", 4, 5)), task(point("top", 4, 5), image="http://[x/a.png")
    images, _, notes = read(tmp_path, stick, bad, good)
    assert len(images) == 1 and "is no address of a picture" in str(vars(notes))


def test_one_class_of_several(tmp_path, stick):
    (image,), _, notes = read(tmp_path, stick, task(
        box(2, 3, 10, 12, "A"), point("top", 4, 5), box(22, 3, 10, 12, "B", "dog"),
        point("top", 24, 5)), wanted="dog")
    assert people(image) == [([[24, 5, 2], [0, 0, 0]], [22, 3, 10, 12])]


def test_the_commands_know_it(tmp_path):
    """import with the skeleton of the labels, and init by how the file looks."""
    rng, tasks = np.random.default_rng(0), []
    for number in range(12):
        cv2.imwrite(str(tmp_path / f"{number}.png"), rng.integers(0, 255, (30, 40, 3), np.uint8))
        at = rng.uniform(5, 20, (3, 2))
        tasks.append(task(box(2, 2, 25, 25, "A"), *(
            point(name, x, y) for name, (x, y) in zip(("nose", "left_ear", "right_ear"), at,
                                                      strict=True)), image=f"{number}.png"))
    path = tmp_path / "labels.json"
    path.write_text(json.dumps(tasks))
    assert main.main(["import", "--from", "labelstudio", str(path), "--skeleton-out",
                      str(tmp_path / "cat.yaml"), "--out", str(tmp_path / "cats.json")]) == 0
    skeleton = load_skeleton(str(tmp_path / "cat.yaml"))
    assert (skeleton.name, skeleton.flip_pairs) == ("cat", ((1, 2),))
    row = json.loads((tmp_path / "cats.json").read_text())["annotations"][0]
    assert row["bbox"] == [2, 2, 25, 25] and row["num_keypoints"] == 3
    assert main.main(["init", str(path), "--out", str(tmp_path / "my.yaml")]) == 0
