"""Errors of torch that follow from settings: out of memory, and batches too small to normalise."""
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from utils.errors import UserError

TRAIN_CURES = ("lower data.batch_size; or keep it and set optim.accumulate=2 (then 4), which "
               "computes it in micro-batches, or optim.amp=true")
JUDGE_CURES = "lower val.batch_size, or set optim.amp=true"
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


def _first_line(error: Exception) -> str:
    """Its first two sentences, which say how much was asked for."""
    line = str(error).strip().partition("\n")[0].rpartition("] ")[2]
    return ". ".join(line.split(". ")[:2]).rstrip(".")
