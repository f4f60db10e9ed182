import os
import socket
import subprocess
import sys

import pytest
import torch
from torch import nn

from processors.parallel import ManyProcesses, OneProcess, find_devices


def test_one_process_on_the_cpu():
    parallel, net = OneProcess(()), nn.Linear(2, 2)
    assert (parallel.rank, parallel.world_size) == (0, 1)
    assert parallel.device == torch.device("cpu") and parallel.devices == (parallel.device,)
    assert parallel.wrap(net, train=True) is net and parallel.wrap(net) is net
    assert parallel.gather({"a": 1}) == [{"a": 1}] and parallel.share(3) == 3
    parallel.close()


def test_devices_keep_their_numbers_and_order(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 8)
    assert find_devices((5, 2)) == (torch.device("cuda", 5), torch.device("cuda", 2))
    assert OneProcess((5, 2)).device == torch.device("cuda", 5)


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
import torch
from torch import nn
from processors.parallel import ManyProcesses
parallel = ManyProcesses(())
net = nn.Linear(1, 1, bias=False)
nn.init.constant_(net.weight, 1.0 + parallel.rank)      # DDP takes the weights of process 0
model = parallel.wrap(net, train=True)
model(torch.full((1, 1), 1.0 + parallel.rank)).sum().backward()
print(parallel.rank, parallel.world_size, parallel.device, parallel.wrap(net) is net,
      parallel.gather(f"from {parallel.rank}"), parallel.share(parallel.rank + 7),
      net.weight.item(), net.weight.grad.item())
parallel.close()
"""


def test_two_processes_gather_share_and_average_gradients(pytestconfig):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    environment = os.environ | {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port,
                                "WORLD_SIZE": "2", "OMP_NUM_THREADS": "1"}
    works = [subprocess.Popen(
        [sys.executable, "-c", RANK_WORK], cwd=pytestconfig.rootpath, text=True,
        env=environment | {"RANK": rank, "LOCAL_RANK": rank},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE) for rank in "01"]
    for rank, work in enumerate(works):
        out, err = work.communicate(timeout=60)
        assert out.split("\n")[0] == (
            f"{rank} 2 cpu True ['from 0', 'from 1'] 7 1.0 1.5"), err
