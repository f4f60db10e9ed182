"""`python main.py export`: a network, maybe with its decoder, as an ONNX file.

It needs the packages onnx and onnxscript, and the check afterwards onnxruntime.
"""
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from processors.engines.onnx_program import missing_packages, to_onnx
from processors.models.load_pose_model import load_pose_model
from processors.models.onnx_model import VISIBILITY
from processors.models.onnx_session import open_session
from processors.models.pose_model import PoseModel, build_codec
from utils.codecs.simcc_codec import PlainCodec, SimCCCodec
from utils.codecs.visibility_codec import Codec, VisibilityCodec, plain_codec
from utils.errors import UserError
from utils.log import log, show_log
from utils.outputs import ensure_output, write_output

OLDEST_OPSET = 16           # with GridSample and whatever else networks need
LIMIT = 1e-4                # largest difference in heatmaps, as a part of their largest value, and
                            # in keypoints, in heatmap pixels or bins
SMALLEST = 1e-30            # largest value that heatmaps are taken to have, or they are all 0
BATCHES = (1, 2, 5)         # that are tried


def export(weights: str | Path, out: str | Path, config: str | Path | None = None,
           overrides: Sequence[str] = (), decode: bool = False, opset: int | None = None) -> None:
    """Write the network of a checkpoint to `out`, an .onnx file that says all it takes to use it.

    Input `images` (B, 3, H, W) float32, normalised; B is free. Outputs: `heatmaps` (B, K, h, w),
    of SimCC `simcc_x` and `simcc_y` (B, K, bins), or with `decode` `keypoints` (B, K, 2) in input
    pixels and `scores` (B, K), no flip test; with model.visibility `visibility` (B, K, 3), too.
    config: the YAML of the network, for checkpoints that do not say which. opset: the version of
    ONNX's operators, PyTorch's choice if not given.

    The file is written only if its outputs are those of the network. Raises FileNotFoundError or
    UserError in one sentence.
    """
    show_log()
    out = Path(out)
    _refuse_what_cannot_be(Path(weights), out, opset)
    ensure_output(out, "ONNX file", "--out", [weights])
    model = load_pose_model(weights, "cpu", config, overrides)
    codec = build_codec(model.config, model.skeleton)
    maps = "vectors" if isinstance(plain_codec(codec), SimCCCodec) else "heatmaps"
    written = to_onnx(model, codec, decode, opset)
    words = _check_network(written.SerializeToString(), model, codec, maps)
    if decode:
        words += ", " + _check_decoder(written, plain_codec(codec), model.skeleton.num_joints)
        written.graph.value_info.append(written.graph.output.pop())     # the heatmaps
    data = written.SerializeToString()
    write_output(out, data, "--out")
    log.info("%s: %s, for %d joints and an input of %dx%d in the format %s, %.1f MB; checked "
             "with onnxruntime: %s", out, ("keypoints and scores" if decode else maps)
             + " and visibility" * isinstance(codec, VisibilityCodec),
             model.skeleton.num_joints, *model.codec.input_size, model.input_format,
             len(data) / 1e6, words)


def _refuse_what_cannot_be(weights: Path, out: Path, opset: int | None) -> None:
    if missing := missing_packages():
        raise UserError(f"export needs the packages {' and '.join(missing)}: pip install "
                         f"{' '.join(missing)}")
    if weights.suffix.lower() == ".onnx":
        raise UserError(f"{weights} is an ONNX file already: give the checkpoint it was made of")
    if out.suffix.lower() != ".onnx":
        raise UserError(f"--out is {out}: give a name that ends in .onnx, by which such a file "
                         f"is known")
    import onnx
    newest = onnx.defs.onnx_opset_version()
    if opset is not None and not OLDEST_OPSET <= opset <= newest:
        raise UserError(f"--opset is {opset}: it must lie between {OLDEST_OPSET} and {newest}, the "
                        f"newest of this onnx; or leave it out")


