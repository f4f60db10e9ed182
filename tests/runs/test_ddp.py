"""Training in several processes, started as users start it: the same weights as one process
gives, and an end with one sentence whatever happens to one of them."""
import json
import os
import pty
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

pytestmark = pytest.mark.slow
SCRIPT = Path(__file__).with_name("small_run.py")
ROOT = SCRIPT.parents[2]
DDP = {"processor": "ddp", "processes": 2}
IN_PIECES = DDP | {"frozen": True, "optim.accumulate": 2}
KILLED_WITHIN = 60


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("ddp")


@pytest.fixture(scope="module")
def words(folder):
    """The command line of a run: 20 steps on drawn people."""
    def words(name: str, **settings) -> list[str]:
        values = {f"data.{split}_{key}": folder / split / file for split in ("train", "val")
                  for key, file in (("ann_path", "people.json"), ("img_root", "images"))} | {
            "data.synthetic_train": 20, "data.synthetic_val": 8, "data.batch_size": 8,
            "data.num_workers": 1, "codec.input_size": [64, 64], "optim.epochs": 5,
            "optim.amp": False, "val.batch_size": 2, "val.interval": 4, "val.save_minutes": 10,
            "log.every": 1, "val.weight_path": folder / name} | settings
        return ["train", "configs/quickstart.yaml", *(f"{k}={v}" for k, v in values.items())]
    return words


@pytest.fixture(scope="module")
def run(folder, words):
    """Runs a command to its end; returns its status and all that it said."""
    def run(name: str, *, before=(str(SCRIPT),), frozen=False, hit=None, rank=0, patience=None,
            **settings):
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        environment |= {"FROZEN_BN": "1"} if frozen else {}
        environment |= {"PATIENCE": str(patience)} if patience else {}
        environment |= {"HIT": json.dumps(hit), "HIT_RANK": str(rank)} if hit else {}
        done = subprocess.run([sys.executable, *before, *words(name, **settings)], cwd=ROOT,
                              env=environment, text=True, timeout=KILLED_WITHIN * 3,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        return done.returncode, done.stdout
    return run


@pytest.fixture(scope="module")
def finished(folder, run):
    """State of a finished run, which is made if it is not there."""
    def finished(name: str, **settings) -> dict:
        path = folder / name / "quickstart_last.pth"
        if not path.exists():
            status, said = run(name, **settings)
            assert status == 0, said
            assert "Warning" not in said and "Traceback" not in said
        return torch.load(path, weights_only=True)
    return finished


def assert_same_weights(one: dict, other: dict, tolerance: float = 1e-5, steps: int = 20):
    assert one["step"] == other["step"] == steps
    for part in ("net", "ema"):
        torch.testing.assert_close(one[part], other[part], rtol=tolerance, atol=tolerance)


def test_synchronised_batch_norm_makes_two_processes_one(finished):
    """In eight small steps: twenty large ones of Adam make a hundred times as much of last bits."""
    short = {"optim.epochs": 2, "val.interval": 2, "optim.lr": 3e-4}
    one = finished("short", **short)
    assert_same_weights(one, finished("synced", **DDP, **short, **{"optim.sync_bn": True}), steps=8)
    with pytest.raises(AssertionError):     # the comparison would see a difference
        assert_same_weights(one, finished("unsynced", **DDP, **short), steps=8)


@pytest.mark.parametrize("name, settings", [
    ("pieces", {"optim.accumulate": 4, "frozen": True}), ("pieces of two", IN_PIECES)])
def test_with_frozen_batch_norm_pieces_and_processes_change_nothing(finished, name, settings):
    frozen = finished("frozen", frozen=True)
    assert_same_weights(frozen, finished(name, **settings))
    with pytest.raises(AssertionError):     # the comparison would see a difference
        assert_same_weights(frozen, finished("one"))


def test_two_processes_evaluate_everybody_once(finished, folder):
    """Shares of unequal size; the same people in the same order as one process has them."""
    finished("frozen", frozen=True), finished("pieces of two", **IN_PIECES)
    one, two = (json.loads((folder / name / "quickstart_results.json").read_text())
                for name in ("frozen", "pieces of two"))
    assert len(one) > 4 and [p["image_id"] for p in one] == [p["image_id"] for p in two]
    keypoints = [torch.tensor([p["keypoints"] for p in people]) for people in (one, two)]
    # 20 steps make flat maps, on some of which the decoder goes far astray
    assert torch.isclose(*keypoints, atol=0.05).float().mean() > 0.97
    assert [p["score"] for p in one] == pytest.approx([p["score"] for p in two], abs=1e-4)


def test_two_processes_show_the_accuracy_on_a_terminal(folder, words):
    """Which only process 0 has, while both must measure it."""
    reader, writer = pty.openpty()
    run = subprocess.Popen([sys.executable, str(SCRIPT), *words(
        "terminal", **DDP | {"optim.epochs": 2, "log.every": 1000})], cwd=ROOT, stderr=writer,
        stdout=subprocess.DEVNULL, env=os.environ | {"OMP_NUM_THREADS": "1",
                                                     "TQDM_MININTERVAL": "0"})
    os.close(writer)
    shown = b""
    try:
        while part := os.read(reader, 65536):
            shown += part
    except OSError:     # the end of a terminal that nobody has any more
        pass
    assert run.wait() == 0, shown.decode()
    drawn = re.findall(rb"epoch \d (\d+)/(\d+), loss [\d.]+ acc (\S+) lr \S+ \d+/s wait +\d+% all",
                       shown)
    assert any(number != last for number, last, _ in drawn), shown.decode()
    assert all(re.fullmatch(rb"0\.\d+", accuracy) for _, _, accuracy in drawn), shown.decode()


def test_two_machines_by_torchrun(folder, words, finished):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "torch.distributed.run", "--nnodes=2", "--nproc-per-node=1",
               "--rdzv-id=test", "--rdzv-backend=c10d", f"--rdzv-endpoint=localhost:{port}",
               "--local-addr=localhost", SCRIPT, *words("nodes", processor="ddp")]
    nodes = [subprocess.Popen(command, cwd=ROOT, env=os.environ | {
        "OMP_NUM_THREADS": "1", "FROZEN_BN": "1"}) for _ in range(2)]
    assert [node.wait(timeout=120) for node in nodes] == [0, 0]
    assert_same_weights(finished("frozen", frozen=True), finished("nodes"))


