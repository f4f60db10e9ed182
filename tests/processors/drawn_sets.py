"""Settings for a drawn data set that is small enough to evaluate in a second."""
from pathlib import Path

from configs.loader import load_config
from configs.schema import Config


def settings(folder: Path, *more: str) -> Config:
    """The quickstart's with four drawn images in `folder`, and what is given besides."""
    files = [f"data.{split}_{key}={folder / split / name}" for split in ("train", "val")
             for key, name in (("ann_path", "people.json"), ("img_root", "images"))]
    return load_config("configs/quickstart.yaml", [
        *files, "data.synthetic_train=1", "data.synthetic_val=4", "data.batch_size=4",
        "data.num_workers=0", "codec.input_size=[64, 64]", f"val.weight_path={folder}", *more])
