import pytest
import torch

from configs.schema import OptimConfig
from processors.training.schedule import learning_rate

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
