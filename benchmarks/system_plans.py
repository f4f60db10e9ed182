"""Which systems benchmarks/systems.py trains, by what, and who is judged: two plans."""
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.parts import labels_of, write_parts
from configs.loader import load_config
from configs.schema import DataConfig
from utils.errors import UserError

ROOT = Path(__file__).resolve().parent.parent
SEEDS = (0, 1, 2)


@dataclass(frozen=True)
class Plan:
    name: str                       # of the lines' file and of the section: systems_NAME
    people: str                     # what kind they are
    command: list[str]              # the options that ask for this plan, without folders
    base: Path                      # a YAML
    settings: list[str]             # of all systems
    systems: dict[str, list[str]]   # each with its own settings, which come after these
    repeated: str                   # the system that is trained with all seeds
    data: list[str]                 # settings that say where the people are, not kept in lines
    parts: dict[str, list[str]] = field(default_factory=dict)
    # ^ who else is judged, each with the settings that say where; the first is judged in training

    def runs(self) -> list[tuple[str, int]]:
        """(system, seed): each system with the first seed, one of them with all."""
        return [(name, seed) for name in self.systems
                for seed in (SEEDS if name == self.repeated else SEEDS[:1])]

    def own(self, system: str, seed: int, words: list[str]) -> list[str]:
        """All settings of a training but where the people are. words: of the command line."""
        return [*self.settings, *self.systems[system], f"seed={seed}", *words]


# ---- drawn people ------------------------------------------------------------------------------

QUICKSTART = ROOT / "configs" / "quickstart.yaml"
DRAWN_SYSTEMS = {
    "DConv": ["model.type=pose_resnet_dconv"],
    "DUC": ["model.type=pose_resnet_duc"],
    "SE + DConv": ["model.type=pose_resnet_dconv", "model.reduction=true"],
    "SE + DUC": ["model.type=pose_resnet_duc", "model.reduction=true"],
    "HRNet-W32": ["model.type=pose_hrnet", "model.name=w32", "model.width=1"],
    "ViT-S, simple": ["model.type=pose_vit", "model.name=s", "model.head=simple", "model.width=1"],
    "MobileNetV3-S (timm)": ["model.type=pose_timm", "model.name=mobilenetv3_small_100",
                             "model.width=1"],
    "ConvNeXt-atto (timm)": ["model.type=pose_timm", "model.name=convnext_atto", "model.width=1"],
}
DRAWN_SETTINGS = {
    "cpu": ["data.synthetic_train=600", "data.synthetic_val=300", "data.num_workers=1",
            "model.width=0.5", "optim.epochs=12"],
    "gpu": ["data.synthetic_train=1500", "data.synthetic_val=300", "data.batch_size=64",
            "data.num_workers=8", "model.name=resnet50", "model.width=1",
            "codec.input_size=[192, 256]", "codec.sigma=2", "codec.blur_kernel=0",
            "optim.epochs=20", "optim.lr=0.001", "optim.ema=0.99"],
}


def drawn_plan(words: list[str]) -> Plan:
    """At full size where `words` of the command line name a GPU."""
    size = "gpu" if load_config(QUICKSTART, words).gpus else "cpu"
    settings = DRAWN_SETTINGS[size]
    return Plan(size, "drawn", [], QUICKSTART, settings, DRAWN_SYSTEMS, "DUC",
                drawn_data(load_config(QUICKSTART, [*settings, *words]).data))


def drawn_data(data: DataConfig) -> list[str]:
    """A folder for each number of images."""
    folder = ROOT / "data" / f"systems_{data.synthetic_train}_{data.synthetic_val}"
    return [setting for name in ("train", "val")
            for setting in where(name, folder / f"{name}.json", folder / name)]


# ---- photographed people -----------------------------------------------------------------------

PHOTOGRAPHS = ROOT / "configs" / "photographs.yaml"
# The recipe for photographs in a tenth of its time, the same for all: whole networks, of which
# nothing stands still as half of them begin with nothing; the alignment that all decoders fit.
PHOTOGRAPHS_SETTINGS = [
    "processor=dp", "processes=1", "codec.input_size=[96, 128]", "codec.sigma=1.5",
    "codec.alignment=hrnet", "model.level=-1", "model.pretrained=false", "optim.freeze_stages=0",
    "optim.epochs=6", "optim.ema=0.99", "augment.weak_epochs=1"]


def photographs_plan(folder: Path, trunk: Path | None, judge: list[tuple[str, Path, Path]],
                     ) -> Plan:
    """folder: annotations/person_keypoints_{train,val}.json, train/ and val/. trunk: weights that
    the ResNets begin with, beside beginning with nothing. judge: more sets, (name, labels, folder
    of images). Writes the labels of each part into data/."""
    resnets = {name: own for name, own in DRAWN_SYSTEMS.items() if "pose_resnet" in own[0]}
    begin = [*({"pretrained": f"model.pretrained={trunk}"} if trunk else {}).items(),
             ("from nothing", "model.pretrained=false")]
    systems = {f"{name}, {words}": [*own, setting] for words, setting in begin
               for name, own in resnets.items()}
    systems["HRNet-W32, from nothing"] = DRAWN_SYSTEMS["HRNet-W32"]     # last, it takes longest
    parts = write_parts(labels_of(folder, "val"), ROOT / "data" / f"{folder.name}_parts", "val")
    if both := [name for name, *_ in judge if name in parts]:
        raise UserError(f"--judge {both[0]}: {folder} has a part of that name; name it otherwise")
    judged = [*((name, path, folder / "val") for name, path in parts.items()), *judge]
    places = {name: where("val", labels, images) for name, labels, images in judged}
    command = [f"--data {folder.name}", *([f"--pretrained {trunk.name}"] if trunk else []),
               *(f"--judge {name} {labels.name} {images.name}" for name, labels, images in judge)]
    train = where("train", labels_of(folder, "train"), folder / "train")
    return Plan(folder.name, "photographed", command, PHOTOGRAPHS, PHOTOGRAPHS_SETTINGS, systems,
                f"DUC, {begin[0][0]}", [*train, *places[min(parts)]], places)


def where(split: str, labels: Path, images: Path) -> list[str]:
    return [f"data.{split}_ann_path={labels}", f"data.{split}_img_root={images}"]
