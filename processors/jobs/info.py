"""What a recipe's network consists of and what it costs, without computing or downloading.

The network runs on PyTorch's meta device: shapes only, no numbers.
"""
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from configs.schema import Config, ModelConfig
from nets import PoseNet, build_net
from utils.log import show


@dataclass(frozen=True)
class Cost:
    """By the names of modules; "" is the whole network. MACs and shapes are for one image."""
    parameters: dict[str, int]
    macs: dict[str, int]             # multiply-adds of convolutions, linear layers and attention
    shapes: dict[str, str]           # of the output, channels x height x width


def info(config: Config, recipes: Mapping[str, Config], problems: Sequence[str] = ()) -> None:
    """Print the network of a Config, and beside it those of the recipes; what is wrong with the
    recipes that could not be read is said below."""
    show(f"{describe(config)}\n\n{compare(recipes)}")
    for problem in problems:
        show(f"left out: {problem}")


def describe(config: Config) -> str:
    """The tree of parts with parameters, GMACs and output shapes, and the memory of training."""
    net, cost, at_once, activations = _measured(config)
    rows: list[tuple[str, ...]] = [("part", "parameters", "GMACs", "output")]
    for name, count in cost.parameters.items():
        depth = name.count(".") + 1 if name else 0
        if count and depth <= 2:
            label = "  " * depth + (name.rpartition(".")[2] or "network")
            rows.append((label, f"{count:,}", f"{cost.macs[name] / 1e9:.3f}",
                         cost.shapes.get(name, "")))
    width, height = config.codec.input_size
    return "\n".join([
        f"{config.model_name}: {config.model}, {config.model.num_joints} joints, input "
        f"{width}x{height} (width x height), stride {net.stride}",
        "",
        _table(rows, left=(0, 3)),
        "",
        "GMACs: billions of multiply-adds for one image; a transposed convolution counts its "
        "input pixels.",
        f"Weights: {_bytes_text(4 * cost.parameters[''])} in float32.",
        f"Activations kept for the backward pass: {activations} on each device in "
        f"float32, about half of it with optim.amp ({at_once} images at once: data.batch_size "
        f"{config.data.batch_size} / devices {_devices(config)} / optim.accumulate "
        f"{config.optim.accumulate}).",
    ])


def compare(configs: Mapping[str, Config]) -> str:
    """One line for each recipe, by its name: size, work and memory side by side."""
    rows: list[tuple[str, ...]] = [("recipe", "network", "input", "parameters", "GMACs",
                                    "images/device", "activations")]
    for name, config in configs.items():
        _, cost, at_once, activations = _measured(config)
        width, height = config.codec.input_size
        rows.append((name, f"{config.model}, {config.model.num_joints} joints",
                     f"{width}x{height}", f"{cost.parameters['']:,}",
                     f"{cost.macs[''] / 1e9:.3f}", str(at_once), activations))
    return _table(rows, left=(0, 1))


def _measured(config: Config) -> tuple[PoseNet, Cost, int, str]:
    """The network, its cost, the images that a device holds at a time (its share of a batch, or a
    micro-batch), and the memory of their activations."""
    net = shape_only_net(config.model, config.codec.input_size, config.codec.split)
    data = config.data
    persons = data.batch_size
    if data.unlabelled:
        persons += data.unlabelled_batch or data.batch_size
    at_once = persons // _devices(config) // config.optim.accumulate
    activations = _activation_bytes(net, config.codec.input_size, at_once)
    return net, cost_of(net, config.codec.input_size), at_once, _bytes_text(activations)


def shape_only_net(model: ModelConfig, input_size: tuple[int, int] = (192, 256),
                   split: int = 2) -> PoseNet:
    """A network on the meta device."""
    with torch.device("meta"):
        return build_net(replace(model, pretrained=False), input_size=input_size, split=split)


def cost_of(net: PoseNet, input_size: tuple[int, int]) -> Cost:
    """Parameters, MACs and output shapes of every module of a net on the meta device, for an
    input of (width, height) pixels."""
    modules = dict(net.named_modules())
    shapes: dict[str, str] = {}

    def note(name: str, module: nn.Module, inputs: tuple, output: Any) -> None:
        outputs = output if isinstance(output, list) else [output]
        shapes[name] = ", ".join("x".join(map(str, out.shape[1:])) for out in outputs)

    hooks = [module.register_forward_hook(partial(note, name)) for name, module in modules.items()]
    width, height = input_size
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        net.eval()(torch.empty(1, 3, height, width, device="meta"))
    for hook in hooks:
        hook.remove()
    flops = {name.partition(".")[2]: sum(by_kind.values())      # without the class of the network
             for name, by_kind in counter.get_flop_counts().items() if name != "Global"}
    macs: dict[str, int] = {}
    for name, module in reversed(modules.items()):      # lists of modules are not called themselves
        parts = (f"{name}.{part}".strip(".") for part, _ in module.named_children())
        macs[name] = flops.get(name, 0) // 2 or sum(macs.get(part, 0) for part in parts)
    parameters = {name: sum(p.numel() for p in module.parameters())
                  for name, module in modules.items()}
    return Cost(parameters, macs, shapes)


def _activation_bytes(net: PoseNet, input_size: tuple[int, int], images: int) -> int:
    """Bytes that autograd keeps between a forward and a backward pass, in float32.

    Tensors that share memory, such as the input and output of an in-place ReLU, count once.
    """
    ours = {p.untyped_storage()._cdata for p in net.parameters()}
    kept: dict[int, torch.UntypedStorage] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage._cdata not in ours:
            kept[storage._cdata] = storage
        return tensor

    width, height = input_size
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        net.train()(torch.empty(images, 3, height, width, device="meta"))
    return sum(storage.nbytes() for storage in kept.values())


def _devices(config: Config) -> int:
    """GPUs, or processes on the CPU."""
    return len(config.gpus) or config.processes


def _bytes_text(count: int) -> str:
    return f"{count / 2**30:.2f} GiB" if count >= 2**30 else f"{count / 2**20:.1f} MiB"


def _table(rows: list[tuple[str, ...]], left: tuple[int, ...]) -> str:
    """Columns as wide as their widest entry; those in `left` are flush left, others right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(
        text.ljust(width) if i in left else text.rjust(width)
        for i, (text, width) in enumerate(zip(row, widths, strict=True))).rstrip() for row in rows)
