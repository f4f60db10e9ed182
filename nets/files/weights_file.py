"""Reading a weights file without ever running what is in it.

This is torch's own reader for weights: it knows all formats that torch.save has ever had, and
refuses a file with objects in it. Names of classes on a closed list become inert stand-ins
(nets/files/plain_values.py); nothing of a file is imported or called. All that reads weights, our
own checkpoints, those of others and detectors', comes through here.
"""
import re
import warnings
import zipfile
from collections.abc import Collection
from pathlib import Path
from typing import Any

import torch

from nets.files.pickle_checks import ensure_readable
from nets.files.plain_values import StandIn, Unread, plain_values
from nets.files.safetensors_file import read_safetensors
from utils.errors import UserError
from utils.shown import shown

# Training code stores these beside the weights, where nobody needs them: they are passed over.
PASSED_OVER = (
    "numpy.ndarray", "numpy.dtype", "numpy.core.multiarray._reconstruct",
    "numpy.core.multiarray.scalar", "numpy._core.multiarray._reconstruct",
    "numpy._core.multiarray.scalar", "pathlib.PosixPath", "pathlib.WindowsPath",
    "pathlib._local.PosixPath", "pathlib._local.WindowsPath", "datetime.datetime",
    "datetime.date", "argparse.Namespace")
HUGGING_FACE = ("model.safetensors", "pytorch_model.bin")   # the weights in a folder from there
FORMAT = "simplepose 1"                 # of our own checkpoints
PICKLES_OF_OLD = 5                      # in a file from before PyTorch 1.6, before the numbers
LARGEST_PICKLE = 100 * 2 ** 20          # bytes; the networks here have under one million
YOLO = ("ultralytics.", "models.yolo.", "models.common.")   # where YOLO's classes live


def read_weights_file(path: str | Path, modules: Collection[str] = ()) -> Any:
    """What a PyTorch file (or a .safetensors file) holds, on the CPU; nothing is executed.

    Only tensors and plain values come back, see `nets/files/plain_values.py`. modules: full names
    of classes; an object of such a class comes back as the dict of its attributes, which for a
    torch.nn.Module `yolov5_weights.module_state` takes apart. Raises FileNotFoundError, or
    UserError for a file that is damaged, of another kind, or holds other objects.
    """
    path = Path(path)
    in_folder = (path / name for name in HUGGING_FACE if (path / name).is_file())
    path = next(in_folder, path)
    ensure_file(path, "weights/pose_best.pth")
    if path.suffix == ".safetensors":
        return _of_known_format(read_safetensors(path), path)
    known: list = [(Unread, name) for name in PASSED_OVER]
    known += [(StandIn, name) for name in modules]
    try:
        with torch.serialization.safe_globals(known), warnings.catch_warnings():
            warnings.simplefilter("ignore")    # on odd pickles, which fail right after
            _ensure_sound(path)
            content = plain_values(torch.load(path, map_location="cpu", weights_only=True))
    except PermissionError as error:
        raise UserError(f"{path} cannot be opened: {error.strerror}; change its rights or give "
                        f"another file") from error
    except UserError as error:
        raise UserError(f"{path} cannot be read as weights: {error}") from error
    except Exception as error:    # bytes that are no checkpoint fail in any way one can think of
        code = re.search(r"GLOBAL ([\w.]+)", str(error))
        if code:
            raise UserError(_object_in(path, code[1][:100])) from error
        reason = type(error).__name__
        if isinstance(error, zipfile.BadZipFile):
            reason += f": {error}"[:200]
        raise UserError(f"{path} cannot be read as a PyTorch checkpoint ({reason}): it is cut "
                        f"short, damaged or was not written by torch.save; get it again"
                        ) from error
    return _of_known_format(content, path)


def _of_known_format(content: Any, path: Path) -> Any:
    """The content; or UserError if it is ours, but of a version that is not known here: what its
    settings mean would be guessed."""
    found = content.get("format") if isinstance(content, dict) else None
    if isinstance(found, str) and found.startswith("simplepose ") and found != FORMAT:
        raise UserError(f"{path} is of the format {shown(found)}, and this version of the project "
                        f"reads {FORMAT!r}: update the project, or take another file")
    return content


def ensure_file(path: Path, example: str) -> None:
    """Raise FileNotFoundError, or UserError for a folder."""
    if path.is_dir() and any(path.glob("*.index.json")):
        raise UserError(f"{path} is a folder with weights in several files (shards), which are not "
                        f"read: save them as one by model.save_pretrained(FOLDER, "
                        f"max_shard_size='100GB') of transformers, and give that folder")
    if path.is_dir():
        raise UserError(f"{path} is a folder: give the path of a weights file in it, such as "
                        f"{example}")
    if not path.is_file():
        raise FileNotFoundError(f"there is no weights file {path}: give the path of a file such "
                                f"as {example}")


def _object_in(path: Path, name: str) -> str:
    if name.startswith(YOLO):
        return (f"{path} holds the Python object {name}, a whole YOLO network, and was not "
                f"loaded: it makes no heatmaps, so it is no pose network for this project, not "
                f"even if it finds poses; as a detector (detector.weights) YOLOv5 of release 6 and "
                f"7 is known, and of YOLOv8, YOLO11 and YOLOX the ONNX export (yolo export "
                f"model={path.name} format=onnx)")
    return (f"{path} holds the Python object {name} besides weights and was not loaded, for such "
            f"a file can run any command; if you trust where it comes from, save its state_dict "
            f"alone and load that")


def _ensure_sound(path: Path) -> None:
    """Look at what torch itself does not: checksums, sizes, and the pickle's depth.

    Raises UserError without the file's name, or whatever damaged bytes raise.
    """
    with path.open("rb") as file:
        if file.read(4) != b"PK\3\4":      # the format from before PyTorch 1.6 has no checksums
            file.seek(0)
            for _ in range(PICKLES_OF_OLD):
                ensure_readable(file)
            return
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
        names = [member.filename.lower() for member in members]
        if any(name.endswith("/constants.pkl") for name in names):
            raise UserError("it is a TorchScript archive, a program with its weights; save the "
                            "weights alone by torch.save(module.state_dict(), path)")
        if any(member.compress_type != zipfile.ZIP_STORED for member in members):
            raise UserError("its parts are compressed, as torch.save never writes them, and could "
                            "unpack to any size; unpack the file and give what is in it")
        if (len(set(names)) < len(names)
                or sum(member.file_size for member in members) > path.stat().st_size):
            raise zipfile.BadZipFile("its parts overlap")
        damaged = archive.testzip()
        if damaged:
            raise zipfile.BadZipFile(f"its part {damaged} is damaged")
        for member in members:
            if member.filename.lower().endswith("data.pkl"):
                if member.file_size > LARGEST_PICKLE:
                    raise UserError(f"its pickle has {member.file_size >> 20} MB beside the "
                                    f"numbers, as no network has; take another file")
                ensure_readable(archive.read(member))
