"""MSCOCO with the boxes of a detections file."""
import json

import pytest

from datasets.annotations.skeleton import load_skeleton
from datasets.coco import MSCOCO
from datasets.crops.images import ImageError
from tests.turned_pictures import store_turned
from utils.errors import UserError

COCO = load_skeleton("coco")


def write_detections(tmp_path, rows: list):
    path = tmp_path / "detections.json"
    path.write_text(json.dumps(rows))
    return path


def detection(**changes) -> dict:
    return {"image_id": 11, "category_id": 1, "bbox": [-9, 5, 30, 60], "score": 0.5, **changes}


def test_detections_replace_the_boxes(coco_content, write_coco, tmp_path):
    rows = [detection(), detection(image_id=13.0, score=0.9), detection(image_id=11, score=0.25),
            detection(category_id=2), detection(score=0.1), detection(image_id=77),
            detection(bbox=[1, 2, 0, 4]), detection(bbox=[1, 2, float("nan"), 4]),
            detection(bbox=[1, 2, 3, -4]), detection(bbox=[0, 0, 900, 9], score=0.1)]
    dataset = MSCOCO(*write_coco(coco_content), COCO, split="val", box_score=0.2,
                     detections=write_detections(tmp_path, rows))
    assert dataset.persons.ids.tolist() == [0, 2, 1]        # image 13 has no annotated person
    assert dataset.persons.boxes[0].tolist() == [-9, 5, 30, 60]     # not cut to the image
    assert [round(dataset[i].box_score, 3) for i in range(3)] == [0.5, 0.25, 0.9]
    assert dataset[0].visibility.sum() == 0
    assert dataset[0].area == pytest.approx(45 * 60 * 1.25 ** 2, rel=1e-5)
    assert dataset.persons.named_images.tolist() == [11, 13]
    assert dataset.persons.rows.tolist() == [0, 2, 1]
    for words in ("1 detections of other categories (2: 1) left out",
                  "2 boxes with a score below 0.2", "3 boxes without size or not finite",
                  "1 boxes in images that the annotation file does not list"):
        assert words in dataset.summary()


def test_boxes_far_larger_than_their_image_are_counted(coco_content, write_coco, tmp_path):
    rows = [detection(), detection(bbox=[0, 0, 1e9, 1e9]), detection(bbox=[0, 0, 900, 9])]
    dataset = MSCOCO(*write_coco(coco_content), COCO, split="val",
                     detections=write_detections(tmp_path, rows))
    assert len(dataset) == 3 and ("; 2 boxes more than twice as wide or high as their image, used "
                                  "as they are") in dataset.summary()


@pytest.mark.parametrize("rows, words", [
    ({"a": 1}, "not a detections file"), ([detection(), {"image_id": 11}], "row 1 has no category"),
    ([detection(bbox=[1, 2, 3])], "row 0 has 3 numbers in bbox instead of 4"),
    ([detection(bbox=[1, 2, 3, 10 ** 400])], "row 0 has .*numbers without end"),
    ([detection(score=10 ** 400)], "row 0 has .*numbers without end"),
    ([detection(), detection(score="0.9")], "row 1 has something else than numbers in score"),
    ([detection(bbox=[1, 2, "3", 4])], "row 0 has something else than numbers in bbox"),
    ([detection(bbox=["1", "2", "3", "4"])], "row 0 has something else than numbers in bbox"),
    ([[1]], "row 0 is no entry with image_id and category_id"),
])
def test_wrong_detections(coco_content, write_coco, tmp_path, rows, words):
    with pytest.raises(ValueError, match=words) as caught:
        MSCOCO(*write_coco(coco_content), COCO, detections=write_detections(tmp_path, rows))
    assert "val.boxes" in str(caught.value) and "detections.json" in str(caught.value)


@pytest.mark.parametrize("ids", ["11", "000011.jpg", [11], None, True])
def test_image_ids_of_another_kind_are_refused_with_one_of_each(
        coco_content, write_coco, tmp_path, ids):
    path = write_detections(tmp_path, [detection(), *[detection(image_id=ids)] * 2])
    words = (r"2 of 3 image_ids are no numbers, as those of .*persons.json.* are: "
             r"here one is .*(11|None|True).*there one is 10")
    with pytest.raises(UserError, match=words) as caught:
        MSCOCO(*write_coco(coco_content), COCO, detections=path)
    assert "detections.json (val.boxes)" in str(caught.value)


def test_a_box_larger_than_any_image_is_left_out_with_its_place(coco_content, write_coco, tmp_path):
    rows = [detection(), detection(bbox=[0, 0, 1e300, 5]), detection(bbox=[-1e12, 0, 5, 5])]
    dataset = MSCOCO(*write_coco(coco_content), COCO, detections=write_detections(tmp_path, rows))
    assert len(dataset) == 1 and dataset[0].crop.any()
    assert "detections.json" in dataset.summary()
    assert "2 boxes larger than any image, first in row 1, left out" in dataset.summary()


@pytest.mark.parametrize("rows, words", [
    ([], "0 persons in 0 images"),
    ([detection(score=None)], "1 boxes whose score is no finite number left out"),
    ([detection(score=float("nan"))], "1 boxes whose score is no finite number left out"),
    ([detection(image_id=77)], "1 boxes in images that the annotation file does not list")])
def test_a_detector_that_finds_nobody_is_no_error(coco_content, write_coco, tmp_path, rows, words):
    dataset = MSCOCO(*write_coco(coco_content), COCO, detections=write_detections(tmp_path, rows))
    assert len(dataset) == 0 and words in dataset.summary()


def test_missing_detections_file(coco_content, write_coco, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no\.json \(val.boxes\) does not exist"):
        MSCOCO(*write_coco(coco_content), COCO, detections=tmp_path / "no.json")


@pytest.mark.parametrize("of_boxes, setting, words", [
    (None, "default", ""), ("ignore", "default", ""), ("obey", "obey", ""),
    ("obey", "default", "in the upright pixels, and the stored ones are read here"),
    ("ignore", "obey", "in the stored pixels, and the upright ones are read here")])
def test_boxes_of_a_turned_picture_that_is_read_otherwise_are_refused(
        coco_content, write_coco, tmp_path, of_boxes, setting, words):
    files = write_coco(coco_content)
    row = next(image for image in coco_content["images"] if image["id"] == 11)
    store_turned(files[1] / row["file_name"], 3)
    dataset = MSCOCO(*files, COCO, split="val", exif=setting, detections=write_detections(
        tmp_path, [detection(**({"exif": of_boxes} if of_boxes else {}))]))
    if not words:
        assert dataset[0].crop.any()
        return
    with pytest.raises(ImageError, match=f"has its boxes in .*detections.json {words}"):
        dataset[0]
