"""in_faster_precision: a network in half precision, where this machine is faster in it."""
from dataclasses import replace

from processors.engines.measure import seconds_of
from processors.models.onnx_model import OnnxNetwork
from processors.models.pose_model import PoseModel
from processors.runtime.precision import amp_dtype
from utils.log import log

GAIN = 1.2      # times as fast must half precision be
PEOPLE = 2      # in a batch to measure with


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
    full, half = seconds_of([model, replace(model, dtype=dtype)], PEOPLE)
    gain, name = full / half, str(dtype).removeprefix("torch.")
    if gain < GAIN:
        log.info("joints are found in full precision; %s is measured %.2f times as fast here "
                 "(optim.amp=true takes it)", name, gain)
        return model
    log.info("joints are found in %s, measured %.1f times as fast as full precision here, which "
             "most move by less than a thousandth of the person (optim.amp=false keeps full "
             "precision)", name, gain)
    return replace(model, dtype=dtype)
