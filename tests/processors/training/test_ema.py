import pytest
import torch
from torch import nn

from processors.training.ema import ModelEma


@pytest.fixture
def net():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)).train()


def change(net: nn.Module) -> None:
    """Move all weights and, by a forward pass, the statistics and the counter."""
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(torch.randn_like(parameter))
    net(torch.randn(2, 3, 5, 5))


@pytest.mark.parametrize("decay, start", [(0.999, 0), (0.999, 55), (0.5, 0), (0.15, 30)])
def test_it_follows_the_formula_for_weights_and_statistics(net, decay, start):
    averaged = ModelEma(net, decay)
    wanted = {name: value.double() for name, value in net.state_dict().items()}
    for step in range(start, start + 5):
        change(net)
        averaged.update(step)
        d = min(decay, (1 + step) / (10 + step))
        for name, value in net.state_dict().items():
            wanted[name] = d * wanted[name] + (1 - d) * value.double()
    for name, value in averaged.net.state_dict().items():
        if value.is_floating_point():
            torch.testing.assert_close(value.double(), wanted[name], rtol=1e-5, atol=1e-6)


def test_later_it_follows_eight_steps_at_once(net):
    averaged = ModelEma(net, 0.999)
    start = net[0].weight.clone()
    for step in range(100_000, 100_016):
        change(net)
        before = averaged.net[0].weight.clone()
        averaged.update(step)
        assert torch.equal(before, averaged.net[0].weight) == (step % 8 != 7)
        if step == 100_007:
            wanted = 0.999 ** 8 * start + (1 - 0.999 ** 8) * net[0].weight
            torch.testing.assert_close(averaged.net[0].weight, wanted.detach())


def test_no_step_counts_as_more_than_one_where_the_eights_begin(net):
    averaged = ModelEma(net, 0.999)
    share = 1.0         # of the start in the average, by the formula for each step
    start = averaged.net[0].weight.clone()
    with torch.no_grad():
        net[0].weight.zero_()
    for step in range(60, 80):
        share *= (1 + step) / (10 + step)
        averaged.update(step)
        found = (averaged.net[0].weight / start).mean().item()
        assert found > share - 0.01     # behind by what it has not yet taken, never ahead
        if step % 8 == 7:
            assert found == pytest.approx(share, abs=0.03)


def test_counters_are_copied(net):
    averaged = ModelEma(net, 0.99)
    for step in range(3):
        change(net)
        averaged.update(step)
    assert averaged.net[1].num_batches_tracked.item() == 3


def test_it_is_a_separate_net_for_evaluation(net):
    averaged = ModelEma(net, 0.99)
    before = {name: value.clone() for name, value in net.state_dict().items()}
    averaged.update(0)
    assert not any(module.training for module in averaged.net.modules()) and net.training
    assert not any(p.requires_grad for p in averaged.net.parameters())
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    pointers = {p.data_ptr() for p in net.state_dict().values()}
    assert pointers.isdisjoint(p.data_ptr() for p in averaged.net.state_dict().values())


def test_it_keeps_the_pixel_major_memory_of_the_net(net):
    averaged = ModelEma(net.to(memory_format=torch.channels_last), 0.9)
    averaged.update(0)
    assert averaged.net[0].weight.is_contiguous(memory_format=torch.channels_last)
