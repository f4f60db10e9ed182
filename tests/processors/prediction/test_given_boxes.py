"""--boxes: rows find their images, and what does not count is counted."""
import json
from dataclasses import replace

import cv2
import numpy as np
import pytest
from PIL import Image

from processors.detection.person_detector import Detections
from processors.prediction import given_boxes
from processors.prediction.frame import Frame
from processors.prediction.frame_sources import ImageFiles, open_source
from processors.prediction.given_boxes import read_boxes
from tests.processors.prediction.videos import write_video
from tests.turned_pictures import store_turned
from utils.errors import UserError

BOX = [1.0, 2.0, 30.0, 40.0]
PIXELS = cv2.resize(np.random.default_rng(0).integers(0, 255, (4, 6, 3), dtype=np.uint8), (60, 40))


@pytest.fixture
def said(monkeypatch):
    found = []
    monkeypatch.setattr(given_boxes.log, "info", lambda text, *words: found.append(text % words))
    return found


def save(path, content):
    path.write_text(json.dumps(content))
    return path


def row(image_id, score=0.9, category_id=1, **more):
    return {"image_id": image_id, "category_id": category_id, "bbox": BOX, "score": score, **more}


def counts(given, source) -> list[int]:
    found = [given.of(Frame(number, 0.0, "", None)) for number in range(len(source))]
    return [len(one.boxes) if isinstance(one, Detections) else len(one) for one in found]


def test_results_by_the_numbers_of_files_as_detect_writes_them(tmp_path, said):
    images = ImageFiles(tmp_path, ["000000000009.jpg", "000000000012.jpg"])
    path = save(tmp_path / "det.json", [
        row(12), row(12, 0.5), row(9, 0.1), row(77), row(12, category_id=18),
        {**row(12), "bbox": [0, 0, 0, 5]}])
    given = read_boxes(path, images, min_score=0.25)
    assert counts(given, images) == [0, 2]
    found = given.of(Frame(1, 0.0, "", None))
    assert found.scores.tolist() == pytest.approx([0.9, 0.5]) and found.boxes[0].tolist() == BOX
    assert [line.split(": ", 1)[1] for line in said] == [
        "1 detections of other categories (18: 1) left out",
        "1 boxes without size or not finite left out",
        "1 boxes with a score below 0.25 (detector.confidence) left out",
        "1 boxes of other images left out", "2 boxes in 1 of 2 images"]


def test_boxes_beside_their_picture_are_left_out_and_said(tmp_path, caplog):
    images = ImageFiles(tmp_path, ["1.jpg"])
    inside, edge = [1.0, 2.0, 30.0, 40.0], [-10.0, 39.0, 20.0, 9.0]
    path = save(tmp_path / "det.json", [{**row(1), "bbox": box} for box in (
        inside, [60.0, 2.0, 5.0, 5.0], edge, [900.0, 900.0, 5.0, 5.0], [5.0, 5.0, 0.2, 9.0])])
    found = read_boxes(path, images).of(Frame(0, 0.0, "1.jpg", PIXELS))     # 60 x 40
    assert found.boxes.tolist() == [inside, edge] and len(found.scores) == 2
    assert "1.jpg: boxes outside of it or of less than a pixel left out: 3" in caplog.text


def test_results_by_file_names(tmp_path):
    images = ImageFiles(tmp_path, ["a.jpg", "more/b.jpg"])
    path = save(tmp_path / "det.json", [row(1, file_name="more/b.jpg"), row(2, file_name="a.jpg"),
                                        row(2, file_name="elsewhere/a.jpg")])
    assert counts(read_boxes(path, images), images) == [2, 1]
    path = save(tmp_path / "det.json", [row(1)])
    with pytest.raises(UserError, match="tells images by numbers, and names such as a.jpg have"):
        read_boxes(path, images)


def test_annotations_are_asked_for_all(tmp_path):
    images = ImageFiles(tmp_path, ["a.jpg", "b.jpg"])
    content = {"images": [{"id": 5, "file_name": "val/b.jpg"}, {"id": 6, "file_name": "c.jpg"}],
               "categories": [{"id": 1, "name": "person"}, {"id": 2, "name": "dog"}],
               "annotations": [{**row(5), "id": 1}, {**row(5), "id": 2, "iscrowd": 1},
                               {**row(6), "id": 3}, {**row(5, category_id=2), "id": 4}]}
    path = save(tmp_path / "ann.json", content)
    given = read_boxes(path, images, min_score=0.95)
    assert counts(given, images) == [0, 1] and isinstance(given.of(Frame(1, 0., "", None)),
                                                          np.ndarray)
    assert counts(read_boxes(path, images, "dog"), images) == [0, 1]
    with pytest.raises(UserError, match="has no category 'cat': set data.category"):
        read_boxes(path, images, "cat")


