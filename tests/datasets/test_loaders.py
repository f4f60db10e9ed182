"""Loaders: the same batches for any number of workers, and errors that arrive."""
import dataclasses
import errno
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from queue import SimpleQueue
from types import SimpleNamespace

import cv2
import pytest
import torch

from configs.schema import AugmentConfig, DataConfig
from datasets.annotations.skeleton import load_skeleton
from datasets.coco import MSCOCO
from datasets.crops.images import ImageError
from datasets.loaders import share_of, start_workers, train_loader, val_loader
from datasets.workers import (
    NotHandedOver,
    _hand_over_the_error,
    _say_unless_hung_up,
    dead_workers_named,
    init_worker,
)

COCO = load_skeleton("coco")


@pytest.fixture
def dataset(coco_content, write_coco) -> MSCOCO:
    return MSCOCO(*write_coco(coco_content), COCO, input_size=(48, 64), augment=AugmentConfig())


def config(batch_size: int, num_workers: int = 0) -> DataConfig:
    return DataConfig(batch_size=batch_size, num_workers=num_workers)


def assert_same(one, other):
    assert len(one) == len(other)
    for a, b in zip(one, other, strict=True):
        for field in dataclasses.fields(a):
            assert torch.equal(getattr(a, field.name), getattr(b, field.name)), field.name


def test_workers_change_nothing(dataset):
    alone = list(train_loader(dataset, config(3, 0), seed=1, epochs=2))
    assert len(alone) == 4 and all(len(batch) == 3 for batch in alone)
    for workers in (1, 2):
        assert_same(list(train_loader(dataset, config(3, workers), seed=1, epochs=2)), alone)


def test_a_run_goes_on_in_the_middle_of_an_epoch(dataset):
    whole = list(train_loader(dataset, config(2), seed=1, epochs=2))
    assert_same(list(train_loader(dataset, config(2), seed=1, epochs=2, start_step=3)), whole[3:])


def test_processes_share_a_batch(dataset):
    whole = list(train_loader(dataset, config(4), seed=1, epochs=1))
    halves = [list(train_loader(dataset, config(4), seed=1, epochs=1, rank=rank, world_size=2))
              for rank in (0, 1)]
    for batch, first, second in zip(whole, *halves, strict=True):
        assert torch.equal(batch.crop, torch.cat([first.crop, second.crop]))


def test_a_small_set_makes_smaller_batches(dataset):
    loader = train_loader(dataset, config(128), seed=0, epochs=1)
    assert loader.sampler.batch_size == 8 and [len(batch) for batch in loader] == [8]
    shared = train_loader(dataset, config(129), seed=0, epochs=1, world_size=3)
    assert shared.sampler.batch_size == 6 and shared.batch_size == 2


def test_batches_that_cannot_be_shared():
    assert share_of(128, 4) == 32
    with pytest.raises(ValueError, match="data.batch_size is 10, .*multiple of 4"):
        share_of(10, 4)


def test_more_processes_than_persons(dataset):
    with pytest.raises(ValueError, match="8 persons for 16 processes"):
        train_loader(dataset, config(16), seed=0, epochs=1, world_size=16)


@pytest.mark.parametrize("workers", [0, 2])
def test_evaluation_sees_everyone_once_in_order(coco_content, write_coco, workers):
    dataset = MSCOCO(*write_coco(coco_content), COCO, input_size=(48, 64), split="val")
    loader = val_loader(dataset, config(3, workers))
    for _ in range(2):      # the same workers, evaluation after evaluation
        assert torch.cat([batch.index for batch in loader]).tolist() == list(range(8))
    shards = [val_loader(dataset, config(4), batch_size=2, rank=rank, world_size=2)
              for rank in (0, 1)]
    indices = [[i for batch in shard for i in batch.index.tolist()] for shard in shards]
    assert indices[0] + indices[1] == list(range(8)) and all(indices)


def test_workers_that_are_started_early_read_nothing_yet(coco_content, write_coco, monkeypatch):
    dataset = MSCOCO(*write_coco(coco_content), COCO, input_size=(48, 64), split="val")
    read = multiprocessing.get_context("fork").Value("i")
    items = MSCOCO.__getitems__

    def counted(self, keys):
        with read.get_lock():
            read.value += len(keys)
        return items(self, keys)
    monkeypatch.setattr(MSCOCO, "__getitems__", counted)
    loader = val_loader(dataset, config(2, 2))
    start_workers(loader)
    workers = [worker.pid for worker in loader._iterator._workers]
    time.sleep(0.5)
    assert read.value == 0
    assert torch.cat([batch.index for batch in loader]).tolist() == list(range(8))
    assert read.value == 8 and [worker.pid for worker in loader._iterator._workers] == workers


