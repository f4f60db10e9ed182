"""Crop packing: `python main.py pack CONFIG`, from a Config to the crop packs it names."""
from dataclasses import replace
from pathlib import Path

from configs.checks import TRAIN_PATHS, VAL_PATHS, ensure_set
from configs.schema import Config
from datasets.annotations.skeleton import load_skeleton
from datasets.coco import train_set, val_set
from datasets.crops.crop_pack import TRAIN, VAL
from datasets.pack_writer import write_pack
from datasets.synthetic.data_set import ensure_synthetic
from datasets.workers import cores
from utils.errors import UserError
from utils.files import naming
from utils.log import log, show_log
from utils.outputs import cannot_write, ensure_writable


def make_pack(config: Config) -> None:
    """Make, go on with or check `data.train_pack` and `data.val_pack` of a Config, those that it
    names.

    They have all persons, whatever data.debug is, so that they serve every run. Raises
    FileNotFoundError or UserError, one sentence, and OSError for a full disk.
    """
    show_log()
    data = config.data
    if not data.val_pack:
        ensure_set(data, "train_pack")
    elif data.train_pack and Path(data.train_pack).resolve() == Path(data.val_pack).resolve():
        raise UserError(f"{TRAIN} and {VAL} are both {data.val_pack}: name two files")
    ensure_set(data, *(TRAIN_PATHS if data.train_pack else ()),
               *(VAL_PATHS if data.val_pack else ()))
    ensure_synthetic(data, config.seed)
    for key, path in ((TRAIN, data.train_pack), (VAL, data.val_pack)):
        if path:
            _make(config, key, Path(path))


def _make(config: Config, key: str, path: Path) -> None:
    data = config.data
    everybody = replace(config, data=replace(data, train_pack="", val_pack="", debug=0))
    if not path.exists():       # a finished one is only checked
        ensure_writable(path, key)
    persons = train_set if key == TRAIN else val_set
    dataset = persons(everybody, load_skeleton(data.skeleton), check_files=not data.skip_broken)
    log.info("%s", dataset.summary())
    augment, form = (config.augment, data.pack_format) if key == TRAIN else (None, "raw")
    try:
        with naming(path):
            pack = write_pack(path, dataset, augment, form, cores() if data.num_workers else 0)
    except OSError as error:
        if not str(error.filename).startswith(str(path)):
            raise
        raise cannot_write(path, key, error) from error
    except KeyboardInterrupt:
        log.info("stopped; the same command goes on with %s", path)
        raise SystemExit(130) from None
    log.info("complete: %s", pack.summary())
