"""DDPProcessor: one process per device, on one machine or on many.

Under torchrun (any number of nodes) each process finds its rank in the environment. Without it,
`run` starts the processes of this machine itself, through torch's elastic launcher.
"""
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from torch.distributed.elastic.multiprocessing.errors import record
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

from configs.loader import load_config
from processors.parallel import ManyProcesses, find_devices
from processors.pose_processor import PoseProcessor


class DDPProcessor:
    """`DDPProcessor(cfg_path="configs/ddp_fast_pose.yaml").run()`"""

    def __init__(self, cfg_path: str | Path, overrides: Sequence[str] = ()):
        self.cfg_path, self.overrides = str(cfg_path), tuple(overrides)
        self.config = load_config(cfg_path, overrides)

    def run(self) -> dict[str, Any]:
        """Train in all processes; returns the best metrics."""
        if "RANK" in os.environ:
            return run_rank(self.cfg_path, self.overrides)
        find_devices(self.config.gpus)
        count = len(self.config.gpus) or self.config.processes
        launch = LaunchConfig(min_nodes=1, max_nodes=1, nproc_per_node=count, max_restarts=0,
                              rdzv_backend="c10d", rdzv_endpoint="localhost:0",
                              monitor_interval=1)
        return elastic_launch(launch, run_rank)(self.cfg_path, self.overrides)[0]


@record
def run_rank(cfg_path: str, overrides: Sequence[str]) -> dict[str, Any]:
    """The work of one process."""
    config = load_config(cfg_path, overrides)
    parallel = ManyProcesses(config.gpus)
    try:
        return PoseProcessor(config, parallel).run()
    finally:
        parallel.close()
