"""Drawn people as the doctor's sets, to be spoilt by tests."""
import json
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

from configs.schema import Config
from datasets.annotations.annotated_sets import AnnotatedSet
from datasets.annotations.skeleton import Skeleton, load_skeleton
from datasets.doctor.examine import Diagnosis, examine
from datasets.doctor.raw_labels import RawLabels, read_raw
from datasets.synthetic.data_set import write_synthetic

COCO = load_skeleton("coco")


def draw(folder: Path, train: int, val: int) -> Path:
    """Both sets as files, with so many images."""
    for seed, (name, count) in enumerate({"train": train, "val": val}.items()):
        write_synthetic(folder / name, folder / f"{name}.json", count, seed)
    return folder


def raw_set(folder: Path, content: dict, skeleton: Skeleton) -> RawLabels:
    """A COCO file's content, as the doctor reads it."""
    (folder / "set.json").write_text(json.dumps(content))
    return read_raw(AnnotatedSet(folder / "set.json", folder, skeleton, "", "", ""), "set")


@dataclass
class Sets:
    """A data set that a test may spoil."""
    train: dict
    val: dict
    folder: Path
    train_root: Path
    val_root: Path
    skeleton: Skeleton = COCO
    config: Config = Config()

    @classmethod
    def of(cls, drawn: Path, folder: Path) -> "Sets":
        """What `draw` has drawn, to be written into a folder."""
        train, val = (json.loads((drawn / f"{name}.json").read_bytes())
                      for name in ("train", "val"))
        return cls(train, val, folder, drawn / "train", drawn / "val")

    @property
    def persons(self) -> list[dict]:
        """Of the training set, with joints."""
        return [row for row in self.train["annotations"] if row["num_keypoints"]]

    def own_images(self) -> Path:
        """A copy of the training images."""
        self.train_root = shutil.copytree(self.train_root, self.folder / "train")
        return self.train_root

    def diagnose(self) -> Diagnosis:
        for name in ("train", "val"):
            text = json.dumps(getattr(self, name))
            (self.folder / f"{name}.json").write_text(text, encoding="utf-8")
        data = replace(self.config.data, train_ann_path=str(self.folder / "train.json"),
                       val_ann_path=str(self.folder / "val.json"),
                       train_img_root=str(self.train_root), val_img_root=str(self.val_root))
        return examine(replace(self.config, data=data), self.skeleton)

    def found(self) -> list[tuple[str, int]]:
        return [(finding.check, finding.count) for finding in self.diagnose().findings]
