"""Crop packing: `python main.py pack CONFIG`, from a Config to the crop pack it names."""
from dataclasses import replace
from pathlib import Path

from configs.checks import TRAIN_PATHS, ensure_set
from configs.schema import Config
from datasets.annotations.skeleton import load_skeleton
from datasets.coco import train_set
from datasets.pack_writer import write_pack
from datasets.synthetic.data_set import ensure_synthetic
from datasets.workers import cores
from utils.files import naming
from utils.log import log, show_log
from utils.outputs import cannot_write, ensure_writable


def make_pack(config: Config) -> None:
    """Make, finish or check the pack `data.train_pack` of a Config's training persons.

    It has all of them, whatever data.debug is, so that it serves every run. Raises
    FileNotFoundError or UserError, one sentence, and OSError for a full disk.
    """
    show_log()
    data = config.data
    ensure_set(data, "train_pack", *TRAIN_PATHS)
    ensure_synthetic(data, config.seed)
    everybody = replace(config, data=replace(data, train_pack="", debug=0))
    path = Path(data.train_pack)
    if not path.exists():       # a finished one is only checked
        ensure_writable(path, "data.train_pack")
    dataset = train_set(everybody, load_skeleton(data.skeleton), check_files=not data.skip_broken)
    log.info("%s", dataset.summary())
    try:
        with naming(path):
            pack = write_pack(path, dataset, config.augment, data.pack_format,
                              cores() if data.num_workers else 0)
    except OSError as error:
        if not str(error.filename).startswith(str(path)):
            raise
        raise cannot_write(path, "data.train_pack", error) from error
    except KeyboardInterrupt:
        log.info("stopped; the same command goes on with %s", path)
        raise SystemExit(130) from None
    log.info("complete: %s", pack.summary())
