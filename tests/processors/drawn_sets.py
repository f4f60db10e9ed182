"""Settings for a drawn data set that is small enough to evaluate in a second."""
from pathlib import Path

from configs.loader import load_config
from configs.schema import Config


def drawn_words(folder: Path, *more: str) -> list[str]:
    """The quickstart's with four drawn images in `folder`, and what is given besides, as a command
    takes them."""
    files = [f"data.{split}_{key}={folder / split / name}" for split in ("train", "val")
             for key, name in (("ann_path", "people.json"), ("img_root", "images"))]
    return [*files, "data.synthetic_train=1", "data.synthetic_val=4", "data.batch_size=4",
            "data.num_workers=0", "codec.input_size=[64, 64]", *more, f"val.weight_path={folder}"]


def folder_of(words: list[str]) -> Path:
    """Of `drawn_words`."""
    return Path(words[-1].partition("=")[2])


def settings(folder: Path, *more: str) -> Config:
    """The Config of `drawn_words`; what is given besides comes last."""
    return load_config("configs/quickstart.yaml", [*drawn_words(folder), *more])
