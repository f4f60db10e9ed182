"""Boxes without labels: who is taken from which file, who is left out, and what is refused."""
import json
from pathlib import Path

import numpy as np
import pytest

from datasets.annotations.annotated_sets import AnnotatedSet
from datasets.annotations.readers import read_persons
from datasets.annotations.skeleton import load_skeleton
from datasets.unlabelled.boxes import read_unlabelled
from tests.small_coco import PERSONS, SIZE
from tests.turned_pictures import store_turned
from utils.errors import UserError

COCO = load_skeleton("coco")


def read(boxes, root, category="", score=0.25, exif="default", **options):
    part = AnnotatedSet(Path(boxes), Path(root), COCO, category, "data.unlabelled[0].boxes",
                        "data.unlabelled[0].img_root", exif)
    return read_unlabelled(part, "hrnet", score, **options)


@pytest.fixture
def results(coco_files, tmp_path):
    """Function: rows -> detections file, and the folder of images 10 to 14."""
    def results(*rows):
        path = tmp_path / "boxes.json"
        path.write_text(json.dumps([{"category_id": 1, "score": 0.9, "bbox": [20, 10, 90, 80]} | row
                                    for row in rows]))
        return path, coco_files[1]
    return results


# ---- annotation files

def test_annotated_people_have_the_boxes_that_labelled_ones_have(coco_files):
    labelled, found = read_persons(coco_files[0], COCO), read(*coco_files)
    for name in ("boxes", "image_rows", "image_ids", "file_names", "image_sizes", "keypoints",
                 "visibility"):
        np.testing.assert_array_equal(getattr(found, name), getattr(labelled, name))
    assert (found.scores == 1).all() and not found.notes


def test_people_need_no_joints_and_those_without_a_usable_box_are_counted(coco_content, write_coco):
    rows = coco_content["annotations"]
    del rows[0]["keypoints"], rows[0]["area"]
    rows[1]["keypoints"] = [0] * 51
    rows[2]["iscrowd"], rows[3]["bbox"], rows[4]["bbox"] = 1, [0, 0, 0, 5], [900, 900, 20, 20]
    rows[5]["image_id"], rows[6]["category_id"] = 99, 2
    found = read(*write_coco(coco_content))
    assert found.ids.tolist() == [0, 1, 7]      # rows of the file
    assert found.visibility.any(axis=1).tolist() == [False, False, True]
    notes = "; ".join(f"{count} {what}" for what, count in found.notes.items())
    assert "1 crowds left out" in notes and "1 boxes of other pictures left out" in notes
    assert "1 annotations of other categories" in notes
    assert sum(count for what, count in found.notes.items() if "outside their picture" in what) == 2


@pytest.mark.parametrize("way", ["fewer", "other names", "another order"])
def test_joints_of_another_skeleton_are_not_compared(coco_content, write_coco, way):
    (category,) = [one for one in coco_content["categories"] if one["name"] == "person"]
    if way == "other names":
        category["keypoints"] = [f"k{number}" for number in range(17)]
    elif way == "another order":
        category["keypoints"] = COCO.joint_names[::-1]
    for row in coco_content["annotations"]:
        row["keypoints"] = row["keypoints"][:30 if way == "fewer" else None]
    found = read(*write_coco(coco_content))
    assert len(found) == sum(PERSONS) and not found.visibility.any()
    (note, count), = found.notes.items()
    assert "joints are not those of coco" in note and count == sum(PERSONS)


def test_sizes_that_a_file_does_not_say_are_looked_up(coco_content, write_coco):
    for image in coco_content["images"]:
        del image["width"], image["height"]
    found = read(*write_coco(coco_content))
    assert (found.image_sizes == SIZE).all() and len(found) == sum(PERSONS)


# ---- results of a detector

def test_results_are_known_by_the_number_of_a_picture_and_by_its_name(results):
    found = read(*results({"image_id": 12}, {"image_id": 10, "score": 0.1}, {"image_id": 77},
                          {"image_id": 10, "bbox": [-30, 10, 60, 60]}))
    assert found.file_names.tolist() == ["000010.jpg", "000012.jpg"]
    np.testing.assert_array_equal(found.boxes, [[0, 10, 59, 59], [20, 10, 89, 79]])
    assert found.scores.tolist() == pytest.approx([0.9, 0.9]) and not found.visibility.any()
    assert found.notes == {"boxes with a score below 0.25 (detector.confidence) left out": 1,
                           "boxes of other pictures left out": 1}
    named = read(*results({"image_id": 3, "file_name": "000014.jpg"}))
    assert named.file_names.tolist() == ["000014.jpg"] and (named.image_sizes == SIZE).all()


def test_results_without_numbers_or_names_are_refused(results):
    path, root = results({"image_id": 1})
    (root / "cat.jpg").write_bytes((root / "000010.jpg").read_bytes())
    with pytest.raises(UserError, match="tells pictures by numbers, and names such as .* none"):
        read(path, root)


def test_how_detect_has_read_a_turned_picture_decides(results):
    path, root = results({"image_id": 10, "exif": "ignore"}, {"image_id": 11, "exif": "obey"},
                         {"image_id": 12})
    for number in (10, 11, 12):
        store_turned(root / f"{number:06d}.jpg", 6)
    found = read(path, root)
    assert found.exif.tolist() == ["ignore", "obey", "obey"]
    assert found.image_sizes.tolist() == [[*SIZE[::-1]], [*SIZE], [*SIZE]]


# ---- whole pictures

def test_without_boxes_each_picture_of_the_folder_is_a_person(coco_files):
    root = coco_files[1]
    (root / "below").mkdir()
    (root / "below" / "x.jpg").write_bytes((root / "000010.jpg").read_bytes())
    (root / "notes.txt").write_text("no picture")
    found = read(root, root)
    assert found.file_names.tolist() == ["000010.jpg", "000011.jpg", "000012.jpg", "000013.jpg",
                                         "000014.jpg", "below/x.jpg"]
    assert (found.boxes == [0, 0, SIZE[0] - 1, SIZE[1] - 1]).all()


# ---- what is wrong

def test_broken_pictures_are_refused_or_counted(coco_files):
    root = coco_files[1]
    (root / "000012.jpg").write_bytes(b"no picture")
    with pytest.raises(UserError, match=r"1 picture of .* cannot be read, first 000012.jpg; mend"):
        read(root, root)
    found = read(root, root, skip_broken=True)
    assert len(found) == 4
    assert found.notes == {"people in pictures that cannot be read left out": 1}


@pytest.mark.parametrize("rows, said", [
    ([], "has no box of anybody in the pictures of"),
    ([{"image_id": 10, "score": 0.2}], "1 boxes with a score below 0.25"),
    ([{"image_id": 5}], "1 boxes of other pictures left out")])
def test_a_file_of_no_boxes_is_refused(results, rows, said):
    with pytest.raises(UserError, match=said) as error:
        read(*results(*rows))
    assert str(error.value).startswith("data.unlabelled[0].boxes: ")


def test_what_is_missing_is_named(coco_files, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"data.unlabelled\[0\].img_root: the folder"):
        read(coco_files[0], tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match=r"no.json \(data.unlabelled\[0\].boxes\)"):
        read(tmp_path / "no.json", coco_files[1])
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="holds no pictures"):
        read(tmp_path / "empty", tmp_path / "empty")
