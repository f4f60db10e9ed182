"""Configs with people without labels."""
from dataclasses import replace

import pytest

from configs.schema import AugmentConfig, CodecConfig, Config, DataConfig, UnlabelledSet
from datasets.annotations.skeleton import load_skeleton

COCO = load_skeleton("coco")


@pytest.fixture
def config_of():
    """Function: entries (boxes, folder) and settings of data -> Config with crops of 48x64."""
    def config_of(*entries, augment=None, **data) -> Config:
        sets = tuple(UnlabelledSet(boxes=str(boxes), img_root=str(root)) for boxes, root in entries)
        return replace(Config(), data=DataConfig(unlabelled=sets, **data),
                       augment=augment or AugmentConfig(), codec=CodecConfig(input_size=(48, 64)))
    return config_of
