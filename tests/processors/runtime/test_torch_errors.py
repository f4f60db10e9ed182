import pytest
import torch
from torch import nn

from processors.runtime.torch_errors import JUDGE_CURES, TRAIN_CURES, torch_errors_named
from utils.errors import UserError

OF_A_GPU = ("CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 7.79 "
            "GiB of which 1.02 GiB is free. Including non-PyTorch memory, this process has ...")


def test_a_gpu_out_of_memory_is_told_with_its_cures():
    with pytest.raises(UserError) as caught, torch_errors_named(TRAIN_CURES):
        raise torch.OutOfMemoryError(OF_A_GPU)
    assert str(caught.value) == (
        "the GPU is out of memory (CUDA out of memory. Tried to allocate 2.00 GiB): lower "
        "data.batch_size; or keep it and set optim.accumulate=2 (then 4), which computes it in "
        "micro-batches, or optim.amp=true")


def test_a_cpu_out_of_memory():
    with pytest.raises(UserError, match=r"^memory is used up \(.*you tried to allocate .* bytes"
                                        r".*\): lower val.batch_size"):
        with torch_errors_named(JUDGE_CURES):
            torch.empty(2 ** 60)
    with pytest.raises(UserError, match="^memory is used up: lower .*; .*lower data.num_workers$"):
        with torch_errors_named(JUDGE_CURES):
            raise MemoryError("Caught MemoryError in DataLoader worker process 0.\nOriginal ...")


def test_one_value_per_channel():
    with pytest.raises(UserError, match="^batch norm has one number per channel .*codec.input_"):
        with torch_errors_named(TRAIN_CURES):
            nn.BatchNorm2d(3)(torch.zeros(1, 3, 1, 1))


@pytest.mark.parametrize("error", [RuntimeError("size mismatch"), ValueError("of ours")])
def test_other_errors_pass(error):
    with pytest.raises(type(error), match=str(error)) as caught, torch_errors_named(TRAIN_CURES):
        raise error
    assert caught.value is error
