"""Checkpoints: an explicit dict, written atomically, never unpickled as code.

Beside `{name}_last.pth` the one before it stays as `{name}_last.prev.pth`, so that a file that
was damaged on the disk costs one interval and not the run.
"""
import glob
import itertools
import os
import shutil
import time
from pathlib import Path
from typing import Any

import torch

from nets.files.weights_file import read_weights_file
from processors.models.stored_run import ensure_run
from processors.runtime.run_lock import RunLock
from utils.errors import UserError, first_line
from utils.files import is_alive, write_atomically
from utils.log import log
from utils.outputs import ensure_folder

FORMAT = "simplepose 1"
OLD = 24 * 3600         # seconds, of a half-written file


def prepare_folder(folder: Path, model_name: str) -> RunLock:
    """Hold the run, in a folder that is made if it is not there; remove what a kill left half
    written, and try to write, since the first checkpoint is far from the start.

    Raises UserError, with nothing touched, while another process holds the run, and OSError with
    the folder's name.
    """
    lock = RunLock(folder, model_name)
    try:
        lock.take()
        for name in ("last", "best"):       # no wider: another run may be writing here now
            for rest in folder.glob(f"{glob.escape(model_name)}_{name}.pth.*.tmp"):
                if _is_left_over(rest):
                    rest.unlink()
        trial = folder / f"{model_name}_last.pth.trial"
        write_atomically(trial, lambda file: file.write(b"trial"))
        trial.unlink()
    except OSError as error:
        lock.release()
        if isinstance(error, FileExistsError | NotADirectoryError):
            ensure_folder(folder, "val.weight_path")    # says which file is in its way
        raise OSError(f"val.weight_path: the folder {folder} cannot be written "
                      f"({first_line(error)}); make room or permit it, or choose "
                      f"another") from error
    return lock


def _is_left_over(temporary: Path) -> bool:
    """Whether nobody will finish it: its process, whose number is in its name, is dead on this
    machine, or it is old. Only where there are no locks can it be another's at all."""
    pid = temporary.name.split(".")[-2]
    dead = not pid.isdecimal() or int(pid) == os.getpid() or not is_alive(int(pid))
    return dead or time.time() - temporary.stat().st_mtime > OLD


def save_checkpoint(state: dict[str, Any], path: Path, keep_previous: bool = False) -> None:
    """Write `state` (tensors and plain containers). Raises OSError with the file's name."""
    def write(file: Any) -> None:
        torch.save({"format": FORMAT} | state, file)
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
        raise OSError(f"the checkpoint {path} could not be written ({first_line(reason)}); the "
                      f"one before it is untouched; make room or set val.weight_path") from error


def _keep_as_previous(path: Path) -> None:
    link = previous(path).with_suffix(".link")
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
            log.warning("%s", error)
            errors.append(str(error))
            continue
        if errors:      # out of the way, or the next save would keep it as the one before
            os.replace(path, path.with_suffix(".damaged.pth"))
            log.warning("going on from the one before it, %s", candidate)
        return state
    if errors:
        raise UserError(f"{errors[0]}, or start over with resume=false")
    return None


def keep_as_old(*paths: Path) -> None:
    """Rename an older run's files to *.old.pth, or *.old.2.pth and so on, the same for all of
    them: a new run overwrites none of them, and neither does the next."""
    present = [path for path in paths if path.exists()]
    endings = itertools.chain([".old.pth"], (f".old.{i}.pth" for i in itertools.count(2)))
    ending = next(ending for ending in endings
                  if not any(path.with_suffix(ending).exists() for path in paths))
    for path in present:
        os.replace(path, path.with_suffix(ending))
        log.info("kept the older %s as %s", path.name, path.with_suffix(ending).name)
    for path in paths:
        if path.stem.endswith("_last"):     # no other has one before it that is ours
            previous(path).unlink(missing_ok=True)


def previous(path: Path) -> Path:
    return path.with_suffix(".prev.pth")