def test_an_empty_shard_gives_no_batches(coco_content, write_coco):
    dataset = MSCOCO(*write_coco(coco_content), COCO, split="val")
    shards = [list(val_loader(dataset, config(40, 1), rank=r, world_size=40)) for r in range(40)]
    assert sum(len(batch) for shard in shards for batch in shard) == 8 and [] in shards


@pytest.mark.parametrize("workers", [0, 2])
def test_a_broken_image_arrives_as_one_sentence(dataset, workers):
    dataset.image_path(4).write_bytes(b"")
    with pytest.raises(ImageError) as caught:
        list(train_loader(dataset, config(2, workers), seed=0, epochs=3))
    message = str(caught.value)
    assert message.startswith("image ") and "000012.jpg is empty" in message
    assert "\n" not in message and "Traceback" not in message


@pytest.mark.parametrize("workers", [0, 2])
def test_skip_broken_goes_on(coco_content, write_coco, workers):
    dataset = MSCOCO(*write_coco(coco_content), COCO, input_size=(48, 64), skip_broken=True)
    dataset.image_path(4).write_bytes(b"")
    batches = list(train_loader(dataset, config(4, workers), seed=0, epochs=2))
    indices = torch.cat([batch.index for batch in batches])
    lost = indices[torch.cat([batch.broken for batch in batches])]
    assert len(indices) == 16 and sorted(lost.tolist()) == [3, 3, 4, 4, 5, 5]
    assert {dataset.image_path(i).name for i in lost.tolist()} == {"000012.jpg"}


def test_the_global_generator_is_left_alone(dataset):
    state = torch.get_rng_state()
    list(train_loader(dataset, config(4, 1), seed=0, epochs=1))
    assert torch.equal(torch.get_rng_state(), state)


def test_workers_run_on_one_thread(dataset):
    loader = val_loader(dataset, config(4, 1))
    assert loader.worker_init_fn is init_worker
    before = cv2.getNumThreads()
    list(loader)
    assert cv2.getNumThreads() == before        # the main process keeps its threads


MAIN_PROCESS = """
from torch.utils.data import DataLoader
from datasets.loaders import init_worker
batches = iter(DataLoader([bytes(10 ** 6)] * 9, batch_size=None, num_workers=2,
                          collate_fn=bytes, worker_init_fn=init_worker))
next(batches)
print(*(worker.pid for worker in batches._workers), flush=True)
input()
"""
LATE_WORKERS = """
import time
from torch.utils.data import DataLoader
from datasets.loaders import init_worker
def late(number):
    time.sleep(2)
    init_worker(number)
batches = iter(DataLoader([bytes(10 ** 6)] * 9, batch_size=None, num_workers=2,
                          collate_fn=bytes, worker_init_fn=late))
print(*(worker.pid for worker in batches._workers), flush=True)
input()
"""


FROM_A_SERVER = MAIN_PROCESS.replace("9,", "9, multiprocessing_context='forkserver',")


@pytest.mark.parametrize("method", ["fork", "forkserver", "spawn"])
def test_workers_may_start_in_every_way(dataset, method):
    """Python's way was fork and is forkserver from 3.14 on; macOS and Windows have spawn."""
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip(f"this system has no {method}")
    loader = train_loader(dataset, config(4, 2), seed=0, epochs=2)
    loader.multiprocessing_context = method
    for batch, wanted in zip(loader, train_loader(dataset, config(4, 0), seed=0, epochs=2),
                             strict=True):
        assert torch.equal(batch.crop, wanted.crop)


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks into /proc")
@pytest.mark.parametrize("program", [MAIN_PROCESS, LATE_WORKERS, FROM_A_SERVER],
                         ids=["busy", "late", "server"])
