"""DDPProcessor: one process per device, on one machine or on many.

Under torchrun (any number of machines) each process finds its rank in the environment. Without
it, `run` starts the processes of this machine itself.
"""
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from torch.distributed.elastic.multiprocessing.errors import record

from configs.loader import load_config
from configs.schema import Config
from processors.checkpoint import load_checkpoint
from processors.launch import (
    LOST_PARTNER,
    USER_ERROR,
    die_with_launcher,
    launch,
    launched_here,
)
from processors.parallel import ManyProcesses, find_devices
from processors.pose_processor import PoseProcessor


class DDPProcessor:
    """`DDPProcessor(cfg_path="configs/ddp_fast_pose.yaml").run()`"""

    def __init__(self, cfg_path: str | Path, overrides: Sequence[str] = ()):
        self.cfg_path, self.overrides = str(cfg_path), tuple(overrides)
        self.config = load_config(cfg_path, ["processor=ddp", *overrides])

    def run(self) -> dict[str, Any]:
        """Train in all processes; returns the best metrics."""
        if "RANK" in os.environ:
            return run_rank(self.config)
        find_devices(self.config.gpus)
        launch(self.cfg_path, self.overrides, len(self.config.gpus) or self.config.processes)
        last = Path(self.config.val.weight_path) / f"{self.config.model_name}_last.pth"
        return load_checkpoint(last)["best"]


def run_rank(config: Config) -> dict[str, Any]:
    """The work of one process."""
    die_with_launcher()
    try:
        return _train(config)
    except (ValueError, OSError):
        if launched_here():
            sys.exit(USER_ERROR)        # the sentence is in the error file: said once for all
        raise


@record
def _train(config: Config) -> dict[str, Any]:
    parallel = ManyProcesses(config.gpus)
    try:
        best = PoseProcessor(config, parallel).run()
    except RuntimeError as error:
        if not any(words in str(error) for words in ("Connection closed", "Connection reset",
                                                     "Broken pipe")):
            raise
        raise ConnectionError(f"process {parallel.rank} {LOST_PARTNER} of the run, which ended "
                              f"first and tells why") from error
    parallel.close()        # not after an error: the others may not answer any more
    return best