@torch.no_grad()
def _check_network(data: bytes, model: PoseModel, codec: Codec, maps: str) -> str:
    """How far the file's heatmaps or vectors are from the network's; ValueError beyond LIMIT, also
    for its probabilities of visibility."""
    session, worst = open_session(data), 0.0
    names = [output.name for output in session.get_outputs()]
    width, height = model.codec.input_size
    generator = torch.Generator().manual_seed(0)
    for batch in BATCHES:
        images = torch.randn(batch, 3, height, width, generator=generator)
        outputs = [name for name in names if name not in ("keypoints", "scores", VISIBILITY)]
        found = np.concatenate(session.run(outputs, {"images": images.numpy()}), axis=-1)
        given = model.network(images)
        if isinstance(codec, VisibilityCodec):
            given, logits = codec.split(given)
            told, = session.run([VISIBILITY], {"images": images.numpy()})
            off = _difference(told, logits.softmax(dim=-1).numpy())
            _ensure_within(LIMIT, off, "visibility is", "")
        wanted = given.numpy()
        if not np.isfinite(wanted).all():
            raise UserError(f"the network's {maps} hold NaN or infinite numbers, so nothing was "
                            f"written: its weights are damaged, or too large; take other ones")
        # an untrained network may give thousands, or less than a thousand millionth
        worst = max(worst, _difference(found, wanted) / max(SMALLEST, np.abs(wanted).max()))
    _ensure_within(LIMIT, worst, f"{maps} are", " of their largest value")
    return f"{maps} within {worst:.1e} of the network's largest value"


@torch.no_grad()
def _check_decoder(written: Any, codec: PlainCodec, joints: int) -> str:
    """How far the file's keypoints are from the codec's, of the same heatmaps; ValueError beyond
    LIMIT heatmap pixels.

    The heatmaps are painted, some joints beyond the border: on noise, which is what random images
    give, a Newton step magnifies rounding without bound.
    """
    import onnx
    known = written.graph.value_info        # where onnx 1.18 looks for its inputs
    known.extend(output for output in written.graph.output if output.name == "heatmaps")
    decoder = onnx.utils.Extractor(written).extract_model(
        ["images", "heatmaps"], ["keypoints", "scores"])    # of the images only their number
    del known[-1]
    session, worst = open_session(decoder.SerializeToString()), 0.0
    generator = torch.Generator().manual_seed(0)
    width, height = codec.input_size
    for batch in BATCHES:
        keypoints = torch.rand(batch, joints, 2, generator=generator) * 1.1 - 0.05
        keypoints *= torch.tensor([width, height])
        heatmaps, _ = codec.encode(keypoints, torch.ones(batch, joints))
        heatmaps += 1e-3 * torch.rand(heatmaps.shape, generator=generator)
        images = np.zeros((batch, 3, height, width), np.float32)
        found, scores = session.run(None, {"images": images, "heatmaps": heatmaps.numpy()})
        wanted, wanted_scores = codec.decode(heatmaps)
        worst = max(worst, _difference(found, wanted.numpy()),
                    _difference(scores, wanted_scores.numpy()))
    stride = (1 / codec.split if isinstance(codec, SimCCCodec)
              else codec.input_size[0] / codec.heatmap_size[0])
    _ensure_within(LIMIT * stride, worst, "decoder is", " input pixels")
    return f"keypoints within {worst:.1e} input pixels of its decoder's"


def _ensure_within(limit: float, worst: float, what: str, unit: str) -> None:
    if not worst <= limit:      # also for NaN
        raise UserError(f"the exported {what} off by {worst:.1e}{unit}, more than {limit:.0e}, so "
                        f"nothing was written: other versions of torch, onnx and onnxruntime may "
                        f"do better")


def _difference(found: np.ndarray, wanted: np.ndarray) -> float:
    """The largest; infinite for another shape and for what is no finite number."""
    if found.shape != wanted.shape or not np.isfinite(found).all():
        return float("inf")
    return float(np.abs(found.astype(np.float64) - wanted).max())
