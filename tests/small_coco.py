"""A small made-up data set in COCO form, and packs of it."""
import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from datasets.coco import MSCOCO
from datasets.pack_writer import write_pack
from tests.datasets.crops.crop_packs import AUGMENT, COCO, INPUT_SIZE

PERSONS = (2, 1, 3, 0, 2)       # in each image
SIZE = (160, 120)               # width, height
JOINTS = [n for side in range(17) for n in (30 + 4 * side, 20 + 5 * (side % 9), 1 + side % 2)]


@pytest.fixture
def coco_content() -> dict:
    """Five images with eight persons; tests change it before they write it."""
    images = [{"id": 10 + i, "file_name": f"{10 + i:06d}.jpg", "width": SIZE[0], "height": SIZE[1]}
              for i in range(len(PERSONS))]
    annotations = [
        {"id": 100 * i + j, "image_id": 10 + i, "category_id": 1, "iscrowd": 0, "area": 3000.0,
         "bbox": [20.0 + 5 * j, 10.0 + i, 90.0, 80.0], "keypoints": list(JOINTS)}
        for i, count in enumerate(PERSONS) for j in range(count)]
    return {"images": images, "annotations": annotations,
            "categories": [{"id": 1, "name": "person"}, {"id": 2, "name": "bicycle"}]}


@pytest.fixture
def write_coco(tmp_path):
    """Function: content -> (annotation file, image folder), the images drawn."""
    def write(content: dict) -> tuple[Path, Path]:
        root = tmp_path / "images"
        root.mkdir(exist_ok=True)
        for image in content["images"]:
            rng = np.random.default_rng(image["id"])
            noise = rng.integers(0, 255, (9, 12, 3), dtype=np.uint8)
            cv2.imwrite(str(root / image["file_name"]), cv2.resize(noise, SIZE))
        path = tmp_path / "persons.json"
        path.write_text(json.dumps(content))
        return path, root
    return write


@pytest.fixture
def coco_files(coco_content, write_coco):
    """Annotation file and image folder, just written."""
    return write_coco(coco_content)


@pytest.fixture
def make_pack(coco_files, tmp_path):
    """Function: make or finish a pack of the files; returns its path."""
    def pack(form="jpeg", augment=AUGMENT, name="pack", workers=0, **settings):
        path = tmp_path / name
        dataset = MSCOCO(*coco_files, COCO, input_size=INPUT_SIZE, **settings)
        write_pack(path, dataset, augment, form, workers)
        return path
    return pack
