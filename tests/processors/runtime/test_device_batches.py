"""Batches arrive on the device in their order and complete."""
import numpy as np
import pytest
import torch

from datasets.sample import Sample, collate
from processors.runtime.device_batches import device_batches


def batches(count: int, pin: bool = False):
    for number in range(count):
        batch = collate([Sample(
            crop=np.full((64, 48, 3), number, np.uint8), keypoints=np.full((2, 2), number, float),
            visibility=np.ones(2, np.float32), to_image=np.eye(2, 3, dtype=np.float32),
            index=number, image_id=number, area=1.0, box_score=1.0,
            draws=np.full(3, number, np.float32)) for _ in range(8)])
        yield batch.pin_memory() if pin else batch


def test_on_the_cpu():
    found = list(device_batches(batches(3), torch.device("cpu")))
    assert [batch.index[0].item() for batch in found] == [0, 1, 2]
    assert [batch.crop[0, 0, 0, 0].item() for batch in found] == [0, 1, 2]


def test_nothing_is_read_ahead_of_need():
    asked = []

    def counting():
        for batch in batches(3):
            asked.append(batch.index[0].item())
            yield batch

    stream = device_batches(counting(), torch.device("cpu"))
    next(stream)
    assert asked == [0]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_on_a_gpu():
    device = torch.device("cuda", 0)
    busy = torch.rand(4000, 4000, device=device)
    sums = []
    for batch in device_batches(batches(20, pin=True), device):
        busy = busy @ busy / 4000       # the copies run beside this
        assert batch.crop.device == device and batch.index.device.type == "cpu"
        sums.append(batch.crop.float().mean() + batch.draws.mean() + batch.keypoints.mean())
    assert [value.item() for value in sums] == [3.0 * number for number in range(20)]
