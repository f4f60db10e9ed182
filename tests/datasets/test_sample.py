"""Samples stack into a batch with the stated shapes and types."""
import numpy as np
import pytest
import torch

from datasets.sample import Sample, collate


def sample(index: int) -> Sample:
    return Sample(crop=np.full((8, 6, 3), index, np.uint8),
                  keypoints=np.full((4, 2), index + 0.5, np.float32),
                  visibility=np.ones(4, np.float32), to_image=np.eye(2, 3, dtype=np.float32),
                  index=index, image_id=9900000000001 + index, area=2.5 * index, box_score=0.5,
                  broken=index == 4)


def test_collate_stacks_every_field():
    batch = collate([sample(3), sample(4)])
    assert len(batch) == 2
    shapes = {"crop": (2, 8, 6, 3), "keypoints": (2, 4, 2), "visibility": (2, 4),
              "to_image": (2, 2, 3), "index": (2,), "image_id": (2,), "area": (2,),
              "box_score": (2,), "broken": (2,), "draws": (2, 0)}
    for name, shape in shapes.items():
        assert getattr(batch, name).shape == shape
    assert batch.crop.dtype == torch.uint8
    assert batch.index.dtype == batch.image_id.dtype == torch.int64
    assert batch.image_id.tolist() == [9900000000004, 9900000000005]
    assert batch.crop[1].unique().tolist() == [4] and batch.keypoints[0].unique().tolist() == [3.5]
    assert batch.broken.tolist() == [False, True]
    assert batch.area.tolist() == [7.5, 10.0]


def test_only_what_is_computed_with_goes_to_the_device():
    batch = collate([sample(1)]).to(torch.device("meta"))
    for name in ("crop", "keypoints", "visibility", "draws"):
        assert getattr(batch, name).device.type == "meta"
    assert batch.index.tolist() == [1] and batch.image_id.device.type == "cpu"


@pytest.mark.skipif(not torch.cuda.is_available(), reason="pinned memory needs a GPU")
def test_batch_pins_its_memory():
    batch = collate([sample(1)]).pin_memory()
    assert batch.crop.is_pinned() and batch.keypoints.is_pinned()
