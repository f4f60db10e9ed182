"""to_onnx: a network, maybe with its decoder, as an ONNX program.

By PyTorch's dynamo exporter, for the older one is no longer developed and fails on parts.
"""
import warnings
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor, nn

from processors.models.exported_decoder import ExportedDecoder
from processors.models.onnx_model import VISIBILITY, to_metadata
from processors.models.pose_model import PoseModel
from processors.models.simcc_file import OUTPUTS
from utils.codecs.simcc_codec import SimCCCodec
from utils.codecs.visibility_codec import Codec, VisibilityCodec, plain_codec
from utils.errors import UserError, first_line

PACKAGES = ("onnx", "onnxscript", "onnxruntime")    # to write a program, and to run it
TORCH_OPSET = 18            # the oldest that the exporter writes; onnx makes older ones of it
OLD_IR = 8                  # the version of the file format that belongs to the older ones


def missing_packages() -> list[str]:
    return [name for name in PACKAGES if find_spec(name) is None]


class Exported(nn.Module):
    """Images -> with `decode` keypoints (B, K, 2) in input pixels and scores (B, K), of networks
    that tell it visibility (B, K, 3), and heatmaps, or SimCC's vectors, which without `decode` are
    those of x and of y, as other tools want them."""

    def __init__(self, network: nn.Module, codec: Codec, decode: bool):
        super().__init__()
        self.network, self.codec, self.plain = network, codec, plain_codec(codec)
        self.decoder = ExportedDecoder(self.plain) if decode else None
        self.names = ["keypoints", "scores"] * decode
        self.names += [VISIBILITY] * isinstance(codec, VisibilityCodec)
        self.bins = self.plain.bins if isinstance(self.plain, SimCCCodec) and not decode else None
        self.names += OUTPUTS if self.bins else ["heatmaps"]

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        maps, told = self.network(images), []
        if isinstance(self.codec, VisibilityCodec):
            maps, logits = self.codec.split(maps)
            told = [logits.softmax(dim=-1)]
        decoded = self.decoder(maps) if self.decoder else []
        return *decoded, *told, *(maps.split(self.bins, dim=-1) if self.bins else [maps])


def to_onnx(model: PoseModel, codec: Codec, decode: bool, opset: int | None) -> Any:
    """The onnx.ModelProto, with our metadata; heatmaps or vectors are last in any case."""
    width, height = model.codec.input_size
    exported = Exported(model.network, codec, decode)
    network = model.network if exported.names == ["heatmaps"] else exported
    images = torch.zeros(2, 3, height, width)
    with torch.no_grad():
        network.eval()(images)      # what fails here is no fault of the exporter's
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")     # on the exporter's own parts
            program = torch.onnx.export(
                network, (images,), dynamo=True,
                input_names=["images"], output_names=exported.names,
                opset_version=opset and max(opset, TORCH_OPSET),
                dynamic_shapes=({0: torch.export.Dim("batch")},), external_data=False,
                verbose=False)
    except Exception as error:      # any of the exporter's many parts
        raise UserError(f"PyTorch {torch.__version__} cannot export this network "
                         f"({type(error).__name__}: {str(error).strip().splitlines()[0]}); a "
                         f"newer PyTorch, onnx and onnxscript may") from error
    assert program is not None      # as with dynamo=True always
    program.model.metadata_props.update(to_metadata(model.config, model.skeleton, decode))
    written = program.model_proto
    for node in written.graph.node:
        del node.metadata_props[:]      # the lines of code it comes from, with their folders
    if opset is not None and opset < TORCH_OPSET:
        written = older_opset(written, opset)
    found = max(row.version for row in written.opset_import if not row.domain)
    if opset is not None and found != opset:
        raise UserError(f"--opset {opset} cannot be had of this network, PyTorch wrote {found}: "
                         f"leave it out")
    return written


def older_opset(written: Any, opset: int) -> Any:
    """The same network with older operators, by onnx's converter, which does not know all."""
    from onnx import checker, version_converter
    try:
        older = version_converter.convert_version(written, opset)
        older.ir_version = OLD_IR
        for node in older.graph.node:       # an attribute that it leaves though it is newer
            if node.op_type.startswith("Reduce") and node.op_type != "ReduceSum":
                kept = [one for one in node.attribute if one.name != "noop_with_empty_axes"]
                del node.attribute[:]
                node.attribute.extend(kept)
        checker.check_model(older)      # there may be others
    except Exception as error:      # its C++ has errors of many classes
        newer = f"try --opset {TORCH_OPSET - 1}, or " * (opset < TORCH_OPSET - 1)
        raise UserError(f"--opset {opset} cannot be had of this network, for the converter of onnx "
                        f"fails ({first_line(error)}): {newer}write {TORCH_OPSET} or newer"
                        + ", or leave out --decode" * (len(written.graph.output) > 1)) from error
    return older
