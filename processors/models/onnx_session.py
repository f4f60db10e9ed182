"""ONNX files by onnxruntime (an optional package): networks that take one tensor of images."""
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import torch
from torch import Tensor

from utils.errors import UserError, first_line
from utils.log import log

CPU = torch.device("cpu")
LARGEST_BATCH = 1024
TYPES = {"tensor(float)": np.float32, "tensor(float16)": np.float16}


class ImageSession:
    """A file whose one input is images (B, 3, H, W), run in pieces of the batch it takes. The
    numbers pass through the host's memory.

    name: of the file in messages. cure: the end of a sentence on a file of no use.
    """

    def __init__(self, source: Path | bytes, device: torch.device, name: str, cure: str):
        self.session, self.name, self.cure = open_session(source, device), name, cure
        self.outputs = [output.name for output in self.session.get_outputs()]
        self.metadata: dict[str, str] = self.session.get_modelmeta().custom_metadata_map
        images, *others = self.session.get_inputs()
        if others or images.type not in TYPES or len(images.shape) != 4:
            taken = ", ".join(f"{i.name} {i.type} {i.shape}" for i in (images, *others))
            self.refuse(f"takes {taken}, and not one tensor of images (B, 3, H, W)")
        self.input, self.dtype = images.name, TYPES[images.type]
        batch, _, *sides = images.shape         # names or None where a side is free
        self.batch = batch if isinstance(batch, int) else None
        self.sides = tuple(side if isinstance(side, int) else None for side in sides)   # H, W
        if self.batch and self.batch > LARGEST_BATCH:
            self.refuse(f"takes {self.batch} images at once, which no memory holds (export it with "
                        f"a free batch, or one up to {LARGEST_BATCH})")

    def run(self, pixels: np.ndarray) -> list[Tensor]:
        """(B, 3, H, W) -> each of the file's outputs, (B, ...) float32. Raises UserError."""
        step, rows = self.batch or len(pixels), np.ascontiguousarray(pixels, self.dtype)
        parts = [self._run(rows[first:first + step], step) for first in range(0, len(rows), step)]
        return [torch.cat(part) for part in zip(*parts, strict=True)]

    def _run(self, rows: np.ndarray, step: int) -> list[Tensor]:
        full = np.pad(rows, ((0, step - len(rows)), (0, 0), (0, 0), (0, 0)))
        try:
            outputs = self.session.run(None, {self.input: full})
        except Exception as error:      # onnxruntime has a class of its own for each mishap
            self.refuse(f"cannot run on images of {size_in_words(rows.shape[2:])} pixels "
                        f"({first_line(error)})", error)
        if not all(isinstance(one, np.ndarray) and one.ndim and one.dtype.kind in "fiub"
                   for one in outputs):
            self.refuse("gives outputs that are no tables of numbers")
        return [torch.from_numpy(one[:len(rows)].astype(np.float32)) for one in outputs]

    def refuse(self, what: str, cause: Exception | None = None) -> NoReturn:
        """Raise UserError. what: is wrong, behind the name of the file."""
        raise UserError(f"{self.name} {what}: {self.cure}") from cause


def open_session(source: Path | bytes, device: torch.device = CPU) -> Any:
    """An onnxruntime.InferenceSession of a file, or of a file's content."""
    if isinstance(source, Path) and not source.is_file():
        raise FileNotFoundError(f"there is no ONNX file {source}: give the path of a file that "
                                f"python main.py export has written")
    try:
        import onnxruntime
    except ImportError as error:
        raise UserError("ONNX files need the package onnxruntime: pip install "
                         "onnxruntime, or onnxruntime-gpu for GPUs") from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3          # errors
    # waiting threads leave the processors to those that read images
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    providers: list[Any] = ["CPUExecutionProvider"]
    if device.type == "cuda" and "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        # TF32 has 10 bits, too few for the logarithm of a decoder in the file
        providers.insert(0, ("CUDAExecutionProvider",
                             {"device_id": device.index or 0, "use_tf32": 0}))
    elif device.type == "cuda":
        log.warning("this onnxruntime has no CUDA, so the network runs on the CPU: install "
                    "onnxruntime-gpu in its place")
    try:
        return onnxruntime.InferenceSession(
            source if isinstance(source, bytes) else str(source), options, providers=providers)
    except Exception as error:      # bytes that are no network fail in any way one can think of
        name = "what was exported" if isinstance(source, bytes) else source
        raise UserError(f"{name} cannot be read as an ONNX network ({first_line(error)}): it is "
                         f"cut short, damaged or of another kind; get it again") from error


def size_in_words(shape: Any) -> str:
    """(H, W) as width x height."""
    return "x".join(str(side or "any") for side in reversed(shape))
