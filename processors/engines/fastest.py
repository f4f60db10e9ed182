"""made_fast: a model in the precision and by the engine that are measured to be the fastest."""
from collections.abc import Sequence

from processors.engines.engine import ENGINES, in_engine
from processors.engines.faster_precision import in_faster_precision
from processors.engines.measure import example_images, outputs_of, seconds_of
from processors.models.onnx_model import OnnxNetwork
from processors.models.pose_model import PoseModel
from utils.errors import UserError, first_line
from utils.log import log

MANY = 100          # frames for which it pays to measure which precision is faster,
LONG = 1000         # and for which it may pay to try engines, if they take so many seconds:
WORTH = 1200.0
PEOPLE_A_FRAME = 2  # that are expected, before anybody has looked
SIZES = 8, 16       # of batches; for fewer and for more than 15 people torch compiles anew
GAIN = 1.15         # times as fast must another engine be
CLOSE, CLOSE_IN_HALF = 1e-3, 0.05   # of the largest value, how far its outputs may be


def made_fast(model: PoseModel, engine: str, overrides: Sequence[str], frames: int) -> PoseModel:
    """The model in the precision and by the engine that are measured to be the fastest, as far as
    they are not set and there are frames enough; said.

    engine: a key of ENGINES, or "". overrides: settings, of which optim.amp sets the precision.
    frames: about how many there are, 0 if that is not known. Raises UserError for an engine that
    cannot be.
    """
    amp = [word for word in overrides if word.startswith("optim.amp=")]
    if engine == "onnx" and amp and model.dtype is not None:
        raise UserError(f"--engine onnx computes in full precision, and {amp[-1]} asks for half: "
                        f"leave one of them out")
    if engine != "onnx" and not amp and not 0 < frames < MANY:
        model = in_faster_precision(model)
    if engine:
        return in_engine(model, engine)
    if frames < LONG:
        return model
    return in_fastest_engine(model, frames * PEOPLE_A_FRAME * (1 + model.config.val.flip_test))


def in_fastest_engine(model: PoseModel, people: int) -> PoseModel:
    """The model in the fastest engine, if so many people, the mirrored ones counted, take long
    enough. A network in an .onnx file stays in it."""
    if isinstance(model.network, OnnxNetwork):
        return model
    expected = seconds_of([model], SIZES[0], rounds=1)[0] / SIZES[0] * people
    if expected < WORTH:
        return model
    log.info("the network alone is expected to take %.0f minutes, so other engines are tried "
             "(--engine eager leaves them out)", expected / 60)
    best, name = model, "eager"
    in_full = model.dtype is None and model.device.type == "cpu"
    for engine in ["compiled"] + ["onnx"] * in_full:
        other = _tried(model, engine)
        if other is None:
            continue
        had, has = seconds_of([best, other], SIZES[1])
        taken = had / has >= GAIN
        log.info("the engine %s is measured %.2f times as fast as %s, and %s", engine, had / has,
                 name, "taken" if taken else "not taken")
        if taken:
            best, name = other, engine
    return best


def _tried(model: PoseModel, engine: str) -> PoseModel | None:
    """The model in another engine, if that works and gives the same outputs; else it is said."""
    try:
        other, worst = ENGINES[engine](model), 0.0
        for size in SIZES:
            images = example_images(model, size)
            wanted, found = outputs_of(model, images), outputs_of(other, images)
            off = (found - wanted).abs().max() / wanted.abs().max().clamp(min=1e-30)
            worst = max(worst, float(off.nan_to_num(float("inf"))))
    except Exception as error:      # a compiler's and an exporter's many parts have their own
        log.warning("the engine %s cannot run this network here (%s)", engine, first_line(error))
        return None
    if worst > (CLOSE if model.dtype is None else CLOSE_IN_HALF):
        log.warning("the engine %s is not taken, since its outputs are off by %.1e of the largest "
                    "value", engine, worst)
        return None
    return other
