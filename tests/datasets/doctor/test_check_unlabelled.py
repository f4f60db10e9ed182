"""The doctor looks at people without labels, too."""
import json
from dataclasses import replace

import pytest

from configs.schema import Config, DataConfig, UnlabelledSet
from datasets.annotations.skeleton import load_skeleton
from datasets.doctor.check_unlabelled import unlabelled
from datasets.doctor.examine import examine

COCO = load_skeleton("coco")


@pytest.fixture
def config(coco_files):
    path, root = map(str, coco_files)
    return replace(Config(), data=DataConfig(
        unlabelled=(UnlabelledSet(boxes=path, img_root=root),), train_ann_path=path,
        train_img_root=root, val_ann_path=path, val_img_root=root))


def test_it_says_how_many_there_are_and_asks_nobody_without_the_setting(config):
    found, = unlabelled(config, COCO)
    assert "8 persons in 4 images" in found.sentence and not found.serious
    assert not list(unlabelled(replace(config, data=DataConfig()), COCO))
    assert "note  data.unlabelled: " in str(examine(config, COCO))


def test_what_training_refuses_is_wrong(config, coco_files):
    coco_files[0].write_text(json.dumps({"images": []}))
    found, = unlabelled(config, COCO)
    assert "no list of annotations" in found.sentence and found.serious


def test_pictures_that_cannot_be_used_are_found(config, coco_files):
    (coco_files[1] / "000012.jpg").write_bytes(b"no picture")
    _, found = unlabelled(config, COCO)
    assert found.serious and found.count == 1 and found.examples == ("000012.jpg",)