def test_frames_of_a_video_by_their_number(tmp_path, said):
    video = open_source(str(write_video(tmp_path / "a.mp4", 3)))
    path = save(tmp_path / "det.json", [row(0), row(2), row(2)])
    assert counts(read_boxes(path, video), video) == [1, 0, 2]
    assert said == [f"{path} (--boxes): 3 boxes in 2 of 3 frames"]
    assert read_boxes(path, video).notes(3) == []
    note, = read_boxes(path, video).notes(2)
    assert "2 boxes are of frames behind the last, 1" in note and "begin with 1" not in note
    note, = read_boxes(save(path, [row(1), row(2), row(3)]), video).notes(3)
    assert "1 boxes are of frames behind the last, 2" in note and "begin with 1" in note


@pytest.mark.parametrize("orientation", range(2, 9))
@pytest.mark.parametrize("size, of_row, setting, upright", [
    ((60, 40), None, "ignore", None), ((40, 60), None, "obey", None),
    (None, "ignore", "obey", False), (None, "obey", "ignore", True),
    (None, None, "obey", True), (None, None, "default", False)])
def test_pictures_of_an_annotation_file_are_read_as_it_says(tmp_path, caplog, orientation,
                                                            size, of_row, setting, upright):
    """By the size if that settles it, else by the row, else by data.exif, as in training."""
    Image.fromarray(PIXELS).save(tmp_path / "a.png")
    store_turned(tmp_path / "a.png", orientation)
    side = size is not None and orientation > 4     # then the size proves something
    if size and not side:
        return
    image = {"id": 5, "file_name": "a.png", "exif": of_row,
             **({"width": size[0], "height": size[1]} if size else {})}
    path = save(tmp_path / "ann.json", {
        "images": [image], "annotations": [{**row(5), "id": 1}], "categories": []})
    source = open_source(str(tmp_path / "a.png"))
    given = read_boxes(path, source, exif=setting)
    (frame,) = replace(source, stated=given.stated)
    upright = size == (60, 40) if side else upright
    assert np.array_equal(frame.pixels, PIXELS) == upright
    assert any("no size settles" in record.message for record in caplog.records) == (
        not side and not of_row)


def test_a_picture_of_another_size_than_that_of_the_boxes_is_refused(tmp_path):
    Image.fromarray(PIXELS).save(tmp_path / "a.png")
    path = save(tmp_path / "ann.json", {
        "images": [{"id": 5, "file_name": "a.png", "width": 120, "height": 80}],
        "annotations": [{**row(5), "id": 1}], "categories": []})
    source = open_source(str(tmp_path / "a.png"))
    (frame,) = replace(source, stated=read_boxes(path, source).stated)
    assert frame.pixels is None and "has 60x40 pixels, but the file of the boxes says 120x80" in (
        frame.error)


@pytest.mark.parametrize("rows, category, words", [
    ([row(1, category_id=3), row(1, category_id=4)], "", "has the categories .3, 4. and not 1"),
    ([row(1)], 7, r"has no box .*; left out are 1 detections of other categories .1: 1.: give"),
    ([row(1, category_id="person")], "", "left out are 1 .* .'person': 1.: .* category_id"),
    ([row(1, 0.1), row(2)], "", r"left out are 1 boxes with a score below 0.2 .*, 1 boxes of oth"),
    ([], "", "has no box for what is to be looked at: give"),
    ([{**row(1), "bbox": [1, 2]}], "", "has 2 numbers in bbox instead of 4"),
    ([{"image_id": 1, "category_id": 1, "bbox": BOX}], "", "has no score"),
    ({"shapes": []}, "", "is not a COCO annotation file"), ("text", "", "not a COCO annotation")])
def test_files_that_cannot_be_meant(tmp_path, rows, category, words):
    images = ImageFiles(tmp_path, ["1.jpg"])
    with pytest.raises(UserError, match=words) as caught:
        read_boxes(save(tmp_path / "det.json", rows), images, category, min_score=0.2)
    assert "det.json (--boxes)" in str(caught.value)


def test_the_only_category_of_results_is_meant(tmp_path):
    images = ImageFiles(tmp_path, ["1.jpg"])
    path = save(tmp_path / "det.json", [row(1, category_id=0)])
    assert counts(read_boxes(path, images, "lizard"), images) == [1]
