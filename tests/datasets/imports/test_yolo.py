"""YOLO-pose labels: what is odd is left out by name, never taken silently."""
import pytest

from datasets.imports.write_coco import Notes
from datasets.imports.yolo import read_yolo
from tests.datasets.imports.written import write


@pytest.mark.parametrize("line, part", [
    ("0 .5 .5 .2 .2 .5", "line 1, has 6 numbers; .* needs 9 or 11"),
    ("0 .5 .5 .2 .2 .5 x .4 .4", "no number"), ("0 20 15 9 9 .5 .5 .4 .4", "parts of the image"),
    ("0 .5 .5 .2 .2 nan .5 .4 .4", "parts of the image"),
    ("0 .5 .5 .2 .2 20 15 .4 .4", "parts of the image"),
    ("0 .5 .5 .2 .2 .5 .5 .87 .4 .4 .31", "a v that is none of 0, 1 and 2"),
])
def test_bad_yolo_lines_are_named(stick, tmp_path, line, part):
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels" / "a.txt").write_text(line)
    notes = Notes()
    with pytest.raises(ValueError, match=f"a.txt, {part}" if "line" in part else part):
        write(read_yolo(tmp_path, stick, None, notes), tmp_path, stick, notes)


def test_yolo_without_visibility(stick, tmp_path):
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels" / "a.txt").write_text(
        "\ufeff0 .5 .5 .5 .5 .25 .5 0 0\n\n", encoding="utf-8")       # as Notepad begins a file
    notes = Notes()
    content = write(read_yolo(tmp_path, stick, None, notes), tmp_path, stick, notes)
    assert content["annotations"][0]["keypoints"] == [10, 15, 2, 0, 0, 0]
    assert content["annotations"][0]["bbox"] == [10, 7.5, 20, 15]
