"""load_pose_model: from a file of weights to a network that is ready to predict."""
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from configs.loader import load_config, with_overrides
from configs.schema import Config
from datasets.annotations.skeleton import Skeleton
from nets import PoseNet, build_net
from nets.files.load_report import LoadReport
from nets.files.optional_visibility import VISIBILITY
from nets.files.weights_file import FORMAT, read_weights_file
from nets.pretrained import load_weights
from nets.zoo.weights_by_name import FoundWeights, find_row, find_weights
from processors.models.onnx_model import load_onnx_model, load_to_evaluate
from processors.models.pose_model import ConfigSource, PoseModel, build_codec
from processors.models.stored_run import stored_config
from processors.models.weights_against_config import (
    config_for_weights,
    config_to_evaluate,
    skeleton_for_weights,
)
from processors.runtime.precision import amp_dtype
from utils.errors import UserError
from utils.log import log


def load_pose_model(path: str | Path, device: torch.device | str = "cpu",
                    config: str | Path | None = None, overrides: Sequence[str] = (),
                    ) -> PoseModel:
    """The network of a checkpoint, an .onnx file or a name of published weights
    (nets/zoo/published.py), in evaluation mode on the device.

    Checkpoints of this project, what it exported and names say all that is needed. For other files
    `config` is the YAML of their network. overrides: `section.key=value`, which win. Raises
    FileNotFoundError or UserError in one sentence; code in a file never runs.
    """
    settings = ConfigSource(Path(config) if config else None, tuple(overrides))
    found = find_weights(path)
    if found.path.suffix.lower() == ".onnx":
        return load_onnx_model(found.path, settings, torch.device(device))
    return load_checkpoint_model(found, settings, torch.device(device))


def load_checkpoint_model(weights: FoundWeights, settings: ConfigSource,
                          device: torch.device) -> PoseModel:
    """A checkpoint of this project, or of one that nets/pretrained.py knows."""
    checkpoint, stored = read_checkpoint(weights)
    path = weights.given
    config = settings.resolve(stored, path)
    net, skeleton, loaded = load_network(checkpoint, path, config, stored, weights.source)
    if any(name.startswith("head.") for name in loaded.missed):
        raise UserError(f"{path} ({loaded.source}) has a backbone but no head that makes heatmaps: "
                        f"give the weights of a pose network")
    config = config_for_weights(config, loaded, settings.overrides)
    net.to(device).to(memory_format=torch.channels_last)
    return PoseModel(
        network=net.eval(),
        codec=build_codec(config, skeleton), skeleton=skeleton,
        input_format=config.model.input_format, config=config, device=device,
        dtype=amp_dtype(config.optim.amp, device))


def read_checkpoint(weights: FoundWeights) -> tuple[Any, Config | None]:
    """What a file of weights holds, and the settings in it if it is ours, or else those that its
    name brings."""
    checkpoint = read_weights_file(weights.path)
    if isinstance(checkpoint, Mapping) and checkpoint.get("format") == FORMAT:
        return checkpoint, stored_config(checkpoint, weights.given)
    return checkpoint, weights.published.config() if weights.published else None


def load_network(checkpoint: Any, path: str | Path, config: Config, stored: Config | None,
                 source: str | None = None) -> tuple[PoseNet, Skeleton, LoadReport]:
    """The network of a Config with the weights of `read_checkpoint`, and its skeleton. Raises
    UserError for weights of another number of joints."""
    skeleton = skeleton_for_weights(checkpoint, stored, config.data.skeleton, str(path))
    build_codec(config, skeleton)       # before anything as large as the file says is built
    net = build_net(replace(config.model, pretrained=False), input_size=config.codec.input_size,
                    split=config.codec.split, sigma=config.codec.sigma)
    loaded = load_weights(net, checkpoint, source=source, path=path)
    if loaded.reinitialised:
        raise UserError(f"{path} is for another number of joints than model.num_joints, which is "
                        f"{config.model.num_joints}: set model.num_joints and data.skeleton to "
                        f"what it was trained with")
    if any(name.startswith(VISIBILITY) for name in loaded.missed):
        raise UserError(f"{path} has no visibility output for this network, and model.visibility "
                        f"is true: set it to false")
    return net, skeleton, loaded


def config_of(cfg_path: str | Path | None, weights: str | Path | None,
              overrides: Sequence[str] = ()) -> Config:
    """The settings of a YAML, or without one those that the name of weights brings, and the
    overrides. Raises UserError or FileNotFoundError."""
    if cfg_path:
        return load_config(cfg_path, overrides)
    row = find_row(weights or "", "pose network")
    if row is None:     # a mistyped path
        raise FileNotFoundError(f"there is no weights file {weights}: give the path of a file such "
                                f"as weights/pose_best.pth, or a name that python main.py weights "
                                f"lists")
    return with_overrides(row.config(), overrides, row.name)


def load_to_judge(weights: FoundWeights, config: Config, device: torch.device,
                  source: str | None = None, overrides: Sequence[str] = (),
                  ) -> tuple[nn.Module, Config, Skeleton]:
    """A network to look at a Config's data with, and the Config and the skeleton as the weights
    want them: their network and codec, the data of the Config. source, overrides: see
    `evaluate_weights`. An .onnx file's network is on the device, others are where they were made.
    """
    if weights.path.suffix.lower() == ".onnx":
        return load_to_evaluate(weights.path, config, device, overrides)
    checkpoint, stored = read_checkpoint(weights)
    if stored:
        config = config_to_evaluate(config, stored, overrides, weights.given)
    net, skeleton, loaded = load_network(checkpoint, weights.given, config, stored,
                                         source or weights.source)
    log.info("%s", loaded)
    if (row := weights.published) and row.ap is not None:
        log.info("published: AP %.3f (%s)", row.ap, row.protocol)
    return net, config if stored else config_for_weights(config, loaded, overrides), skeleton
