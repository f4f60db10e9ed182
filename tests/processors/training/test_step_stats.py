import math

import pytest
import torch

from processors.runtime.parallel import OneProcess
from processors.training.step_stats import StepStatsQueue

IDS = torch.tensor([3, 1])


def numbers(loss: float) -> torch.Tensor:
    return torch.tensor([loss, 2.0, math.nan])


@pytest.fixture
def reports():
    return StepStatsQueue(OneProcess(()))


def test_a_step_is_known_when_the_next_is_sent(reports):
    reports.send(7, 0.1, IDS, numbers(1.0), stop=False, save=True, timestamp=(5.0, 1.0))
    assert list(reports.receive()) == []
    reports.send(8, 0.2, IDS, numbers(math.inf), stop=True, save=False, timestamp=(6.0, 1.5))
    report, = reports.receive()
    assert (report.step, report.lr, report.loss, report.gradient_norm) == (7, 0.1, 1.0, 2.0)
    assert math.isnan(report.accuracy) and report.image_ids is IDS
    assert report.save and not report.stop and report.timestamp == (5.0, 1.0)
    last, = reports.receive(everything=True)
    assert last.step == 8 and last.stop and not last.save and math.isinf(last.loss)
    assert list(reports.receive(everything=True)) == []


def test_the_wish_of_one_process_and_the_mean_of_all(monkeypatch):
    parallel = OneProcess(())
    other = torch.tensor([3.0, 2.0, math.nan, 1.0, 0.0])     # what another process sends
    monkeypatch.setattr(parallel, "all_reduce_mean", lambda mine: (mine + other) / 2)
    reports = StepStatsQueue(parallel)
    reports.send(0, 0.1, IDS, numbers(1.0), stop=False, save=False, timestamp=(0, 0))
    report, = reports.receive(everything=True)
    assert report.loss == 2.0 and report.gradient_norm == 2.0 and report.stop and not report.save