def test_workers_end_with_their_parent(program):
    """Even where nobody takes their batches any more and SIGKILL told them nothing, and where it
    was dead before they began."""
    root = Path(__file__).resolve().parents[2]
    with subprocess.Popen([sys.executable, "-c", program], cwd=root, text=True,
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        workers = [int(pid) for pid in process.stdout.readline().split()]
        process.kill()
        assert len(workers) == 2
        for _ in range(200):
            alive = [pid for pid in workers if running(pid)]
            if not alive:
                break
            time.sleep(0.1)
        for pid in alive:
            os.kill(pid, 9)
        assert not alive


def running(pid: int) -> bool:
    """Whether a process is there and no zombie, which nobody may collect in a container."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.parametrize("sentence, reason", [
    ("DataLoader worker (pid 7) is killed by signal: Killed. ", "killed by signal: Killed"),
    ("DataLoader worker (pid(s) 7) exited unexpectedly", "exited unexpectedly"),
    ("DataLoader worker (pid(s) 7, 8) exited unexpectedly", "exited unexpectedly")])
def test_a_dead_worker_is_named_by_its_reason(sentence, reason, monkeypatch):
    """torch says it in one way or the other, by who sees the death first."""
    monkeypatch.setattr("signal.signal", lambda *_: None)
    with pytest.raises(ChildProcessError, match=rf"images died \({reason}\), as.*; all is well$"):
        with dead_workers_named("all is well"):
            raise RuntimeError(sentence)


@pytest.mark.parametrize("code, sentence", [
    (-9, r"images died \(exited unexpectedly\), as happens when memory or /dev/shm runs out; .*"),
    (-7, "as happens when memory or /dev/shm runs out"),
    (-11, r"images died \(exited unexpectedly\), not for want of memory; all is well$"),
    (1, r"images ended by itself \(exited unexpectedly\), and may have said why above; all is")])
def test_only_a_kill_is_put_down_to_memory(code, sentence, monkeypatch):
    """torch's words leave out what the worker's own status says."""
    class Loader:
        def __init__(self):
            self._workers = [SimpleNamespace(exitcode=code), SimpleNamespace(exitcode=None)]

        def next(self):
            raise RuntimeError("DataLoader worker (pid(s) 7) exited unexpectedly")
    monkeypatch.setattr("signal.signal", lambda *_: None)
    with pytest.raises(ChildProcessError, match=sentence):
        with dead_workers_named("all is well"):
            Loader().next()


NO_GUARD = """
import multiprocessing
from processors.dp_pose_resnet_solver import DPProcessor
multiprocessing.set_start_method("spawn", force=True)     # as where it is the usual one
DPProcessor("configs/quickstart.yaml", {overrides}).run()
"""


@pytest.mark.long      # how many workers speak before they end is a race
def test_a_script_without_the_guard_is_told_so(tmp_path):
    paths = [f"data.{split}_{key}={tmp_path / split / file}" for split in ("train", "val")
             for key, file in (("ann_path", "people.json"), ("img_root", "images"))]
    overrides = [*paths, "data.synthetic_train=8", "data.synthetic_val=4", "data.num_workers=2",
                 "codec.input_size=[64,64]", f"val.weight_path={tmp_path / 'weights'}"]
    script = tmp_path / "script.py"
    script.write_text(NO_GUARD.format(overrides=overrides))
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run([sys.executable, script], cwd=root, capture_output=True, text=True,
                          env=os.environ | {"PYTHONPATH": str(root)}, timeout=200)
    assert done.returncode == 1 and done.stderr.count("Traceback") <= 2     # the error's, its cause
    assert "a script of one's own must start the run under if __name__ == '__main__':" in (
        done.stderr.splitlines()[-1])


@pytest.mark.parametrize("error", [ConnectionResetError, EOFError])
def test_a_batch_cut_off_by_the_death_of_its_worker(error):
    """The broken connection is seen before the death, of which a signal tells."""
    def say(*_):
        raise RuntimeError("DataLoader worker (pid 7) is killed by signal: Killed. ")
    before = signal.signal(signal.SIGALRM, say)
    signal.setitimer(signal.ITIMER_REAL, 0.2)
    try:
        with pytest.raises(ChildProcessError, match=r"images died \(killed by signal: Killed\)"):
            with dead_workers_named("all is well"):
                raise error
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_broken_connections_of_others_pass(monkeypatch):
    monkeypatch.setattr("datasets.workers.DEATH_KNOWN_WITHIN", 0)
    with pytest.raises(ConnectionResetError):
        with dead_workers_named("all is well"):
            raise ConnectionResetError


def test_a_worker_whose_main_process_has_left_is_quiet(capsys):
    for error in (ConnectionResetError("reset"), EOFError("end"), KeyError("a real one")):
        _say_unless_hung_up(type(error), error, None)
    assert capsys.readouterr().err == "KeyError: 'a real one'\n"


@pytest.mark.parametrize("words", ["Too many open files. Communication with the workers is no",
                                   "received 0 items of ancdata"])
def test_a_want_of_open_files_is_told_as_what_it_is(words):
    with pytest.raises(OSError) as caught, dead_workers_named("all is well"):
        raise RuntimeError(words)
    assert caught.value.errno == errno.EMFILE
    queue = SimpleQueue()
    _hand_over_the_error(queue, RuntimeError(f"unable to open shared memory object: {words}"), (7,))
    with pytest.raises(NotHandedOver, match="batch: Too many open files; .*ulimit -n 4096"):
        queue.get()[1].reraise()


def test_other_errors_pass():
    with pytest.raises(RuntimeError, match="^out of memory$"):
        with dead_workers_named("all is well"):
            raise RuntimeError("out of memory")
