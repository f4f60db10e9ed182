"""Reading a weights file without ever running what is in it.

This is torch's own reader for weights: it knows all formats that torch.save has ever had, and
refuses a file with objects in it. YOLOv5's files are such objects; for them alone there is a
second reader, `nets/files/unpickle.py`, which knows only the present format and builds stubs.
"""
import re
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from nets.files.plain_values import Unread, plain_values
from utils.errors import UserError

# Code of HRNet and mmpose stores numbers of numpy beside the weights: they are passed over.
_NUMPY: list[Callable | tuple[Callable, str]] = [(Unread, name) for name in (
    "numpy.ndarray", "numpy.dtype", "numpy.core.multiarray._reconstruct",
    "numpy.core.multiarray.scalar", "numpy._core.multiarray._reconstruct",
    "numpy._core.multiarray.scalar")]


def read_weights_file(path: str | Path) -> Any:
    """What a PyTorch file (or a .safetensors file) holds, on the CPU; nothing is executed.

    Only tensors and plain values come back, see `nets/files/plain_values.py`. Raises
    FileNotFoundError, or ValueError for a file that is damaged, of another kind, or holds objects
    that only running code could rebuild.
    """
    path = Path(path)
    ensure_file(path, "weights/pose_best.pth")
    if path.suffix == ".safetensors":
        return _read_safetensors(path)
    try:
        with torch.serialization.safe_globals(_NUMPY), warnings.catch_warnings():
            warnings.simplefilter("ignore")    # on odd pickles, which fail right after
            _ensure_undamaged(path)
            return plain_values(torch.load(path, map_location="cpu", weights_only=True))
    except PermissionError as error:
        raise UserError(f"{path} cannot be opened: {error.strerror}; change its rights or give "
                         f"another file") from error
    except Exception as error:    # bytes that are no checkpoint fail in any way one can think of
        code = re.search(r"GLOBAL ([\w.]+)", str(error))
        if code:
            raise UserError(
                f"{path} holds the Python object {code[1]} besides weights and was not loaded, "
                f"for such a file can run any command; if you trust where it comes from, save its "
                f"state_dict alone and load that") from error
        raise UserError(f"{path} cannot be read as a PyTorch checkpoint "
                         f"({type(error).__name__}): it is cut short, damaged or was not written "
                         f"by torch.save; get it again") from error


def ensure_file(path: Path, example: str) -> None:
    """Raise FileNotFoundError, or ValueError for a folder."""
    if path.is_dir():
        raise UserError(f"{path} is a folder: give the path of a weights file in it, such as "
                         f"{example}")
    if not path.is_file():
        raise FileNotFoundError(f"there is no weights file {path}: give the path of a file such "
                                f"as {example}")


def _ensure_undamaged(path: Path) -> None:
    """Raise BadZipFile where a checksum is wrong, for torch itself does not look at them."""
    with path.open("rb") as file:
        if file.read(4) != b"PK\3\4":      # the format from before PyTorch 1.6 has none
            return
    with zipfile.ZipFile(path) as archive:
        damaged = archive.testzip()
    if damaged:
        raise zipfile.BadZipFile(f"its part {damaged} is damaged")


def _read_safetensors(path: Path) -> dict[str, torch.Tensor]:
    try:
        from safetensors import SafetensorError
        from safetensors.torch import load_file
    except ImportError as error:
        raise UserError(f"{path} needs the package safetensors: pip install safetensors, or give "
                         f"a .pth file") from error
    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise UserError(f"{path} cannot be read as a safetensors file ({error}): it is cut short, "
                         f"damaged or of another kind; get it again") from error
