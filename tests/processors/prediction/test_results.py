"""Results as COCO, OpenPose and CSV: what other programs read, of images and of videos."""
import csv
import json
from dataclasses import replace

import numpy as np
import pytest
from pycocotools.coco import COCO

from datasets.annotations.skeleton import skeleton_from_dict
from processors.prediction.frame import Frame
from processors.prediction.frame_sources import ImageFiles, open_source
from processors.prediction.frame_writers import Output, writers_for
from processors.prediction.person import Person
from tests.processors.prediction.videos import write_video
from utils.errors import UserError

TRIO = skeleton_from_dict({"joints": ["nose", "left_eye", "right_eye"]}, "here")
ALONE = {"pictures": False}
PIXELS = np.zeros((8, 8, 3), np.uint8)


def person(x: float, number=None) -> Person:
    points = np.float32([[x, 10.126], [x + 1, 11], [x + 2, 12]])
    return Person(points, np.float32([0.9, 0.8, 0.12345]), np.float32([x, 5, 20, 40]), 0.7, number)


def write(source, out, form, frames, **output):
    _, results = writers_for(source, out, Output(form=form, **(ALONE | output)))
    with results.opened(TRIO):
        for frame, people in frames:
            results.add(frame, people)
    return results.path


@pytest.fixture
def images(tmp_path):
    return ImageFiles(tmp_path / "photos", ["000007.jpg", "000009.png"])


def of_images(images):
    return [(Frame(0, 0.0, images.names[0], PIXELS), [person(3), person(30)]),
            (Frame(1, 0.0, images.names[1], None, "it is damaged"), [])]


def test_coco_results_are_what_pycocotools_loads(images, tmp_path):
    path = write(images, tmp_path / "out", "coco", of_images(images))
    assert path == tmp_path / "out" / "results.json"
    rows = json.loads(path.read_text())
    assert [row["image_id"] for row in rows] == [7, 7]
    assert rows[0]["keypoints"] == [3.0, 10.13, 0.9, 4.0, 11.0, 0.8, 5.0, 12.0, 0.1234] or (
        rows[0]["keypoints"][-1] == 0.1235)
    assert rows[0]["bbox"] == [3, 5, 20, 40] and rows[0]["file_name"] == "000007.jpg"
    truth = COCO()
    truth.dataset = {"images": [{"id": 7}, {"id": 9}], "categories": [{"id": 1}],
                     "annotations": []}
    truth.createIndex()
    assert len(truth.loadRes(str(path)).anns) == 2
    write(images, tmp_path / "out", "coco", [])         # nobody: a list all the same, and ours
    assert json.loads(path.read_text()) == []
    write(images, tmp_path / "out", "coco", of_images(images))


def test_frames_of_a_video_are_its_images(tmp_path):
    video = open_source(str(write_video(tmp_path / "a.mp4", 3)))
    path = write(video, tmp_path / "out", "coco", [(Frame(2, 0.16, "", PIXELS), [person(3, 5)])])
    row, = json.loads(path.read_text())
    assert path.name == "a.json" and row["image_id"] == 2 and row["id"] == 5


def test_a_table(images, tmp_path):
    images = ImageFiles(images.root, ["one, two.jpg"])
    path = write(images, tmp_path / "table.csv", "csv",
                 [(Frame(0, 0.0, "one, two.jpg", PIXELS), [person(3, 4), person(30)])])
    assert path == tmp_path / "table.csv"
    first, second = csv.DictReader(path.open())
    assert first["image"] == "one, two.jpg" and first["person"] == "4" and second["person"] == ""
    assert float(first["left_eye_x"]) == 4 and float(first["nose_y"]) == 10.13
    assert float(first["right_eye_score"]) == pytest.approx(0.1235, abs=1e-4)
    write(images, tmp_path / "table.csv", "csv", [])        # ours, so it may be replaced


def test_openpose_files(tmp_path):
    images = ImageFiles(tmp_path, ["a.jpg", "a.png", "more/b.jpg"])
    frames = [(Frame(i, 0.0, name, PIXELS), [person(i)]) for i, name in enumerate(images.names)]
    path = write(images, tmp_path / "out", "openpose", frames)
    assert sorted(str(file.relative_to(path)) for file in path.rglob("*.json")) == [
        "a.jpg_keypoints.json", "a.png_keypoints.json", "more/b_keypoints.json"]
    content = json.loads((path / "more/b_keypoints.json").read_text())
    assert content["version"] == 1.3 and content["people"][0]["person_id"] == [-1]
    assert len(content["people"][0]["pose_keypoints_2d"]) == 9
    video = open_source(str(write_video(tmp_path / "v.mp4", 3)))
    for count in (3, 1):        # the files of a longer run before do not stay
        path = write(video, tmp_path / "out", "openpose",
                     [(Frame(i, 0.0, "", PIXELS), [person(1, 6)]) for i in range(count)])
    file, = path.iterdir()
    assert file.name == "v_000000000000_keypoints.json"
    assert json.loads(file.read_text())["people"][0]["person_id"] == [6]


@pytest.mark.parametrize("form, name, content", [
    ("coco", "results.json", '[{"image_id": 1, "bbox": []}]'), ("csv", "results.csv", "image,x\n"),
    ("openpose", "results_openpose/a_keypoints.json", '{"version": 1.3, "people": []}')])
def test_files_of_others_stay(images, tmp_path, form, name, content):
    path = tmp_path / "out" / name
    path.parent.mkdir(parents=True)
    path.write_text(content)
    with pytest.raises(UserError, match="is there already, and is no file of this project"):
        writers_for(images, tmp_path / "out", Output(form=form, pictures=False))
    assert path.read_text() == content


def test_a_file_of_another_form_is_refused(images, tmp_path):
    with pytest.raises(UserError, match="x.csv.*form coco alone go into a folder or .*json"):
        writers_for(images, tmp_path / "x.csv", Output(form="coco", pictures=False))


def test_an_error_and_a_stop_leave_a_whole_list(images, tmp_path):
    with pytest.raises(KeyError):
        _, results = writers_for(images, tmp_path / "out", Output(form="coco", pictures=False))
        with results.opened(TRIO):
            results.add(*of_images(images)[0])
            raise KeyError
    assert len(json.loads(results.path.read_text())) == 2


def test_visibility_stands_where_the_network_tells_it(images, tmp_path):
    told = replace(person(3), visibility=np.float32([[1, 0, 0], [0, 0.12341, 0.87659], [0, 0, 1]]))
    frames = [(Frame(0, 0.0, images.names[0], PIXELS), [told, person(30)])]
    for form in ("jsonl", "coco"):
        text = write(images, tmp_path / form, form, frames).read_text()
        rows = json.loads(text) if form == "coco" else json.loads(text.splitlines()[0])["people"]
        assert rows[0]["visibility"] == [[1, 0, 0], [0, 0.1234, 0.8766], [0, 0, 1]]
        assert "visibility" not in rows[1]
