"""DPProcessor: training in one process, on the CPU, one GPU, or several by DataParallel."""
from collections.abc import Sequence
from pathlib import Path

from configs.loader import load_config
from datasets.workers import leave_if_imported_by_a_worker
from processors.runtime.launch import ensure_started_once
from processors.training.pose_processor import PoseProcessor


class DPProcessor(PoseProcessor):
    """`DPProcessor(cfg_path="configs/dp_fast_pose.yaml").run()`"""

    def __init__(self, cfg_path: str | Path, overrides: Sequence[str] = ()):
        leave_if_imported_by_a_worker()
        config = load_config(cfg_path, ["processor=dp", *overrides])
        ensure_started_once()
        super().__init__(config)


def train(cfg_path: str | Path, overrides: Sequence[str] = ()) -> None:
    """`python main.py train` with processor: dp."""
    DPProcessor(cfg_path, overrides).run()
