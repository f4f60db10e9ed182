"""in_faster_precision: a network in half precision, where this machine is faster in it."""
import time
from dataclasses import replace

import torch

from processors.models.onnx_model import OnnxNetwork
from processors.models.pose_model import PoseModel
from processors.runtime.precision import amp_dtype, autocast
from utils.log import log

GAIN = 1.2      # times as fast must half precision be
PEOPLE = 2      # in a batch to measure with
ROUNDS = 3      # of which the fastest counts


def in_faster_precision(model: PoseModel) -> PoseModel:
    """The model with the `dtype` of mixed precision that its device has, if that is measured to
    be faster; what was measured is logged. It takes about a second on a CPU.

    As it is stays a model that says its dtype, one on a device without such arithmetic, one in an
    .onnx file, and SimCC, whose highest of many bins half precision does not tell from the next.
    """
    dtype = amp_dtype(True, model.device)
    if (model.dtype or dtype is None or isinstance(model.network, OnnxNetwork)
            or model.config.codec.kind == "simcc"):
        return model
    seconds = _seconds(model, (None, dtype))
    gain, name = seconds[None] / seconds[dtype], str(dtype).removeprefix("torch.")
    if gain < GAIN:
        log.info("joints are found in full precision; %s is measured %.2f times as fast here "
                 "(optim.amp=true takes it)", name, gain)
        return model
    log.info("joints are found in %s, measured %.1f times as fast as full precision here, which "
             "most move by less than a thousandth of the person (optim.amp=false keeps full "
             "precision)", name, gain)
    return replace(model, dtype=dtype)


@torch.inference_mode()
def _seconds(model: PoseModel, dtypes: tuple[torch.dtype | None, ...],
             ) -> dict[torch.dtype | None, float]:
    """Of one batch, in turns, after a first round that does not count."""
    width, height = model.codec.input_size
    images = torch.randn(PEOPLE, 3, height, width, device=model.device)
    images = images.contiguous(memory_format=torch.channels_last)
    found: dict[torch.dtype | None, list[float]] = {dtype: [] for dtype in dtypes}
    for _ in range(ROUNDS + 1):
        for dtype, seconds in found.items():
            start = time.perf_counter()
            with autocast(dtype, model.device):
                model.network(images).float().cpu()     # which waits for a GPU
            seconds.append(time.perf_counter() - start)
    return {dtype: min(seconds[1:]) for dtype, seconds in found.items()}
