import pytest
import torch
from torch import nn

from configs.loader import load_config
from processors.runtime import torch_errors
from processors.runtime.torch_errors import (
    JUDGE_CURES,
    TRAIN_CURES,
    ensure_memory,
    torch_errors_named,
)
from utils.errors import UserError
from utils.files import ROOT
from utils.heatmap_codec import HeatmapCodec

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


@pytest.mark.parametrize("device, side, persons, joints, words", [
    ("cpu", 2048, 65536, 17, "65536 persons at once take more than 6459.6 GB .* has 16.0 GB: CURE"),
    ("cpu", 256, 65536, 1000, "more than 2211.9 GB .*256x256, 1000 heatmaps of 64x64"),
    ("cpu", 2048, 100, 1000, "more than 216.0 GB"), ("cuda", 2048, 65536, 17, "more than 824.6 GB"),
    ("cuda", 2048, 100, 1000, ""), ("cpu", 2048, 100, 17, "")])
def test_settings_beyond_all_memory_are_told_at_the_start(monkeypatch, device, side, persons,
                                                          joints, words):
    """Each of them is in its range, and the system would kill the run without a word."""
    monkeypatch.setattr(torch_errors, "machine_memory", lambda: 16e9)
    codec = HeatmapCodec((side, side))
    if not words:
        return ensure_memory(persons, codec, joints, torch.device(device), "CURE")
    with pytest.raises(UserError, match=words):
        ensure_memory(persons, codec, joints, torch.device(device), "CURE")


def test_no_recipe_is_beyond_a_small_machine(monkeypatch):
    monkeypatch.setattr(torch_errors, "machine_memory", lambda: 8e9)
    recipes = [load_config(path) for path in (ROOT / "configs").glob("*.yaml")]
    assert recipes
    for recipe in recipes:
        ensure_memory(recipe.data.batch_size, HeatmapCodec(recipe.codec.input_size),
                      recipe.model.num_joints, torch.device("cpu"), "")


def test_the_memory_of_a_container_counts(monkeypatch, tmp_path):
    (tmp_path / "memory.max").write_text("max\n")
    monkeypatch.setattr(torch_errors, "CGROUP", tmp_path)
    assert 1e8 < torch_errors.machine_memory() < 1e14
    (tmp_path / "memory.max").write_text("123456\n")
    assert torch_errors.machine_memory() == 123456


def test_one_value_per_channel():
    with pytest.raises(UserError, match="^batch norm has one number per channel .*codec.input_"):
        with torch_errors_named(TRAIN_CURES):
            nn.BatchNorm2d(3)(torch.zeros(1, 3, 1, 1))


@pytest.mark.parametrize("error", [RuntimeError("size mismatch"), ValueError("of ours")])
def test_other_errors_pass(error):
    with pytest.raises(type(error), match=str(error)) as caught, torch_errors_named(TRAIN_CURES):
        raise error
    assert caught.value is error
