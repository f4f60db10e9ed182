"""DPProcessor: training in one process, on the CPU, one GPU, or several by DataParallel."""
import os
from collections.abc import Sequence
from pathlib import Path

from configs.loader import load_config
from processors.pose_processor import PoseProcessor


class DPProcessor(PoseProcessor):
    """`DPProcessor(cfg_path="configs/dp_fast_pose.yaml").run()`"""

    def __init__(self, cfg_path: str | Path, overrides: Sequence[str] = ()):
        config = load_config(cfg_path, ["processor=dp", *overrides])
        processes = int(os.environ.get("WORLD_SIZE", "1"))
        if processes > 1:
            raise ValueError(f"processor is dp, which is one process, but {processes} were "
                             f"started; set processor: ddp, or start it without torchrun")
        super().__init__(config)
