import copy

import pytest
import torch
from torch import nn

from configs.schema import OptimConfig
from processors.training.optim import OPTIMIZERS, build_optimizer


def tiny_net() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Sequential(
        nn.Conv2d(4, 5, 1, bias=False), nn.SyncBatchNorm(5), nn.Flatten(), nn.LayerNorm(5),
        nn.Linear(5, 2)))


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_norms_and_biases_are_not_decayed(name):
    net = tiny_net()
    optimizer = build_optimizer(net, OptimConfig(optimizer=name, weight_decay=0.05, lr=0.3))
    decayed, plain = optimizer.param_groups
    assert [group["weight_decay"] for group in (decayed, plain)] == [0.05, 0.0]
    assert [group["lr"] for group in (decayed, plain)] == [0.3, 0.3]
    weights = {id(net[0].weight), id(net[2][0].weight), id(net[2][4].weight)}
    assert {id(p) for p in decayed["params"]} == weights
    everything = [id(p) for p in decayed["params"] + plain["params"]]
    assert sorted(everything) == sorted(id(p) for p in net.parameters())    # each one once


def test_the_bias_of_a_bare_layer_is_a_bias():
    layer = nn.Linear(2, 3)
    assert build_optimizer(layer, OptimConfig()).param_groups[1]["params"] == [layer.bias]


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_step_without_gradient_moves_decayed_weights_only(name):
    net = tiny_net()
    before = [p.clone() for p in net.parameters()]
    optimizer = build_optimizer(net, OptimConfig(optimizer=name, weight_decay=0.1, lr=0.1))
    for parameter in net.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    moved = [not torch.equal(a, b) for a, b in zip(before, net.parameters(), strict=True)]
    assert moved == [p.ndim > 1 for p in net.parameters()]


@pytest.mark.parametrize("name, kind", [
    ("adam", torch.optim.Adam), ("adamw", torch.optim.AdamW), ("sgd", torch.optim.SGD)])
def test_names_mean_torchs_optimizers(name, kind):
    optimizer = build_optimizer(tiny_net(), OptimConfig(optimizer=name))
    assert type(optimizer) is kind
    assert optimizer.defaults.get("momentum", 0.9) == 0.9


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_stored_optimizer_goes_on_exactly(name):
    def step(net, optimizer):
        net(torch.ones(2, 4)).square().sum().backward()
        optimizer.step()
        optimizer.zero_grad()

    config = OptimConfig(optimizer=name, lr=0.01, weight_decay=0.01)
    net, other = nn.Linear(4, 2), nn.Linear(4, 2)
    optimizer = build_optimizer(net, config)
    step(net, optimizer)
    other.load_state_dict(net.state_dict())
    continued = build_optimizer(other, config)
    continued.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    step(net, optimizer), step(other, continued)
    assert torch.equal(net.weight, other.weight) and torch.equal(net.bias, other.bias)
