import copy
import re

import pytest
import torch
from torch import nn

from configs.schema import OptimConfig
from processors.training.optim import OPTIMIZERS, build_optimizer, load_optimizer_state
from utils.errors import UserError


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


def trained(name, net=None, **settings):
    """An optimizer after a step."""
    net = net or tiny_net()
    optimizer = build_optimizer(net, OptimConfig(optimizer=name, **settings))
    for parameter in net.parameters():
        parameter.grad = torch.ones_like(parameter)
    optimizer.step()
    return optimizer


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_stored_state_is_had_in_the_parameters_order_and_under_the_settings_of_today(name):
    stored = copy.deepcopy(trained(name, weight_decay=0.2).state_dict())
    stored["param_groups"][0] |= {"fused": False, "amsgrad": True, "betas": "no"}
    net = tiny_net().to(memory_format=torch.channels_last)
    optimizer = build_optimizer(net, OptimConfig(optimizer=name, weight_decay=0.1))
    load_optimizer_state(optimizer, stored, "x.pth")
    assert [group["weight_decay"] for group in optimizer.param_groups] == [0.1, 0]
    assert optimizer.param_groups[0]["fused"] is True
    kept = [p for group in optimizer.param_groups for p in group["params"]]
    for number, parameter in enumerate(kept):
        for key, value in optimizer.state[parameter].items():
            assert torch.equal(value, stored["state"][number][key])
            assert key == "step" or value.stride() == parameter.stride()


SHAPED = {"adam": ["exp_avg", "exp_avg_sq"], "adamw": ["exp_avg", "exp_avg_sq"],
          "sgd": ["momentum_buffer"]}


@pytest.mark.parametrize("name, key", [(name, key) for name in SHAPED for key in SHAPED[name]])
@pytest.mark.parametrize("change", [
    lambda x: x.flatten()[:1], lambda x: torch.zeros(10 ** 6), lambda x: x[..., None],
    lambda x: torch.zeros(1).expand(2 ** 40), lambda x: x * float("nan"), lambda x: x / 0,
    lambda x: x.to(torch.complex64), lambda x: x.long(), lambda x: x.to_sparse(),
    lambda x: x.to("meta"), lambda x: "text", lambda x: 5, lambda x: None, lambda x: [x]])
def test_a_state_that_would_be_written_past_its_end_is_refused(name, key, change):
    stored, optimizer = trained(name).state_dict(), trained(name)
    before = copy.deepcopy(optimizer.state_dict())
    stored["state"][1][key] = value = change(stored["state"][1][key])
    if value is None and name == "sgd":
        load_optimizer_state(optimizer, stored, "x.pth")     # as before the first step
        return
    with pytest.raises(UserError, match=f"^x.pth, {key} of parameter 1: .*resume=false$"):
        load_optimizer_state(optimizer, stored, "x.pth")
    assert str(before) == str(optimizer.state_dict())       # nothing was changed


def test_averages_that_are_missing_are_counted(caplog):
    optimizer = trained("adam")
    stored = optimizer.state_dict()
    del stored["state"][1]
    load_optimizer_state(trained("adam"), stored, "x.pth")
    assert re.search(r"x.pth has no averages of 1 of \d+ parameters", caplog.text)
    caplog.clear()
    load_optimizer_state(trained("adam"), optimizer.state_dict(), "x.pth")
    assert not caplog.text


def test_an_expanded_state_gets_memory_of_its_own():
    optimizer = trained("adam")
    stored = optimizer.state_dict()
    shape = stored["state"][0]["exp_avg"].shape
    stored["state"][0]["exp_avg"] = torch.zeros(1).expand(shape)
    load_optimizer_state(optimizer, stored, "x.pth")
    optimizer.step()
    first = optimizer.param_groups[0]["params"][0]
    assert optimizer.state[first]["exp_avg"].untyped_storage().nbytes() == 4 * shape.numel()


@pytest.mark.parametrize("change, words", [
    (lambda stored: stored.clear(), "its parameters are others"),
    (lambda stored: stored.update(param_groups=5), "others"),
    (lambda stored: stored.update(state=None), "others"),
    (lambda stored: stored["param_groups"].pop(), "others"),
    (lambda stored: stored["param_groups"][0]["params"].pop(), "others"),
    (lambda stored: stored["state"].update({99: {}}), "a state of no parameter"),
    (lambda stored: stored["state"].update({"0": {}}), "a state of no parameter"),
    (lambda stored: stored["state"].update({0: []}), "has not exp_avg, exp_avg_sq, step"),
    (lambda stored: stored["state"][0].pop("step"), "has not exp_avg, exp_avg_sq, step"),
    (lambda stored: stored["state"][0].update(step=torch.ones(2)), "step of parameter 0"),
    (lambda stored: stored["state"][0].update(step=torch.tensor(-1.0)), "below zero"),
    (lambda stored: stored["state"][0]["exp_avg_sq"].fill_(-1), "below zero"),
])
def test_states_of_nothing_we_have(change, words):
    stored = copy.deepcopy(trained("adam").state_dict())
    change(stored)
    with pytest.raises(UserError, match=f"^x.pth.*{words}.*resume=false$"):
        load_optimizer_state(trained("adam"), stored, "x.pth")


def test_averages_of_what_has_stood_still_are_not_missed(caplog):
    optimizer = trained("adam")
    stored = optimizer.state_dict()
    del stored["state"][1]
    unmoved = optimizer.param_groups[0]["params"][1]
    load_optimizer_state(optimizer, stored, "x.pth", [unmoved])
    assert not caplog.text and unmoved not in optimizer.state
    load_optimizer_state(optimizer, stored, "x.pth", [optimizer.param_groups[0]["params"][0]])
    assert "x.pth has no averages of 1 of" in caplog.text
