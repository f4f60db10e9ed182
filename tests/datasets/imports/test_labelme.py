"""labelme: what lies beside its files."""
import json

import cv2
import numpy as np

from datasets.annotations.skeleton import skeleton_from_dict
from datasets.imports.labelme import read_labelme
from datasets.imports.write_coco import Notes

STICK = skeleton_from_dict({"name": "stick", "joints": ["top", "end"]}, "stick.yaml")


def test_pictures_without_a_file_are_counted(tmp_path):
    for name in ("a", "b", "c"):
        cv2.imwrite(str(tmp_path / f"{name}.png"), np.zeros((20, 40, 3), np.uint8))
    shape = {"label": "top", "points": [[5, 5]], "shape_type": "point"}
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels" / "a.json").write_text(json.dumps(
        {"imagePath": "../a.png", "imageWidth": 40, "imageHeight": 20, "shapes": [shape]}))
    (tmp_path / "b.json").write_text("{}")      # named and left out by itself
    notes = Notes()
    images, _ = read_labelme(tmp_path, STICK, None, notes)
    assert [image.name for image in images] == ["a.png"] and len(notes.bad) == 1
    assert notes.counts == {"pictures without a JSON file left out": 1}
