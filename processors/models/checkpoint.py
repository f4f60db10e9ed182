"""Checkpoints: an explicit dict, written atomically, never unpickled as code.

Beside `{name}_last.pth` the one before it stays as `{name}_last.prev.pth`, so that a file that
was damaged on the disk costs one interval and not the run.
"""
import itertools
import os
import shutil
from pathlib import Path
from typing import Any

import torch

from configs.version import made_by
from nets.files.weights_file import FORMAT, read_weights_file
from processors.models.stored_run import ensure_run
from processors.runtime.run_lock import RunLock
from utils.errors import UserError, first_line
from utils.files import remove_leftovers, temporary, try_to_write, write_atomically
from utils.log import log
from utils.outputs import ensure_folder


def prepare_folder(folder: Path, model_name: str) -> RunLock:
    """Hold the run, in a folder that is made if it is not there; remove what a kill left half
    written, and try to write, since the first checkpoint is far from the start.

    Raises UserError, with nothing touched, while another process holds the run, and OSError with
    the folder's name.
    """
    lock = RunLock(folder, model_name)
    last = folder / f"{model_name}_last.pth"
    try:
        lock.take()
        for path in (lock.path, last, previous(last), folder / f"{model_name}_best.pth"):
            remove_leftovers(path)      # no wider: another run may be writing here now
        try_to_write(last)
    except OSError as error:
        lock.release()
        if isinstance(error, FileExistsError | NotADirectoryError):
            ensure_folder(folder, "val.weight_path")    # says which file is in its way
        raise OSError(f"val.weight_path: the folder {folder} cannot be written "
                      f"({first_line(error)}); make room or permit it, or choose "
                      f"another") from error
    return lock


def save_checkpoint(state: dict[str, Any], path: Path, keep_previous: bool = False) -> None:
    """Write `state` (tensors and plain containers). Raises OSError with the file's name."""
    def write(file: Any) -> None:
        torch.save({"format": FORMAT} | state | made_by(), file)
        file.flush()
        os.fsync(file.fileno())     # a disk may say only here that it is full
        if keep_previous and path.exists():
            _keep_as_previous(path)
    try:
        write_atomically(path, write)
    except (OSError, RuntimeError) as error:
        if "DataLoader worker" in str(error):   # torch raises that wherever the main thread is
            raise
        # torch turns the disk's error into a RuntimeError about file positions
        reason = error.__context__ if isinstance(error.__context__, OSError) else error
        before = "the one before it is untouched; " if path.exists() else ""
        raise OSError(f"the checkpoint {path} could not be written ({first_line(reason)}); "
                      f"{before}make room or set val.weight_path") from error


def _keep_as_previous(path: Path) -> None:
    link = temporary(previous(path))
    link.unlink(missing_ok=True)
    try:
        os.link(path, link)
    except OSError:     # no hard links there, as on FAT and cloud drives: a copy takes longer
        shutil.copyfile(path, link)
    os.replace(link, previous(path))


def load_checkpoint(path: Path) -> dict[str, Any]:
    """A checkpoint of this project, on the CPU. Raises UserError for anything else, and
    FileNotFoundError."""
    state = read_weights_file(path)
    if not isinstance(state, dict) or state.get("format") != FORMAT:
        raise UserError(f"{path} is no training checkpoint of this project; load foreign "
                        f"weights by model.pretrained or --weights")
    return state


def load_last(path: Path) -> dict[str, Any] | None:
    """The last whole checkpoint: `path`, or the one before it if that is damaged or odd; None if
    there is none. Raises UserError if there are files but none is whole."""
    errors = []
    for candidate in (path, previous(path)):
        if not candidate.exists():
            continue
        if not candidate.is_file():
            raise UserError(f"{candidate} is no file, and the checkpoint of the run is to lie "
                            f"there: move it away, or choose another model_name")
        try:
            state = load_checkpoint(candidate)
            ensure_run(state, candidate)
        except UserError as error:
            errors.append(str(error))
            continue
        if errors:
            log.warning("%s", errors[0])
            # out of the way, or the next save would keep it as the one before
            set_aside("damaged", path)
            log.warning("going on from the one before it, %s", candidate)
        return state
    if errors:
        for other in errors[1:]:
            log.warning("%s", other)
        raise UserError(f"{errors[0]}, or start over with resume=false")
    return None


def set_aside(word: str, *paths: Path) -> dict[Path, Path]:
    """Rename those that are there to *.word.pth, or *.word.2.pth and so on, the same for all of
    them, where nothing lies yet. Returns the new paths."""
    endings = itertools.chain([f".{word}.pth"], (f".{word}.{i}.pth" for i in itertools.count(2)))
    ending = next(ending for ending in endings
                  if not any(os.path.lexists(path.with_suffix(ending)) for path in paths))
    moved = {path: path.with_suffix(ending) for path in paths if path.exists()}
    for path, new in moved.items():
        os.replace(path, new)
    return moved


def keep_as_old(*paths: Path) -> None:
    """Set an older run's files aside: a new run overwrites none of them, and neither does the
    next."""
    for path, new in set_aside("old", *paths).items():
        log.info("kept the older %s as %s", path.name, new.name)
    for path in paths:
        if path.stem.endswith("_last"):     # no other has one before it
            previous(path).unlink(missing_ok=True)


def previous(path: Path) -> Path:
    return path.with_suffix(".prev.pth")
