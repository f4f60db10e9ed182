"""What learns at which rate and when: by the step, by the name, and what stands still."""
import copy
import json

import pytest
import torch
from torch import nn

from configs.schema import OptimConfig
from nets import build_net
from nets.pose.heads import dconv_head
from nets.pose.pose_net import PoseNet
from nets.pose.vit import ViTBackbone
from processors.training.optim import OPTIMIZERS, build_optimizer
from processors.training.rates import (
    Freeze,
    learning_rate,
    rate_factors,
    rates_in_words,
    set_learning_rate,
)
from utils.errors import UserError

STEPS = 7   # in an epoch


def torch_rates(scheduler, every_step: bool, epochs: int) -> list[float]:
    """The rate of each step when torch's scheduler moves after every step or every epoch."""
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.01)
    scheduler, rates = scheduler(optimizer), []
    for step in range(epochs * STEPS):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if every_step or (step + 1) % STEPS == 0:
            scheduler.step()
    return rates


@pytest.mark.parametrize("milestones, gamma", [((3, 5), 0.1), ((1,), 0.5), ((), 0.1), ((9,), 0.1)])
def test_multistep_equals_torch_stepped_after_each_epoch(milestones, gamma):
    optim = OptimConfig(lr=0.01, milestones=milestones, gamma=gamma, epochs=6)
    wanted = torch_rates(lambda o: torch.optim.lr_scheduler.MultiStepLR(o, milestones, gamma),
                         every_step=False, epochs=6)
    assert [learning_rate(s, STEPS, optim) for s in range(6 * STEPS)] == pytest.approx(wanted)


def test_flat_cosine_is_flat_for_half_of_the_epochs_and_ends_at_a_twentieth():
    optim = OptimConfig(lr=0.01, schedule="flat_cosine", epochs=8, warmup_epochs=1)
    rates = [learning_rate(step, STEPS, optim) for step in range(8 * STEPS)]
    assert rates[:STEPS] == pytest.approx([0.01 * (step + 1) / STEPS for step in range(STEPS)])
    assert rates[STEPS:4 * STEPS] == [0.01] * (3 * STEPS)
    torchs = torch_rates(lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(
        o, 4 * STEPS, eta_min=0.0005), every_step=True, epochs=4)
    assert rates[4 * STEPS:] == pytest.approx(torchs)


def test_cosine_equals_torch_stepped_after_each_step():
    optim = OptimConfig(lr=0.01, schedule="cosine", epochs=4)
    wanted = torch_rates(lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, 4 * STEPS),
                         every_step=True, epochs=4)
    assert [learning_rate(s, STEPS, optim) for s in range(4 * STEPS)] == pytest.approx(wanted)


@pytest.mark.parametrize("step, rate", [
    (0, 1e-3), (170 * 10 - 1, 1e-3), (170 * 10, 1e-4), (200 * 10 - 1, 1e-4), (200 * 10, 1e-5)])
def test_the_official_milestones_begin_at_the_epoch_they_name(step, rate):
    optim = OptimConfig(lr=1e-3, milestones=(170, 200), epochs=210)
    assert learning_rate(step, 10, optim) == pytest.approx(rate)


@pytest.mark.parametrize("schedule", ["multistep", "cosine"])
@pytest.mark.parametrize("epochs, wanted", [
    (2, [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.0]),
    (0.5, [1 / 2.5, 2 / 2.5, 1.0, None]), (0.2, [1.0, 1.0]), (0, [1.0])])
def test_warm_up_rises_linearly_to_the_full_rate(schedule, epochs, wanted):
    optim = OptimConfig(lr=1.0, warmup_epochs=epochs, schedule=schedule, epochs=8, milestones=())
    for step, rate in enumerate(wanted):
        assert rate is None or learning_rate(step, 5, optim) == pytest.approx(rate)


@pytest.mark.parametrize("step, rate", [(10, 1.0), (20, 0.5), (30, 0.0), (35, 0.0)])
def test_cosine_falls_from_the_end_of_the_warm_up_to_zero(step, rate):
    optim = OptimConfig(lr=1.0, schedule="cosine", warmup_epochs=1, epochs=3)
    assert learning_rate(step, 10, optim) == pytest.approx(rate, abs=1e-12)


