"""Reading a weights file without ever running what is in it."""
import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch

# Numbers and arrays that the training code of HRNet and mmpose stores beside the weights. These
# are data; everything else that is not a tensor or a plain Python value is refused.
_NUMPY_FUNCTIONS = {
    "_reconstruct": np.empty(0).__reduce__()[0],
    "scalar": np.float64(0).__reduce__()[0],
}
_NUMPY_DATA = [np.ndarray, np.dtype, *{type(np.dtype(kind)) for kind in "?bBhHiIlLqQefdUS"}]
_NUMPY_DATA += [(function, f"numpy.{package}.multiarray.{name}")
                for name, function in _NUMPY_FUNCTIONS.items() for package in ("core", "_core")]


def read_weights_file(path: str | Path) -> Any:
    """What a PyTorch file (or a .safetensors file) holds, on the CPU; nothing is executed.

    Raises FileNotFoundError, or ValueError for a file that is damaged, of another kind, or holds
    objects that only running code could rebuild.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"there is no weights file {path}: give the path of a file such "
                                f"as weights/pose_best.pth")
    if path.suffix == ".safetensors":
        return _read_safetensors(path)
    try:
        with torch.serialization.safe_globals(_NUMPY_DATA), warnings.catch_warnings():
            warnings.simplefilter("ignore")    # on odd pickles, which fail right after
            return torch.load(path, map_location="cpu", weights_only=True)
    except PermissionError as error:
        raise ValueError(f"{path} cannot be opened: {error.strerror}; change its rights or give "
                         f"another file") from error
    except Exception as error:    # bytes that are no checkpoint fail in any way one can think of
        code = re.search(r"GLOBAL ([\w.]+)", str(error))
        if code:
            raise ValueError(
                f"{path} holds the Python object {code[1]} besides weights and was not loaded, "
                f"for such a file can run any command; if you trust where it comes from, save its "
                f"state_dict alone and load that") from error
        raise ValueError(f"{path} cannot be read as a PyTorch checkpoint "
                         f"({type(error).__name__}): it is cut short, damaged or was not written "
                         f"by torch.save; get it again") from error


def _read_safetensors(path: Path) -> dict[str, torch.Tensor]:
    try:
        from safetensors import SafetensorError
        from safetensors.torch import load_file
    except ImportError as error:
        raise ValueError(f"{path} needs the package safetensors: pip install safetensors, or give "
                         f"a .pth file") from error
    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise ValueError(f"{path} cannot be read as a safetensors file ({error}): it is cut short, "
                         f"damaged or of another kind; get it again") from error
