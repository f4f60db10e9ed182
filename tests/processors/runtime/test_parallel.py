import os
import platform
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from processors.runtime.parallel import ManyProcesses, OneProcess, Parallel, find_devices


def test_one_process_on_the_cpu():
    parallel, net = OneProcess(()), nn.Linear(2, 2)
    assert (parallel.rank, parallel.world_size) == (0, 1)
    assert parallel.device == torch.device("cpu") and parallel.devices == (parallel.device,)
    assert parallel.wrap(net, train=True) is net and parallel.wrap(net) is net
    assert parallel.all_gather({"a": 1}) == [{"a": 1}] and parallel.broadcast(3) == 3
    assert parallel.all_reduce_mean(torch.tensor([2.0, 4.0])).tolist() == [2.0, 4.0]
    with parallel.no_sync(net):
        parallel.broadcast_buffers(net)
    parallel.close()


def huge_pages() -> str:
    said = Path("/sys/kernel/mm/transparent_hugepage/enabled")
    return said.read_text(encoding="utf-8") if said.is_file() else ""


PAGES = """
import resource, sys, torch
from processors.runtime.parallel import OneProcess
if sys.argv[1:]:
    OneProcess(())
def pages():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    torch.cat([torch.ones(20 << 18) for _ in range(9)][:1])     # nine of 20 MB at the same time
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
for _ in range(12):
    pages()
print(sum(pages() for _ in range(5)) * resource.getpagesize() >> 20)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc is asked")
@pytest.mark.skipif("[always]" in huge_pages(), reason="a new page has 2 MB, not 4 kB")
def test_a_cpu_keeps_the_memory_of_a_step_for_the_next_one():
    def new_megabytes(*words, **variables) -> int:
        plain = {name: value for name, value in os.environ.items()
                 if not name.startswith(("MALLOC_", "GLIBC_"))}
        return int(subprocess.run([sys.executable, "-c", PAGES, *words], check=True, text=True,
                                  env={**plain, **variables}, stdout=subprocess.PIPE).stdout)

    assert new_megabytes() > 500
    assert new_megabytes("as ours") < 200
    assert new_megabytes("as ours", MALLOC_ARENA_TEST="8") > 500    # the user's own word


def test_both_kinds_offer_all_that_is_asked_of_them(monkeypatch):
    """mypy looks at the types wherever one of them is handed on; here at the names alone."""
    for name in ("RANK", "LOCAL_RANK"):
        monkeypatch.setenv(name, "0")
    monkeypatch.setenv("WORLD_SIZE", "1")
    monkeypatch.setattr("processors.runtime.parallel._meet", lambda _: None)
    asked = Parallel.__protocol_attrs__ if hasattr(Parallel, "__protocol_attrs__") else {
        *Parallel.__annotations__, *(name for name in vars(Parallel) if name[0] != "_")}
    assert {"devices", "rank", "broadcast", "close"} <= asked
    for kind in (OneProcess(()), ManyProcesses(())):
        for name in asked:
            assert hasattr(kind, name)
    public = [{name for name in dir(kind) if name[0] != "_"} for kind in (OneProcess,
                                                                         ManyProcesses)]
    assert public[0] == public[1] and public[0] | Parallel.__annotations__.keys() == asked
    assert Parallel not in ManyProcesses.__mro__    # what one process does is not what many do


def test_a_port_that_is_used_is_one_sentence(monkeypatch):
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        port = str(busy.getsockname()[1])
        for name, value in (("RANK", "0"), ("LOCAL_RANK", "0"), ("WORLD_SIZE", "2"),
                            ("MASTER_ADDR", "127.0.0.1"), ("MASTER_PORT", port)):
            monkeypatch.setenv(name, value)
        with pytest.raises(ValueError, match=f"cannot meet at 127.0.0.1:{port}: another program"):
            ManyProcesses(())


def test_devices_keep_their_numbers_and_order(monkeypatch):
    used = []
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 8)
    monkeypatch.setattr(torch.cuda, "set_device", used.append)
    assert find_devices((5, 2)) == (torch.device("cuda", 5), torch.device("cuda", 2))
    assert OneProcess((5, 2)).device == torch.device("cuda", 5) and used == [
        torch.device("cuda", 5)]


@pytest.mark.parametrize("count, gpus, words", [
    (0, (0,), r"not there: \[0\]; this machine has 0 CUDA devices; set gpus to \[\]"),
    (1, (0, 3), r"not there: \[3\]; this machine has 1 CUDA device; set gpus to \[0\]"),
    (2, (2, 3), r"not there: \[2, 3\]; this machine has 2 CUDA devices; set gpus to \[0, 1\]")])
def test_missing_devices_are_one_sentence(monkeypatch, count, gpus, words):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
    with pytest.raises(ValueError, match=words):
        find_devices(gpus)


def test_a_process_without_a_device_of_its_own_is_refused(monkeypatch):
    for name, value in (("RANK", 2), ("WORLD_SIZE", 3), ("LOCAL_RANK", 2)):
        monkeypatch.setenv(name, str(value))
    with pytest.raises(ValueError, match=r"gpus: \[0, 1\] has no device for process 2"):
        ManyProcesses((0, 1))


RANK_WORK = """
import time
from datetime import timedelta
import torch
from torch import nn
from processors.runtime.parallel import ManyProcesses
parallel = ManyProcesses(())
parallel.main_process_first(lambda: None)
parallel.timeout = timedelta(seconds=8)
rank, number = parallel.rank, 1.0 + parallel.rank
net = nn.Linear(1, 1, bias=False)
nn.init.constant_(net.weight, number)      # DDP takes the weights of process 0
net.register_buffer("statistic", torch.tensor(number))
model = parallel.wrap(net, train=True)
with parallel.no_sync(model):
    model(torch.full((1, 1), 10 * number)).sum().backward()
alone = net.weight.grad.item()
model(torch.full((1, 1), number)).sum().backward()
net.statistic.fill_(number)     # a forward pass would share it too
parallel.broadcast_buffers(net)
print(rank, parallel.world_size, parallel.device, parallel.wrap(net) is net,
      parallel.all_gather(f"from {rank}"), parallel.broadcast(rank + 7), net.weight.item(), alone,
      net.weight.grad.item(), net.statistic.item(),
      parallel.all_reduce_mean(torch.tensor([number])).item())
if rank == 0:
    time.sleep(10)      # longer than any exchange may take, as an evaluation of many persons
print(parallel.broadcast(f"judged by {rank}"))
parallel.close()
"""


def test_two_processes_gather_share_and_average_gradients(in_two_processes):
    for rank, (out, err, _) in enumerate(in_two_processes(RANK_WORK)):
        assert out.splitlines() == [
            f"{rank} 2 cpu True ['from 0', 'from 1'] 7 1.0 {10.0 * (rank + 1)} 16.5 1.0 1.5",
            "judged by 0"], err
