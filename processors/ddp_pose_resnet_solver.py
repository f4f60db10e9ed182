"""DDPProcessor: one process per device, on one machine or on many.

Under torchrun (any number of machines) each process finds its rank in the environment. Without
it, `run` starts the processes of this machine itself.
"""
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from configs.loader import load_config
from datasets.workers import leave_if_imported_by_a_worker
from processors.models.checkpoint import load_checkpoint
from processors.runtime.launch import launch, run_rank
from processors.runtime.parallel import find_devices
from processors.training.pose_processor import PoseProcessor


class DDPProcessor:
    """`DDPProcessor(cfg_path="configs/ddp_fast_pose.yaml").run()`"""

    def __init__(self, cfg_path: str | Path, overrides: Sequence[str] = ()):
        leave_if_imported_by_a_worker()
        self.cfg_path, self.overrides = str(cfg_path), tuple(overrides)
        self.config = load_config(cfg_path, ["processor=ddp", *overrides])

    def run(self) -> dict[str, Any]:
        """Train in all processes; returns the best metrics."""
        if "RANK" in os.environ:
            return run_rank(self.config.gpus,
                            lambda parallel: PoseProcessor(self.config, parallel).run())
        find_devices(self.config.gpus)
        launch(["train", self.cfg_path, "processor=ddp", *self.overrides],
               len(self.config.gpus) or self.config.processes)
        last = Path(self.config.val.weight_path) / f"{self.config.model_name}_last.pth"
        return load_checkpoint(last)["best"]


def train(cfg_path: str | Path, overrides: Sequence[str] = ()) -> None:
    """`python main.py train` with processor: ddp."""
    DDPProcessor(cfg_path, overrides).run()
