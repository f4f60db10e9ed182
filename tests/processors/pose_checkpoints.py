"""Small pose networks in files, for tests of prediction."""
from pathlib import Path

import torch

from configs.loader import config_to_dict
from configs.schema import CodecConfig, Config, ModelConfig, ValConfig
from datasets.annotations.skeleton import load_skeleton, skeleton_to_dict
from nets import build_net
from processors.models.checkpoint import save_checkpoint


def small_config(skeleton="coco", joints=17, **val) -> Config:
    return Config(model=ModelConfig(name="resnet18", num_joints=joints),
                  codec=CodecConfig(input_size=(64, 96)), val=ValConfig(**val))


def write_checkpoint(path: Path, config: Config, **other) -> Path:
    """A checkpoint of this project with a network that has learned nothing."""
    torch.manual_seed(0)
    net = build_net(config.model, input_size=config.codec.input_size)
    with torch.no_grad():
        net.head.output.weight.mul_(100)    # scores that count
    state = {"ema": net.state_dict(), "config": config_to_dict(config),
             "skeleton": skeleton_to_dict(load_skeleton("coco")), **other}
    save_checkpoint({key: value for key, value in state.items() if value is not None}, path)
    return path
