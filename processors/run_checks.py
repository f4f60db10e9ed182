"""Run checks: what is wrong with a run's settings is said before the run begins."""
from pathlib import Path

from configs.schema import DataConfig

TRAIN_PATHS = "train_ann_path", "train_img_root"
VAL_PATHS = "val_ann_path", "val_img_root"


def ensure_set(data: DataConfig, *keys: str) -> None:
    """Raise ValueError for a path that is needed and the YAML does not give."""
    for key in keys:
        if not getattr(data, key):
            raise ValueError(f"data.{key} is not set; write its path into the YAML file, or give "
                             f"data.{key}=... on the command line")


def ensure_same_step(steps: list[int], folder: Path) -> None:
    """Raise ValueError where the processes of several machines have found different checkpoints."""
    if len(set(steps)) > 1:
        raise ValueError(f"val.weight_path: the processes found checkpoints of steps {steps} in "
                         f"{folder}; give a folder that all machines share")


def ensure_pieces(share: int, pieces: int) -> None:
    """Raise ValueError where a small data set leaves a batch that accumulation cannot cut."""
    if share % pieces:
        raise ValueError(f"optim.accumulate is {pieces}, which does not divide the {share} persons "
                         f"that a process has in a batch; choose a divisor")
