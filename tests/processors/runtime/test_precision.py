import pytest
import torch

from processors.runtime.precision import amp_dtype, autocast, grad_scaler

CPU, GPU = torch.device("cpu"), torch.device("cuda", 0)


@pytest.fixture(params=["new", "old", "oldest"])
def gpu(request, monkeypatch):
    """new GPUs compute in bf16, old ones only emulate it, the oldest not even that."""
    def supported(including_emulation: bool = True) -> bool:
        return request.param == "new" or (including_emulation and request.param == "old")
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", supported)
    return request.param


@pytest.mark.parametrize("flags, wanted", [
    ("fpu avx512f avx512_bf16 sse", torch.bfloat16), ("asimd bf16", torch.bfloat16),
    ("fpu avx2 avx512bw", None)])
def test_true_takes_bf16_only_where_the_cpu_computes_in_it(monkeypatch, flags, wanted):
    monkeypatch.setattr("pathlib.Path.read_text", lambda self: f"flags : {flags}\n")
    assert amp_dtype(True, CPU) == wanted


@pytest.mark.parametrize("amp, device, devices, wanted", [
    (False, CPU, 1, None), (False, GPU, 4, None), ("fp16", CPU, 1, torch.float16),
    ("fp16", GPU, 1, torch.float16), ("bf16", GPU, 1, torch.bfloat16),
    ("bf16", CPU, 1, torch.bfloat16), (True, GPU, 4, torch.float16)])
def test_the_dtype_of_a_setting(amp, device, devices, wanted, gpu):
    assert amp_dtype(amp, device, devices) == wanted


def test_true_takes_bf16_only_where_the_gpu_computes_in_it(gpu):
    assert amp_dtype(True, GPU) == (torch.bfloat16 if gpu == "new" else torch.float16)


@pytest.mark.parametrize("dtype, on", [(None, False), (torch.bfloat16, False),
                                       (torch.float16, True)])
def test_only_fp16_gradients_are_scaled(dtype, on):
    scaler = grad_scaler(dtype, CPU)
    assert scaler.is_enabled() is on
    assert (scaler.scale(torch.tensor(2.0)).item() == 2.0) is not on


@pytest.mark.parametrize("dtype", [None, torch.bfloat16, torch.float16])
def test_autocast_computes_in_the_dtype(dtype):
    with autocast(dtype, CPU):
        product = torch.ones(2, 2) @ torch.ones(2, 2)
    assert product.dtype == (dtype or torch.float32)
