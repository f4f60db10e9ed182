"""What workers need to hand over their batches is known before they are started."""
import os
import shutil
import subprocess
import sys
from types import SimpleNamespace

import pytest

from configs.schema import DataConfig
from datasets import shared_memory
from datasets.annotations.skeleton import load_skeleton
from datasets.coco import MSCOCO
from datasets.loaders import train_loader, val_loader
from datasets.shared_memory import ensure_shared_memory
from datasets.workers import Loader


@pytest.fixture
def dataset(coco_content, write_coco) -> MSCOCO:
    return MSCOCO(*write_coco(coco_content), load_skeleton("coco"), input_size=(192, 256))


@pytest.fixture
def free(monkeypatch, tmp_path):
    """Sets how many bytes /dev/shm has left."""
    monkeypatch.setattr(shared_memory, "SHM", tmp_path)

    def free(count: int, flags: int = 0) -> None:
        monkeypatch.setattr(shared_memory.os, "statvfs", lambda _: SimpleNamespace(
            f_bavail=count // 1024, f_frsize=1024, f_flag=flags))
    return free


def test_all_that_is_read_ahead_is_counted(dataset, free):
    """Two batches a worker, but no more than there are; nothing without workers."""
    config = DataConfig(batch_size=4, num_workers=2)        # of 8 persons
    loaders = [train_loader(dataset, config, seed=0, epochs=9), val_loader(dataset, config)]
    crop = 192 * 256 * 3
    exactly = (4 + 2) * (4 * crop + shared_memory.BESIDE_CROPS) + shared_memory.QUEUES
    free(exactly + 1024)
    ensure_shared_memory(loaders)
    free(exactly - 1024)
    with pytest.raises(ValueError, match=(
            r"has 4\.\d MB free, but the batches that data.num_workers read ahead .* take 3\.9 MB: "
            r".*--shm-size 8g\), or lower data.num_workers or data.batch_size$")):
        ensure_shared_memory(loaders)
    free(exactly + 1024)
    with pytest.raises(ValueError, match="take 7.9 MB"):
        ensure_shared_memory(loaders, processes=2)
    ensure_shared_memory([val_loader(dataset, DataConfig(batch_size=4, num_workers=0))])


def test_no_worker_is_started_where_it_has_no_room_to_talk(free):
    """Whatever its loader reads: torch's semaphores would fail one by one."""
    loader = Loader([1, 2, 3], batch_size=None, num_workers=1)
    for count, flags, words in ((16_000, 0, "has 0.0 MB free, but processes that read images take "
                                            "0.3 MB: give it more"),
                                (10 ** 12, os.ST_RDONLY, "cannot be written, and processes")):
        free(count, flags)
        with pytest.raises(ValueError, match=words):
            iter(loader)
        assert list(Loader([1, 2, 3], batch_size=None)) == [1, 2, 3]


def test_where_nothing_can_be_written_it_says_so(dataset, free):
    free(10 ** 12, os.ST_RDONLY)
    with pytest.raises(ValueError, match="cannot be written, and .*set data.num_workers to 0$"):
        ensure_shared_memory([val_loader(dataset, DataConfig(batch_size=4, num_workers=1))])


def test_systems_without_that_folder_pass(dataset, free, monkeypatch, tmp_path):
    free(0)
    monkeypatch.setattr(shared_memory, "SHM", tmp_path / "none")
    ensure_shared_memory([val_loader(dataset, DataConfig(batch_size=4, num_workers=1))])


READ = """
import torch
from torch.utils.data import DataLoader
from datasets.workers import NotHandedOver, init_worker
class Big(torch.utils.data.Dataset):
    def __len__(self): return 9
    def __getitem__(self, _): return torch.zeros(3 * 10 ** 6, dtype=torch.uint8)
try:
    for batch in DataLoader(Big(), batch_size=None, num_workers=2, worker_init_fn=init_worker):
        pass
except NotHandedOver as error:
    print("said:", error)
"""


def test_a_batch_that_finds_no_room_is_one_sentence(pytestconfig):
    """Other programs fill it, too. Without the mend this waits for ever."""
    if not shutil.which("unshare"):
        pytest.skip("needs the command unshare")
    mount = "mount -t tmpfs -o size=1m tmpfs /dev/shm"
    if subprocess.run(["unshare", "-m", "sh", "-c", mount], capture_output=True).returncode:
        pytest.skip("needs the right to mount a file system")
    command = f"{mount}; exec {sys.executable} -c '{READ}'"
    done = subprocess.run(["unshare", "-m", "sh", "-c", command], cwd=pytestconfig.rootpath,
                          capture_output=True, text=True, timeout=100)
    assert done.stdout == ("said: a process that reads images cannot hand over a batch: /dev/shm "
                           "is full; give it more (docker run --shm-size 8g), or lower "
                           "data.num_workers or data.batch_size\n"), done.stderr
    assert done.stderr == ""
