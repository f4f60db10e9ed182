"""Batch norm over two processes on the CPU against one process with the whole batch."""
from importlib.util import find_spec

import pytest
import torch
from torch import nn

from processors.runtime.sync_bn import CpuSyncBatchNorm, synchronise_batch_norm
from utils.log import log

TIMM = pytest.param("BatchNormAct2d", marks=pytest.mark.skipif(
    not find_spec("timm"), reason="timm is not installed"))
WORK = """
import sys, torch
from torch import nn
from processors.runtime.parallel import ManyProcesses
from processors.runtime.sync_bn import synchronise_batch_norm
IMPORT

parallel = ManyProcesses(())
torch.set_num_threads(1)
torch.manual_seed(0)
net = nn.Sequential(nn.Conv2d(3, 4, 3), NORM(4), nn.ReLU(), nn.Conv2d(4, 2, 3), NORM(2))
images = torch.randn(8, 3, 9, 9) * 3 + 5
share = images.chunk(2)[parallel.rank]
synced = parallel.wrap(synchronise_batch_norm(net, parallel.device), train=True)
for _ in range(2):
    synced.zero_grad()
    result = synced(share)
    result.square().mean().backward()
exact = [p.grad.clone() for p in net.parameters()]
if parallel.rank == 0:
    torch.manual_seed(0)
    whole = nn.Sequential(nn.Conv2d(3, 4, 3), NORM(4), nn.ReLU(), nn.Conv2d(4, 2, 3), NORM(2))
    for _ in range(2):
        whole.zero_grad()
        expected = whole(images)
        expected.square().mean().backward()
    torch.testing.assert_close(result, expected[:4], rtol=1e-4, atol=1e-5)
    for one, other in zip(exact, whole.parameters(), strict=True):
        torch.testing.assert_close(one, other.grad, rtol=1e-4, atol=1e-5)
    for one, other in zip(net.buffers(), whole.buffers(), strict=True):
        torch.testing.assert_close(one, other)
synced.zero_grad()
with torch.autocast("cpu", dtype=torch.bfloat16):
    mixed = synced(share)
mixed.float().square().mean().backward()
if parallel.rank == 0:
    assert mixed.dtype == torch.bfloat16
    torch.testing.assert_close(mixed.float(), result, rtol=0.03, atol=0.03)
    for one, other in zip(net.parameters(), exact, strict=True):
        torch.testing.assert_close(one.grad, other, rtol=0.05, atol=0.03)
    print("equal")
parallel.close()
"""


@pytest.mark.parametrize("norm", ["BatchNorm2d", TIMM])
def test_it_equals_the_batch_norm_of_the_whole_batch(in_two_processes, norm):
    home = "torch.nn" if norm == "BatchNorm2d" else "timm.layers"
    work = WORK.replace("IMPORT", f"from {home} import {norm}").replace("NORM", norm)
    assert in_two_processes(work) == [("equal\n", "", 0), ("", "", 0)]


def test_replaced_layers_keep_names_weights_and_modes():
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Sequential(nn.BatchNorm2d(4)))
    net[1][0].running_mean += 1
    net[1].eval()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    weight = net[1][0].weight
    synced = synchronise_batch_norm(net, torch.device("cpu"))
    layer = synced[1][0]
    assert type(layer) is CpuSyncBatchNorm and layer.weight is weight and not layer.training
    assert before.keys() == synced.state_dict().keys()
    assert all(torch.equal(value, before[name]) for name, value in synced.state_dict().items())
    assert sum(p.requires_grad for p in synced.parameters()) == 4


def test_alone_it_is_an_ordinary_batch_norm():
    torch.manual_seed(0)
    x = torch.randn(4, 3, 5, 5)
    one, other = nn.BatchNorm2d(3), CpuSyncBatchNorm(3)
    assert torch.equal(one(x), other(x)) and torch.equal(one.running_var, other.running_var)
    assert torch.equal(one.eval()(x), other.eval()(x))


def test_on_gpus_it_is_that_of_torch():
    net = synchronise_batch_norm(nn.Sequential(nn.BatchNorm2d(3)), torch.device("cuda", 0))
    assert type(net[0]) is nn.SyncBatchNorm


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_activations_inside_of_timms_batch_norms_stay(device):
    layers = pytest.importorskip("timm.layers")
    torch.manual_seed(0)
    net = nn.Sequential(layers.BatchNormAct2d(3, act_layer=nn.PReLU)).eval()
    x, before = torch.randn(4, 3, 5, 5), dict(net.state_dict())
    wanted = net(x).clone()
    synced = synchronise_batch_norm(net, torch.device(device))
    kind = {"cpu": "CpuSyncBatchNormAct", "cuda": "SyncBatchNormAct"}[device]
    assert type(synced[0]).__name__ == kind
    assert torch.equal(synced(x), wanted) and synced.state_dict().keys() == before.keys()


def test_what_is_not_synchronised_is_said(caplog):
    caplog.set_level("WARNING", log.name)
    synchronise_batch_norm(nn.Sequential(nn.BatchNorm2d(3)), torch.device("cpu"))
    assert not caplog.records
    synchronise_batch_norm(nn.Sequential(nn.BatchNorm1d(3)), torch.device("cpu"))
    assert "1 batch norms of other kinds (such as BatchNorm1d)" in caplog.text
