"""Where labels are written, and what stays as it is."""
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml

from processors.labelling.forms import label_files
from processors.labelling.label_files import ensure_upright
from processors.labelling.labelled_person import category_of
from processors.prediction.frame_sources import ImageFiles, open_source
from tests.processors.labelling.drawn_people import (
    FORMS,
    draw_pictures,
    found_people,
    imported,
    skeleton_named,
    source_of,
    write_labels,
)
from tests.processors.prediction.videos import write_video
from tests.turned_pictures import store_turned
from utils.errors import UserError

COCO = skeleton_named("coco", Path())
OTHERS = ", ".join(f"joint{number}" for number in range(17))


def texts(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes()
            for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.mark.parametrize("form", ["labelme", "yolo"])
def test_pictures_that_have_labels_are_left_out_and_theirs_stay(tmp_path, form):
    root = draw_pictures(tmp_path / "photos")
    mine = (root / "1.png").with_suffix(".json" if form == "labelme" else ".txt")
    mine.write_text("mine")
    files, source = label_files(form, open_source(str(root)), root, 0.3, 1)
    assert "1.png" not in source.names and len(source) == 3
    assert files.notes == ["1 pictures left out that have labels already"]
    write_labels(form, root, COCO, found_people(COCO))
    before = texts(root)
    assert before[mine.name] == b"mine" and len(before) == 8 + (form == "yolo")
    with pytest.raises(UserError, match="no picture of .* is left to label: 4 pictures left out"):
        write_labels(form, root, COCO, {})
    assert texts(root) == before


@pytest.mark.parametrize("form", ["cvat", "coco"])
def test_a_file_for_all_is_never_replaced(tmp_path, form):
    """Not even one of this project: somebody may have corrected it."""
    root = draw_pictures(tmp_path / "photos")
    write_labels(form, root, COCO, found_people(COCO))
    before = texts(root)
    with pytest.raises(UserError, match="is there already and may have been corrected"):
        write_labels(form, root, COCO, {})
    other = tmp_path / f"more{source_of(form, root).suffix}"
    write_labels(form, root, COCO, found_people(COCO), other)
    assert texts(root) == before and other.is_file()
    link = tmp_path / f"link{other.suffix}"
    link.symlink_to(tmp_path / "nowhere")
    with pytest.raises(UserError, match="is there already"):
        write_labels(form, root, COCO, {}, link)


def test_links_in_the_place_of_labels_are_not_followed(tmp_path):
    root = draw_pictures(tmp_path / "photos", ["1.png", "2.png"])
    (root / "1.json").symlink_to(tmp_path / "elsewhere.json")
    write_labels("labelme", root, COCO, {})
    assert (root / "1.json").is_symlink() and not (tmp_path / "elsewhere.json").exists()


@pytest.mark.parametrize("form", ["labelme", "yolo"])
def test_pictures_with_one_name_and_two_endings_share_a_label_file(tmp_path, form):
    root = draw_pictures(tmp_path / "photos", ["1.jpg", "1.png"])
    people = found_people(COCO, ["1.jpg", "1.png"])
    note, = write_labels(form, root, COCO, people)
    assert note.startswith("1 pictures left out that differ in their ending only from another one")
    found, _ = imported(form, root, COCO)
    assert len(found["1.jpg"]) == len(people["1.jpg"]) == 1


def test_yolo_lies_where_ultralytics_looks(tmp_path):
    """By the last folder "images", and data.yaml above it, by which an import finds all."""
    root = draw_pictures(tmp_path / "set" / "images", ["train/a/b/1.jpg", "2.jpg"])
    write_labels("yolo", root, COCO, found_people(COCO, ["2.jpg", "train/a/b/1.jpg"]))
    home = tmp_path / "set"
    assert [name for name in texts(home) if not name.endswith(".jpg")] == [
        "data.yaml", "labels/2.txt", "labels/train/a/b/1.txt"]
    said = yaml.safe_load((home / "data.yaml").read_text())
    assert said["kpt_shape"] == [17, 3] and said["names"] == {0: "person"}
    assert said["flip_idx"] == list(COCO.flip_order)
    assert said["kpt_names"] == {0: list(COCO.joint_names)}
    assert (home / said["train"]).is_dir() and said["val"] == said["train"] == "images"
    found, _ = imported("yolo", home / "data.yaml", COCO)
    assert sorted(map(len, found.values())) == [1, 2]


def test_labels_of_yolo_that_are_there_are_joined_by_their_number_of_the_class(tmp_path):
    root = draw_pictures(tmp_path / "photos", ["1.jpg"])
    there = root / "data.yaml"
    there.write_text("train: .\nval: .\nnames: [dog, person]\nkpt_shape: [17, 3]\n")
    write_labels("yolo", root, COCO, found_people(COCO, ["1.jpg"]))
    assert (root / "1.txt").read_text().startswith("1 ") and "dog" in there.read_text()
    (root / "1.txt").unlink()
    other = "does not describe the 17 joints"
    for text, message in (("names: [person]\nkpt_shape: [17, 2]", other),
                          ("names: [person]\nkpt_shape: [9, 3]", other),
                          (f"names: [x]\nkpt_shape: [17, 3]\nkpt_names: [{OTHERS}]", other),
                          ("names: [dog, cat]\nkpt_shape: [17, 3]", "has no class person")):
        there.write_text(f"train: .\nval: .\n{text}\n")
        with pytest.raises(UserError, match=message):
            write_labels("yolo", root, COCO, found_people(COCO, ["1.jpg"]))
        assert not (root / "1.txt").exists() and text in there.read_text()


def test_what_labelme_and_cvat_are_told(tmp_path):
    """The fields that the tools read, and the scores where there is room."""
    root = draw_pictures(tmp_path / "photos", ["a/1.jpg"])
    people = found_people(COCO, ["a/1.jpg"])
    write_labels("labelme", root, COCO, people, tmp_path / "out")
    content = json.loads((tmp_path / "out" / "a" / "1.json").read_text())
    assert content["imagePath"] == "../../photos/a/1.jpg" and content["imageData"] is None
    assert (content["imageWidth"], content["imageHeight"], content["version"]) == (120, 90, "5.5.0")
    box, nose, *_ = content["shapes"]
    assert box["shape_type"] == "rectangle" and box["label"] == "person" and box["score"] == 0.75
    assert nose["label"] == "nose" and nose["flags"] == {"occluded": False}
    assert nose["group_id"] == box["group_id"] == 1 and nose["score"] == 0.9
    write_labels("cvat", root, COCO, people)
    text = (root / "annotations.xml").read_text()
    assert text.count("<points ") == 17     # also those that are not labelled, with their place
    labels = json.loads((root / "annotations_labels.json").read_text())
    assert [(label["name"], label["type"]) for label in labels] == [
        ("person", "skeleton"), ("person_box", "rectangle")]
    assert [part["name"] for part in labels[0]["sublabels"]] == list(COCO.joint_names)
    assert labels[0]["svg"].count("<circle") == 17
    assert 'data-label-name="nose"' in labels[0]["svg"]


def test_scores_are_in_the_coco_file_and_its_pictures_have_their_numbers(tmp_path):
    root = draw_pictures(tmp_path / "photos", ["000007.jpg", "000009.jpg"])
    write_labels("coco", root, COCO, found_people(COCO, ["000007.jpg", "000009.jpg"]))
    content = json.loads((root / "annotations.json").read_text())
    assert [row["id"] for row in content["images"]] == [7, 9]
    row = content["annotations"][0]
    assert row["image_id"] == 7 and row["score"] == 0.75 and len(row["keypoint_scores"]) == 17
    assert row["num_keypoints"] == sum(v > 0 for v in row["keypoints"][2::3]) < 17


def test_a_name_that_xml_has_no_place_for_is_counted(tmp_path):
    root = draw_pictures(tmp_path / "photos", ["a\x01.png", "b.png"])
    assert write_labels("cvat", root, COCO, {}) == [
        "1 pictures left out whose name XML has no place for (rename them)"]
    assert "b.png" in (root / "annotations.xml").read_text()


def of_video(form: str, path: Path, out: Path, every: int):
    files, source = label_files(form, open_source(str(path)), out, 0.3, every)
    person = found_people(COCO)["1.png"]
    with files.opened(COCO):
        for frame in source:
            files.add(frame, person)
    return files, source


@pytest.mark.parametrize("form", FORMS)
def test_frames_of_a_video_become_pictures_with_labels(tmp_path, form):
    video = write_video(tmp_path / "my walk.mp4", 8)
    _, source = of_video(form, video, tmp_path / "out", 3)
    assert len(source) == 3 and not source.is_timed
    names = [f"my walk_{number:06d}.jpg" for number in (0, 3, 6)]
    assert sorted(path.name for path in (tmp_path / "out").glob("*.jpg")) == names
    of_one = {"cvat": "my walk.xml", "coco": "my walk.json"}
    found, _ = imported(form, tmp_path / "out" / of_one.get(form, ""), COCO)
    assert {name: len(people) for name, people in found.items()} == dict.fromkeys(names, 1)


def test_a_second_run_leaves_the_labels_of_frames_and_what_is_not_ours(tmp_path):
    video = write_video(tmp_path / "walk.mp4", 6)
    of_video("labelme", video, tmp_path / "out", 3)
    (tmp_path / "out" / "walk_000003.json").write_text("corrected")
    files, _ = of_video("labelme", video, tmp_path / "out", 1)
    assert files.notes == ["2 pictures left out that have labels already"]
    assert (tmp_path / "out" / "walk_000003.json").read_text() == "corrected"
    assert len(texts(tmp_path / "out")) == 12
    (tmp_path / "out" / "walk_000001.jpg").write_bytes(b"mine")
    with pytest.raises(UserError, match="walk_000001.jpg is there already, and is no file of this"):
        of_video("labelme", video, tmp_path / "out", 1)


def test_boxes_of_pictures_as_stored_do_not_become_labels(tmp_path):
    root = draw_pictures(tmp_path / "photos", ["1.jpg", "2.jpg"])
    store_turned(root / "2.jpg", 6)
    source = ImageFiles(root, ["1.jpg", "2.jpg"], stated=((None, "obey"), (None, "obey")))
    ensure_upright(source)
    with pytest.raises(UserError, match=r"1 pictures with an EXIF orientation .*\(2.jpg\)"):
        ensure_upright(ImageFiles(root, ["1.jpg", "2.jpg"], stated=((None, ""), (None, "ignore"))))


def test_what_those_who_are_found_are_called(tmp_path):
    ball = skeleton_named("ball", tmp_path)
    assert [category_of(name, ball) for name in ("cat", "", 3, "all")] == [
        "cat", "ball", "ball", "ball"]
    assert category_of("", COCO) == "person"
    root = draw_pictures(tmp_path / "photos", ["1.jpg"])
    write_labels("labelme", root, COCO, found_people(COCO, ["1.jpg"]), category="dancer")
    assert json.loads((root / "1.json").read_text())["shapes"][0]["label"] == "dancer"


def test_deep_pictures_are_labelled_like_others(tmp_path):
    root = tmp_path / "photos"
    root.mkdir()
    cv2.imwrite(str(root / "1.png"), np.random.default_rng(0).integers(
        0, 60000, (90, 120), dtype=np.uint16))
    people = found_people(COCO, ["1.png"])
    write_labels("labelme", root, COCO, people)
    assert len(imported("labelme", root, COCO)[0]["1.png"]) == 1
