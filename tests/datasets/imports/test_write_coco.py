"""Whatever form the labels had: what is written of them."""
from collections import Counter
from pathlib import Path

import pytest

from datasets.imports.cvat import read_cvat
from datasets.imports.write_coco import Notes, say
from tests.datasets.imports.written import write


def test_a_box_is_made_around_the_joints_and_cut_to_the_image(stick, tmp_path):
    (tmp_path / "a.xml").write_text(
        '<annotations><image name="a.png" width="40" height="30">'
        '<points label="top" points="10,2"/><points label="end" points="30,12"/></image>'
        '</annotations>')
    notes = Notes()
    content = write(read_cvat(tmp_path / "a.xml", stick, None, notes), tmp_path, stick, notes)
    assert content["annotations"][0]["bbox"] == [6, 0, 28, 16]      # 4 pixels, the least padding
    assert notes.counts["boxes made around the joints"] == 1


@pytest.mark.parametrize("classes, words", [
    ({"bird": 3, "kite": 2}, "2 classes are mixed, all as bird: bird (3), kite (2); take one by"),
    ({"bird": 3, "": 2}, ""), ({"bird": 3}, ""), ({"": 2}, ""),
    ({"bird": 3, "kite": 2, "": 1}, "3 classes are mixed, all as bird: bird (3), kite (2), none")])
def test_mixed_classes_are_told(caplog, classes, words):
    say({"annotations": [], "images": [], "categories": [{"name": "bird"}]}, Path("out.json"),
        Notes(classes=Counter(classes)))
    assert words in caplog.text and ("mixed" in caplog.text) == bool(words)
