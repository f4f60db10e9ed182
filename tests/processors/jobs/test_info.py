"""Sizes, work and memory of networks, against published and measured numbers."""
import pytest
import torch
from torch import nn

from configs.schema import AugmentConfig, CodecConfig, Config, DataConfig, ModelConfig, OptimConfig
from nets import build_net
from processors.jobs.info import compare, cost_of, describe, shape_only_net

# Convolution GMACs of the official codes at 256x192, counted on the true work; the SE layers of
# FastPose add 0.011.
GMACS = [
    ("pose_resnet_dconv", "resnet50", False, "5.426"),
    ("pose_resnet_dconv", "resnet101", False, "9.063"),
    ("pose_resnet_dconv", "resnet152", False, "12.699"),
    ("pose_resnet_duc", "resnet50", True, "5.887"),
    ("pose_resnet_duc", "resnet101", True, "9.523"),
    ("pose_hrnet", "w32", False, "7.645"),
    ("pose_hrnet", "w48", False, "15.692"),
]


def recipe(kind="pose_resnet_duc", name="resnet18", reduction=False, **sections):
    return Config(model=ModelConfig(type=kind, name=name, reduction=reduction), **sections)


def test_gmacs_are_those_of_the_official_codes():
    table = compare({f"{name}{reduction}": recipe(kind, name, reduction)
                     for kind, name, reduction, _ in GMACS})
    for line, (_, _, _, expected) in zip(table.splitlines()[1:], GMACS, strict=True):
        assert f" {expected} " in line


@pytest.mark.parametrize("kind, name", [
    ("pose_resnet_duc", "resnet18"), ("pose_resnet_dconv", "resnet18"), ("pose_hrnet", "w32")])
def test_macs_of_every_part_are_those_of_its_layers(kind, name):
    """Each weight meets each output pixel, of a transposed convolution each input pixel. Parts
    that are only lists of others, as HRNet's branches, are their sum."""
    macs = {}

    def count(layer):
        def hook(module, inputs, output):
            pixels = inputs[0] if isinstance(module, nn.ConvTranspose2d) else output
            macs[layer] = module.weight.numel() * pixels.shape[2:].numel()
        return hook

    net = shape_only_net(ModelConfig(type=kind, name=name, reduction="resnet" in kind))
    hooks = [module.register_forward_hook(count(layer)) for layer, module in net.named_modules()
             if isinstance(module, nn.Conv2d | nn.ConvTranspose2d)]
    net.eval()(torch.empty(1, 3, 128, 96, device="meta"))
    for hook in hooks:
        hook.remove()
    expected = {part: sum(count for layer, count in macs.items()
                          if f"{layer}.".startswith(f"{part}." if part else ""))
                for part, _ in net.named_modules()}
    assert len(macs) > 20 and cost_of(net, (96, 128)).macs == expected


def kept_bytes(net, images):
    """Bytes that a real forward pass keeps for the backward pass, without the parameters."""
    parameters = {p.data_ptr() for p in net.parameters()}
    kept = {}

    def keep(tensor):
        if tensor.data_ptr() not in parameters:
            kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        heatmaps = net(images)
    assert heatmaps.requires_grad
    return sum(storage.nbytes() for storage in kept.values())


@pytest.mark.parametrize("devices", [{"gpus": (0, 1)}, {"processor": "ddp", "processes": 2}])
def test_memory_is_what_a_real_pass_keeps(devices):
    config = recipe(reduction=True, codec=CodecConfig(input_size=(64, 96)), **devices,
                    data=DataConfig(batch_size=8), optim=OptimConfig(accumulate=2))
    expected = kept_bytes(build_net(config.model).train(), torch.zeros(2, 3, 96, 64))
    text = describe(config)
    assert f"{expected / 2**20:.1f} MiB" in text and "2 images at once" in text


def test_tree_of_parts():
    lines = describe(recipe()).splitlines()
    parts = [line.split()[0] for line in lines[2:] if line.startswith(("network", " "))]
    assert parts == ["network", "backbone", "conv1", "bn1", "layer1", "layer2", "layer3", "layer4",
                     "head", "upsample", "output"]
    network = next(line for line in lines if line.startswith("network"))
    assert "13,558,481" in network and "17x64x48" in network


def test_weights_are_not_needed():
    config = Config(model=ModelConfig(type="pose_hrnet", name="w32", pretrained="nothing.pth"),
                    augment=AugmentConfig())
    assert "28,536,113" in compare({"hrnet": config})