def tiny_vit() -> PoseNet:
    return PoseNet(ViTBackbone(8, 2, 2, (2, 2)), dconv_head(8, 3, 0.03, layers=2))


@pytest.mark.parametrize("name", ["s_classic", "s_simple", "b_classic", "b_simple", "l_classic"])
def test_layer_decay_is_that_of_vitpose(shared, name):
    golden = json.loads((shared / "golden" / "next" / "layer_decay.json").read_text())
    golden = golden[f"vitpose_{name}"]
    size, head = name.split("_")
    with torch.device("meta"):
        net = build_net(type="pose_vit", name=size, head=head)
    optimizer = build_optimizer(net, OptimConfig(
        optimizer="adamw", weight_decay=golden["base_weight_decay"], layer_decay=golden["rate"]))
    set_learning_rate(optimizer, golden["base_lr"])
    found = {id(p): (group["lr"], group["weight_decay"])
             for group in optimizer.param_groups for p in group["params"]}
    ours = {key.replace("keypoint_head.deconv_layers", "head.upsample")
            .replace("keypoint_head.final_layer", "head.output"): value
            for key, value in golden["keys"].items()}
    parameters = dict(net.named_parameters())
    assert parameters.keys() == ours.keys() and len(found) == len(ours)
    for key, (factor, decay) in ours.items():
        rate, ours_decay = found[id(parameters[key])]
        assert rate == pytest.approx(factor * golden["base_lr"], rel=1e-12), key
        assert ours_decay == decay, key


def test_positions_are_not_decayed_with_one_rate_either():
    net = tiny_vit()
    decayed, plain = build_optimizer(net, OptimConfig(weight_decay=0.1)).param_groups
    assert any(p is net.backbone.pos_embed for p in plain["params"])
    assert all(p.ndim > 1 for p in decayed["params"])
    assert decayed["factor"] == plain["factor"] == 1


def test_rates_of_layers_follow_the_schedule_and_a_stored_state():
    config = OptimConfig(layer_decay=0.5)
    optimizer = build_optimizer(tiny_vit(), config)
    set_learning_rate(optimizer, 0.8)
    rates = [group["lr"] for group in optimizer.param_groups]
    assert rates == [0.8, 0.8, 0.4, 0.4, 0.2, 0.2, 0.1, 0.1]
    continued = build_optimizer(tiny_vit(), config)
    continued.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    set_learning_rate(continued, 0.08)
    assert [group["lr"] for group in continued.param_groups] == pytest.approx(
        [rate / 10 for rate in rates])


def test_a_state_from_before_there_were_factors_goes_on():
    optimizer = build_optimizer(tiny_vit(), OptimConfig())
    old = copy.deepcopy(optimizer.state_dict())
    for group in old["param_groups"]:
        del group["factor"]
    optimizer.load_state_dict(old)
    set_learning_rate(optimizer, 0.3)
    assert {group["lr"] for group in optimizer.param_groups} == {0.3}


RESNET = ["conv1 bn1", "layer1", "layer2", "layer3", "layer4"]
LEVELS = {      # beginnings of the names on each level of a backbone
    "pose_resnet_duc resnet18": RESNET, "pose_resnet_dconv resnet50": RESNET,
    "pose_hrnet w32": ["conv1 bn1 conv2 bn2", "layer1", "transition1 stage2",
                       "transition2 stage3", "transition3 stage4"],
    "pose_vit s": ["pos_embed patch_embed", *(f"blocks.{i}" for i in range(12))],
    "pose_timm test_convnext": ["features.stem_0 features.stem_1",
                                *(f"features.stages_{i}" for i in range(4))],
    "pose_timm test_efficientnet": ["features.conv_stem features.bn1",
                                    *(f"features.blocks.{i}" for i in range(5))],
    "pose_timm test_vit": ["features.model.cls_token features.model.pos_embed "
                           "features.model.patch_embed",
                           *(f"features.model.blocks.{i}" for i in range(6))],
    "pose_timm densenet121": ["features.features_conv0 features.features_norm0",
                              "features.features_denseblock1",
                              *(f"features.features_transition{i} "
                                f"features.features_denseblock{i + 1}" for i in (1, 2, 3))],
    "pose_timm regnety_002": ["features.stem", *(f"features.s{i}" for i in (1, 2, 3, 4))],
}