def test_a_run_hit_again_and_again_ends_as_if_it_had_not_been(run, finished):
    """Each hit ends all processes with one sentence, and the same command goes on."""
    for hook, calls, number, rank in [
            ("step: update", 11, signal.SIGKILL, 1), ("step: report", 6, signal.SIGKILL, 0),
            ("step: update", 3, signal.SIGTERM, 1), ("evaluation: batch", 5, signal.SIGKILL, 1),
            ("evaluation: batch", 1, signal.SIGTERM, 1),
            ("write: half a file", 2, signal.SIGKILL, 0)]:
        since = time.monotonic()
        status, said = run("hit", hit=[hook, calls, number, "self"], rank=rank, **IN_PIECES)
        assert time.monotonic() - since < KILLED_WITHIN
        assert said.count(f"hit at {hook}") == 1 and "Traceback" not in said, said
        if number == signal.SIGTERM:
            assert status == 143 and said.count("stopped by a signal") == 1, said
            assert "error" not in said
        else:
            *_, before, last = said.splitlines()
            assert status == 2 and before == f"hit at {hook}", said
            assert last.startswith(f"error: process {rank} of 2 (pid "), said
            assert "killed by SIGKILL" in last and said.count("error") == 1
    assert run("hit", **IN_PIECES)[0] == 0
    assert_same_weights(finished("pieces of two", **IN_PIECES), finished("hit", **IN_PIECES), 0)


def test_the_error_of_a_process_is_one_sentence(run, folder, finished):
    finished("pieces of two", **IN_PIECES)      # which draws the people
    status, said = run("x", **DDP, **{"data.val_ann_path": "nowhere.json", "data.synthetic_val": 0})
    assert (status, said.count("\n")) == (2, 1)
    assert said.startswith("error: nowhere.json (data.val_ann_path) does not exist")
    status, said = run("y", **DDP, **{"optim.lr": 1e30, "optim.warmup_epochs": 0})
    *_, before, last = said.splitlines()
    assert status == 2 and "error" not in before and "Traceback" not in said
    assert last.startswith("error: training stopped at step ") and last.count(",") > 8  # 8 images


def test_a_process_that_is_stopped_is_named_as_what_it_is(run):
    """One that hangs, as on a disk, looks the same. Torch's launcher kills it after 30 seconds."""
    status, said = run("stopped", **DDP, hit=["step: update", 3, signal.SIGSTOP, "self"], rank=1,
                       patience=3)
    assert status == 2 and "Traceback" not in said, said
    assert re.search(r"^error: process 0 of 2 waited 0.05 minutes for another one, which lives but "
                     r"did not answer: it was stopped, or hangs, as on a disk or a network; the "
                     r"same command goes on from the last checkpoint$", said.splitlines()[-1]), said


def test_without_their_launcher_processes_end(words, tmp_path):
    """Or they would go on writing into the folder of the next run."""
    command = [sys.executable, SCRIPT, *words("orphans", **DDP, **{"optim.epochs": 10 ** 5})]
    with open(tmp_path / "log", "w") as log:
        launcher = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log)
    while "epoch 1 step 4" not in (tmp_path / "log").read_text():
        assert launcher.poll() is None, (tmp_path / "log").read_text()
        time.sleep(0.1)
    launcher.kill()
    launcher.wait()
    time.sleep(3)
    length = (tmp_path / "log").stat().st_size
    time.sleep(2)
    assert (tmp_path / "log").stat().st_size == length


@pytest.mark.skipif(not Path("/proc/self/exe").exists(), reason="looks into /proc")
def test_without_their_launcher_processes_do_not_begin(words, tmp_path):
    """It is killed while they import; they would look for it for minutes."""
    command = [sys.executable, SCRIPT, *words("unborn", **DDP)]
    launcher = subprocess.Popen(command, cwd=ROOT)
    children = Path(f"/proc/{launcher.pid}/task/{launcher.pid}/children")
    while len(processes := children.read_text().split()) < 2:
        assert launcher.poll() is None
        time.sleep(0.01)
    launcher.kill()
    launcher.wait()
    for _ in range(KILLED_WITHIN):
        left = [process for process in processes if Path("/proc", process, "exe").exists()]
        if not left:
            break
        time.sleep(1)
    for process in left:
        os.kill(int(process), signal.SIGKILL)
    assert not left


def test_torchrun_wants_ddp(run):
    status, said = run("z", before=("-m", "torch.distributed.run", "--nproc-per-node=2",
                                    str(SCRIPT)), processor="dp")
    assert status == 1 and "error: processor is dp, which is one process, but 2 were" in said


def test_a_run_goes_on_with_another_number_of_processes(run, finished):
    assert run("changed", frozen=True, **DDP, **{"optim.epochs": 2})[0] == 0
    status, said = run("changed", frozen=True, **{"optim.epochs": 5})
    assert status == 0 and "changed since the checkpoint: processes was 2, is 1" in said
    state = finished("changed")
    assert state["step"] == 20
