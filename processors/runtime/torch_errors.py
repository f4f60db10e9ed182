"""Errors of torch that follow from settings: out of memory, and batches too small to normalise."""
import math
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import torch

from utils.codecs.visibility_codec import Codec
from utils.errors import UserError

TRAIN_CURES = ("lower data.batch_size; or keep it and set optim.accumulate=2 (then 4), which "
               "computes it in micro-batches, or optim.amp=true")
JUDGE_CURES = "lower val.batch_size, or set optim.amp=true"
CGROUP = Path("/sys/fs/cgroup")
USE_CURES = "end what else uses it, set optim.amp=true, or gpus= to compute on the CPU"


@contextmanager
def torch_errors_named(cures: str) -> Iterator[None]:
    """Within it, they are UserErrors of one sentence. cures: of a want of memory."""
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise UserError(f"the GPU is out of memory ({_first_line(error)}): {cures}") from error
    except MemoryError as error:        # also of a process that reads images
        raise UserError(f"memory is used up: {cures}; processes that read images need some, too: "
                        f"lower data.num_workers") from error
    except RuntimeError as error:
        if "DefaultCPUAllocator: can't allocate memory" not in str(error):
            raise
        raise UserError(f"memory is used up ({_first_line(error)}): {cures}") from error
    except ValueError as error:
        if "more than 1 value per channel" not in str(error):
            raise
        raise UserError("batch norm has one number per channel to take the mean of: a device has "
                        "one person at a time, and codec.input_size leaves one pixel of it; raise "
                        "data.batch_size, lower optim.accumulate, or enlarge codec.input_size"
                        ) from error


def ensure_memory(persons: int, codec: Codec, num_joints: int, device: torch.device,
                  cures: str) -> None:
    """Raise UserError where this machine has not even the memory for the crops, and on a CPU the
    images, outputs and targets, of so many persons at once: the system would end the run without
    a word. The network comes on top. persons: in all processes of the machine."""
    (width, height), numbers = codec.input_size, num_joints * math.prod(codec.output_shape)
    on_cpu = 4 * (3 * width * height + 2 * numbers) if device.type == "cpu" else 0
    needed, there = persons * (3 * width * height + on_cpu), machine_memory()
    if needed > there:
        raise UserError(f"{persons} persons at once take more than {needed / 1e9:.1f} GB of memory "
                        f"(codec.input_size {width}x{height}, {num_joints} {codec.output}), "
                        f"and this machine has {there / 1e9:.1f} GB: {cures}")


def machine_memory() -> float:
    """Bytes that this machine, or its container, has."""
    limits = [float(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))]
    for file in ("memory.max", "memory/memory.limit_in_bytes"):     # of cgroups, new and old
        with suppress(OSError, ValueError):     # none, or "max"
            limits.append(float((CGROUP / file).read_text()))
    return min(limits)


def _first_line(error: Exception) -> str:
    """Its first two sentences, which say how much was asked for."""
    line = str(error).strip().partition("\n")[0].rpartition("] ")[2]
    return ". ".join(line.split(". ")[:2]).rstrip(".")
