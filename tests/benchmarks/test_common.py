"""What the benchmarks share: lines with bars, sections of a page, medians, drawn images."""
import json

import cv2
import numpy as np
import pytest

from benchmarks.common import COCO_SIDE, draw_large, markdown_table, medians, replace_section, say
from datasets.annotations.skeleton import load_skeleton
from datasets.coco import MSCOCO


@pytest.mark.parametrize("value, bars, good", [
    (1.2, {"at_most": 1.25}, True), (1.3, {"at_most": 1.25}, False),
    (12, {"at_least": 10}, True), (9, {"at_least": 10}, False), (9, {}, True)])
def test_a_line_says_whether_the_bar_is_kept(capsys, value, bars, good):
    assert say("x_speed", "a / b", value, unit="s", **bars, persons=3) is good
    assert json.loads(capsys.readouterr().out) == {
        "benchmark": "x_speed", "name": "a / b", "value": value, "unit": "s", **bars, "ok": good,
        "persons": 3}


def test_only_the_section_of_that_name_is_replaced(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("# Title\n<!-- a -->\nold\n<!-- end of a -->\nprose\n<!-- b -->\nkept\n"
                    "<!-- end of b -->\n")
    for text in ("first", "new"):
        replace_section(page, "a", text)
    assert page.read_text() == ("# Title\n<!-- a -->\n\nnew\n\n<!-- end of a -->\nprose\n"
                                "<!-- b -->\nkept\n<!-- end of b -->\n")
    with pytest.raises(ValueError, match="has no lines '<!-- c -->'"):
        replace_section(page, "c", "lost")


def test_a_table_has_its_first_column_flush_left():
    assert markdown_table([("name", "AP"), ("DUC", ".7")]).splitlines() == [
        "| name | AP |", "| --- | ---: |", "| DUC | .7 |"]


def test_medians_leave_the_first_round_out():
    times = iter([0, 100, 100, 103, 103, 104, 104, 109])
    assert medians({"call": lambda: None}, repeats=3, clock=lambda: next(times)) == {"call": 3}


def test_drawn_images_have_the_size_of_cocos_with_their_joints_in_place(tmp_path):
    path, images = draw_large(tmp_path, 2)
    people = MSCOCO(path, images, load_skeleton("coco")).persons
    for name, (width, height) in zip(people.file_names, people.image_sizes, strict=True):
        image = cv2.imread(str(images / name))
        assert image.shape[1::-1] == (width, height) and max(image.shape) == COCO_SIDE
    for box, joints, seen in zip(people.boxes, people.keypoints, people.visibility, strict=True):
        joints = joints[seen > 0]
        assert len(joints) and (joints > box[:2] - 5).all()
        assert (joints < box[:2] + box[2:] + 5).all()
    assert np.ptp(people.keypoints[people.visibility > 0][:, 1]) > 100