def names_of(network: str) -> list[str]:
    kind, name = network.split()
    if kind == "pose_timm":
        pytest.importorskip("timm")
        return [key for key, _ in build_net(type=kind, name=name).named_parameters()]
    with torch.device("meta"):
        return [key for key, _ in build_net(type=kind, name=name).named_parameters()]


@pytest.mark.parametrize("network", LEVELS)
def test_layers_decay_by_the_stages_of_every_network(network):
    names, levels = names_of(network), LEVELS[network]
    factors = rate_factors(names, OptimConfig(layer_decay=0.5))
    assert set(factors.values()) == {0.5 ** (i + 1) for i in range(len(levels))}
    for name in names:
        wanted = [0.5 ** (len(levels) - i) for i, starts in enumerate(levels)
                  if name.startswith(tuple(f"backbone.{start}." for start in starts.split()))
                  or name.endswith(("pos_embed", "cls_token")) and i == 0]
        assert wanted == ([factors[name]] if name in factors else []), name
    rest = {name.split(".")[-2] for name in names if name not in factors
            and name.startswith("backbone.")}
    assert rest <= {"last_norm", "norm", "fc_norm", "features_norm5"}


@pytest.mark.parametrize("network", LEVELS)
def test_the_rate_of_the_backbone_is_that_of_all_of_it_and_of_no_head(network):
    names = names_of(network)
    factors = rate_factors(names, OptimConfig(backbone_lr=0.1))
    assert {name: factors.get(name, 1) for name in names} == {
        name: 1 if name.startswith("head.") else 0.1 for name in names}
    assert any(name.startswith("head.") for name in names)
    assert set(rate_factors(names, OptimConfig()).values()) == {1}


@pytest.mark.parametrize("backbone", [
    {"conv": nn.Conv2d(3, 4, 1), "conv2": nn.Conv2d(4, 4, 1)}, {"stem": nn.Conv2d(3, 4, 1)}])
def test_a_backbone_without_stages_has_no_layer_decay(backbone):
    net = nn.ModuleDict({"backbone": nn.ModuleDict(backbone)})
    words = "this network's backbone has no numbered stages .*; set it to 1, and optim.backbone_lr"
    with pytest.raises(UserError, match=f"optim.layer_decay is 0.5, but {words}"):
        build_optimizer(net, OptimConfig(layer_decay=0.5))
    build_optimizer(net, OptimConfig(backbone_lr=0.5))


