"""What of a checkpoint goes to other machines: its settings without paths and devices, skeleton and
scores."""
from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from configs.loader import config_to_dict
from configs.schema import Config, DetectorConfig
from configs.version import made_by
from datasets.annotations.skeleton import Skeleton, skeleton_to_dict
from nets.files.weights_file import FORMAT
from nets.zoo.weights_by_name import FoundWeights, find_weights
from processors.models.load_pose_model import read_checkpoint
from processors.publishing.model_card import best_of
from utils.errors import UserError

SKELETON = "skeleton.yaml"
LONGEST_RUN = 19                    # characters: a date with its time
LONGEST_VERSION = 40                # a version with its commit, or that of torch
THIS_MACHINE = ("processor", "processes", "gpus", "resume")


def read_own(weights: str | Path) -> tuple[FoundWeights, Any, Config]:
    """A checkpoint of this project, and the settings in it. Raises UserError for other files."""
    found = find_weights(weights)
    if found.path.suffix.lower() == ".onnx":
        raise UserError(f"{weights} is an ONNX file: give the checkpoint it was made of")
    checkpoint, stored = read_checkpoint(found)
    if stored is None or found.published and not found.published.place:
        raise UserError(f"{weights} is no checkpoint of this project, and only those go out here: "
                        f"for the weights of others see whose they are")
    return found, checkpoint, stored


def portable(checkpoint: Mapping[str, Any], stored: Config, skeleton: Skeleton) -> dict[str, Any]:
    """What goes with the weights, plain values: that of a checkpoint without a run's state."""
    versions = {key: str(checkpoint[key])[:LONGEST_VERSION] for key in made_by()
                if key in checkpoint}       # that trained it; older files have none
    return {"format": FORMAT, **versions, "config": config_to_dict(without_machine(stored)),
            "skeleton": skeleton_to_dict(skeleton), "best": best_of(checkpoint),
            "run": str(checkpoint.get("run", ""))[:LONGEST_RUN]}


def without_machine(config: Config) -> Config:
    """The settings without paths, devices and detector; a skeleton of the user's own is that which
    lies beside them."""
    changed: dict[str, Any] = {name: getattr(Config(), name) for name in THIS_MACHINE}
    for one in fields(config):
        section = getattr(config, one.name)
        if is_dataclass(section) and not isinstance(section, type):
            changed[one.name] = replace(section, **{
                part.name: part.default for part in fields(section) if part.metadata["path"]})
    skeleton = SKELETON if Path(config.data.skeleton).suffix else config.data.skeleton
    changed["data"] = replace(changed["data"], extra_sets=(), unlabelled=(), skeleton=skeleton)
    return replace(config, **changed | {"detector": DetectorConfig()})


def pth_bytes(content: Mapping[str, Any]) -> bytes:
    """A file of torch.save, in which the name that it had says who wrote it; the same content gives
    the same bytes."""
    with TemporaryDirectory() as folder:
        path = Path(folder, f"{FORMAT}.pth")
        torch.save(dict(content), path)
        return path.read_bytes()
