"""Mixed precision: which dtype `optim.amp` means on a device, and the gradient scaler for it."""
from pathlib import Path

import torch


def amp_dtype(amp: bool | str, device: torch.device, devices: int = 1) -> torch.dtype | None:
    """The dtype to compute in, None for full precision.

    True means bf16 where the device computes in it. Elsewhere it means fp16 on GPUs, also for
    DataParallel over several devices, whose threads run bf16 as fp16 unscaled; and full precision
    on CPUs, where fp16 is slower.
    """
    if amp is False:
        return None
    if amp is True:
        if device.type == "cpu":
            return torch.bfloat16 if cpu_has_bf16() else None
        # older GPUs (V100, T4) only emulate bf16, slower than full precision
        has_bf16 = torch.cuda.is_bf16_supported(including_emulation=False)
        amp = "bf16" if has_bf16 and devices == 1 else "fp16"
    return {"bf16": torch.bfloat16, "fp16": torch.float16}[amp]


def cpu_has_bf16() -> bool:
    """Whether this processor multiplies in bf16 (AVX-512, AMX or Arm), as Linux tells it."""
    try:
        flags = set(Path("/proc/cpuinfo").read_text().split())
    except OSError:     # not Linux
        return False
    return bool(flags & {"avx512_bf16", "amx_bf16", "bf16"})


def grad_scaler(dtype: torch.dtype | None, device: torch.device) -> torch.amp.GradScaler:
    """fp16 gradients underflow without scaling; for everything else the scaler does nothing."""
    return torch.amp.GradScaler(device.type, enabled=dtype == torch.float16)


def autocast(dtype: torch.dtype | None, device: torch.device) -> torch.autocast:
    return torch.autocast(device.type, dtype=dtype or torch.bfloat16, enabled=dtype is not None)
