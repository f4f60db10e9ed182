"""Crop packing: `python main.py pack CONFIG`, from a Config to the crop pack it names."""
import os
from pathlib import Path

from configs.checks import TRAIN_PATHS, ensure_set
from configs.schema import Config
from datasets.annotations.skeleton import load_skeleton
from datasets.coco import MSCOCO
from datasets.synthetic.data_set import ensure_synthetic
from processors.jobs.pack_writer import write_pack
from utils.files import naming
from utils.log import log, show_log


def make_pack(config: Config) -> None:
    """Make, finish or check the pack `data.train_pack` of a Config's training persons.

    Raises FileNotFoundError or ValueError, one sentence, and OSError for a full disk.
    """
    show_log()
    data, codec = config.data, config.codec
    ensure_set(data, "train_pack", *TRAIN_PATHS)
    ensure_synthetic(data, config.seed)
    dataset = MSCOCO(data.train_ann_path, data.train_img_root, load_skeleton(data.skeleton),
                     input_size=codec.input_size, alignment=codec.alignment,
                     skip_broken=data.skip_broken, check_files=not data.skip_broken,
                     category=data.category, extra=data.extra_sets)
    log.info("%s", dataset.summary())
    path = Path(data.train_pack)
    try:
        with naming(path):
            pack = write_pack(path, dataset, config.augment, data.pack_format, cores())
    except KeyboardInterrupt:
        log.info("stopped; the same command goes on with %s", path)
        raise SystemExit(130) from None
    log.info("complete: %s", pack.summary())


def cores() -> int:
    """Those that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