class SmallNet(nn.Module):
    """With a batch norm and dropout in the backbone, and a part of it that never learns."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.backbone = nn.Sequential(nn.Linear(3, 4, bias=False), nn.BatchNorm1d(4), nn.Dropout())
        self.backbone.places = nn.Parameter(torch.ones(4), requires_grad=False)
        self.head = nn.Sequential(nn.Linear(4, 2, bias=False), nn.BatchNorm1d(2))

    def forward(self, x):
        return self.head(self.backbone[0:3](x) + self.backbone.places)


def copied(module: nn.Module) -> dict[str, torch.Tensor]:
    return copy.deepcopy(module.state_dict())


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_frozen_backbone_does_not_move_and_then_does(name):
    """Not by weight decay or momentum, which it has of the epoch before it is frozen, either."""
    net = SmallNet()
    optimizer = build_optimizer(net, OptimConfig(optimizer=name, weight_decay=0.1, lr=0.1))

    def step():
        optimizer.zero_grad(set_to_none=True)
        net(torch.randn(8, 3)).square().sum().backward()
        optimizer.step()

    def moved(before: dict, part: nn.Module) -> set[str]:
        return {key for key, value in part.state_dict().items()
                if not torch.equal(value, before[key])}

    everything = {"0.weight", "1.weight", "1.bias", "1.running_mean", "1.running_var",
                  "1.num_batches_tracked"}
    freeze = Freeze(net, OptimConfig(freeze_epochs=2))
    net.train()
    step()
    assert freeze.start_epoch(0)
    backbone, head = copied(net.backbone), copied(net.head)
    step(), step()
    assert not moved(backbone, net.backbone) and moved(head, net.head) == everything
    net.eval()                              # as an evaluation does
    assert not freeze.start_epoch(1)
    assert net.training and net.head[1].training and not net.backbone[1].training
    step()
    assert not moved(backbone, net.backbone)
    assert freeze.start_epoch(2) and not freeze.start_epoch(3)
    assert all(module.training for module in net.modules())
    step()
    assert moved(backbone, net.backbone) == everything      # and `places` never
    assert not net.backbone.places.requires_grad


def test_nothing_is_frozen_unless_it_is_asked_for():
    net = nn.Sequential(nn.Linear(2, 2))    # without a backbone
    freeze = Freeze(net.eval(), OptimConfig())
    assert freeze.start_epoch(0) and not freeze.start_epoch(1)
    assert net.training and net[0].weight.requires_grad


@pytest.mark.parametrize("network, count", [("pose_resnet_duc resnet18", 1),
                                            ("pose_resnet_dconv resnet50", 3),
                                            ("pose_hrnet w32", 2), ("pose_vit s", 12),
                                            ("pose_timm test_efficientnet", 2)])
def test_the_first_stages_stand_still_in_the_whole_run(network, count):
    kind, name = network.split()
    if kind == "pose_timm":
        pytest.importorskip("timm")
    net = build_net(type=kind, name=name)
    freeze = Freeze(net, OptimConfig(freeze_stages=count, freeze_epochs=1))
    still = tuple(f"backbone.{start}" for starts in LEVELS[network][:count + 1]
                  for start in starts.split())
    for epoch, changes in enumerate([True, True, False]):
        assert freeze.start_epoch(epoch) == changes
        for key, parameter in net.named_parameters():
            rests = key.startswith(still) or not epoch and key.startswith("backbone.")
            assert parameter.requires_grad != rests, key
        for key, module in net.named_modules():
            if isinstance(module, nn.BatchNorm2d | nn.LayerNorm | nn.Dropout):
                rests = key.startswith(still) or not epoch and key.startswith("backbone.")
                assert module.training != rests, key


def test_more_stages_than_there_are_cannot_stand_still():
    net = build_net(name="resnet18", width=0.1, level=-2)
    Freeze(net, OptimConfig(freeze_stages=3))
    with pytest.raises(UserError, match="optim.freeze_stages is 4, but this network's backbone has "
                                        "3 numbered stages; write at most that"):
        Freeze(net, OptimConfig(freeze_stages=4))


@pytest.mark.parametrize("settings, words", [
    ({}, ""), ({"freeze_stages": 2}, "the backbone stands still in its first 2 stages to the end"),
    ({"backbone_lr": 0.1}, "the backbone learns at 0.1 of lr"),
    ({"layer_decay": 0.5}, "the backbone learns at 0.125 (first layers) to 0.5 (last stage) of lr, "
                           "on 3 levels"),
    ({"freeze_epochs": 3, "backbone_lr": 0.5}, "the backbone stands still to the end of epoch 3, "
                                               "its batch norms too, and learns at 0.5 of lr")])
def test_what_is_asked_of_the_backbone_is_said(settings, words):
    optim = OptimConfig(**settings)
    assert rates_in_words(build_optimizer(tiny_vit(), optim), optim) == words


def test_after_the_thaw_nothing_is_said_of_standing_still():
    optim = OptimConfig(freeze_epochs=3)
    said = [rates_in_words(build_optimizer(tiny_vit(), optim), optim, epoch) for epoch in (2, 3)]
    assert "to the end of epoch 3" in said[0] and not said[1]
