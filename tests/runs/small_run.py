"""main.py with a network so small that a run takes a second; for tests that need real processes.

`small_run.py train CONFIG ...` is `main.py train CONFIG ...`, also with torchrun. The environment's
FROZEN_BN=1 freezes the batch norm, PATIENCE is how many seconds processes wait for each other, and
HIT='[HOOK, N, SIGNAL, WHOM]' with HIT_RANK sends a signal from that process of a DDP run, at its
N-th call of HOOK, a key of HOOKS below. WHOM is "self", "worker" (one that reads images) or "all"
(the process and its workers).

`small_run.py serve` reads one JSON request a line and runs each in a process of its own, forked,
which saves the time of the imports: {"words": [...], "log": FILE, "hit": as above,
"calls_to": FILE, "limit": BYTES}. The second FILE gets the number of calls of each hook; no file
may grow beyond the limit. All but the first two may be null. The answer is the exit status.
"""
import functools
import io
import json
import multiprocessing
import os
import resource
import signal
import subprocess
import sys
from collections import OrderedDict
from datetime import timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import torch  # noqa: E402
from torch import nn  # noqa: E402

import main  # noqa: E402
from configs.networks import VECTOR_HEADS
from nets import build_net
from nets.pose.cspnext import CSPNEXTS
from nets.pose.heads import bilinear_head
from nets.pose.pose_net import PoseNet
from nets.pose.vit import ViTBackbone
from processors.evaluation import evaluation
from processors.models import checkpoint
from processors.runtime import launch, parallel, stop
from processors.training import pose_processor, train_step
from utils import files  # noqa: E402

# where a run can be hit: name -> owner and name of a function, hit when it is called
HOOKS = {
    "step: next batch": (pose_processor, "name_broken"),
    "step: forward": (train_step, "normalise"),
    "step: update": (train_step.TrainStep, "_update"),
    "step: average": (pose_processor.ModelEma, "update"),
    "step: report": (pose_processor.StepStatsQueue, "send"),
    "evaluation: batch": (evaluation.Decoding, "__getattribute__"),
    "evaluation: results": (evaluation, "write_results"),
    "evaluation: judge": (evaluation, "coco_metrics"),
    "evaluation: curves": (pose_processor, "draw_curves"),
    "write: half a file": (checkpoint.torch, "save"),
    "write: the one before": (checkpoint, "_keep_as_previous"),
    "write: rename": (files.os, "replace"),
}


class FrozenBatchNorm(nn.BatchNorm2d):
    """Batch norm that always uses its stored statistics."""
    def train(self, mode: bool = True):
        return super().train(False)


def no_curves(_rows, path: Path) -> None:
    """Stands in for Matplotlib, which would take most of the time of so small a run."""
    path.write_bytes(b"")


def small_net(config, **_):
    if config.type == "pose_vit":
        backbone = ViTBackbone(16, 2, 2, (4, 4), config.drop_path)
        return PoseNet(backbone, bilinear_head(16, config.num_joints, upsampling=4))
    if config.type == "pose_timm" or config.head in VECTOR_HEADS or config.visibility:
        return build_net(config, input_size=(64, 64))
    norm = FrozenBatchNorm if os.environ.get("FROZEN_BN") else nn.BatchNorm2d
    backbone = nn.Sequential(nn.Conv2d(3, 8, 8, 4, 2, bias=False), norm(8), nn.ReLU())
    return nn.Sequential(OrderedDict(backbone=backbone,
                                     head=nn.Conv2d(8, config.num_joints, 3, padding=1)))


def serve() -> int:
    for line in sys.stdin:
        request = json.loads(line)
        child = os.fork()
        if child == 0:
            run(**request)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        print(json.dumps(status), flush=True)
    return 0


def run(words: list[str], log: str, hit: list | None, calls_to: str | None, limit: int | None,
        ) -> None:
    os.setsid()
    # torch gives a forked process a new pool of threads at the first call, and two calls at once
    # abort it ("Invalid thread pool!"); a compiled network's first backward has eight, without GPU
    torch.set_num_threads(1)
    for number in stop.SIGNALS:     # ignored where the tests themselves run in the background
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(output, 1), os.dup2(output, 2)
    calls = watch(hit)
    if limit:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    status = 1
    try:
        status = main.main(words)
    except SystemExit as end:
        status = end.code
    finally:
        if calls_to:
            Path(calls_to).write_text(json.dumps(calls))
        sys.stdout.flush(), sys.stderr.flush()
        os._exit(status)        # without the second that taking the interpreter down takes


def watch(hit: list | None) -> dict[str, int]:
    """Put a watch on each hook; returns the counts of their calls."""
    calls = dict.fromkeys(HOOKS, 0)
    for hook, (owner, name) in HOOKS.items():
        setattr(owner, name, watched(hook, getattr(owner, name), calls, hit or [None, 0, 0, ""]))
    return calls


def watched(hook: str, function, calls: dict, hit: list):
    @functools.wraps(function)
    def wrapper(*args, **kwargs):
        calls[hook] += 1
        if [hook, calls[hook]] == hit[:2]:
            number, whom = hit[2:]
            if hook == "write: half a file" and number == signal.SIGKILL:
                whole = io.BytesIO()
                function(args[0], whole)
                args[1].write(whole.getvalue()[:len(whole.getvalue()) // 2])
                args[1].flush()
            print("hit at", hook, flush=True)
            if whom == "all":
                subprocess.run(["kill", f"-{number}", "--", f"-{os.getpgid(0)}"])
            else:
                os.kill(os.getpid() if whom == "self" else
                        multiprocessing.active_children()[0].pid, number)
        return function(*args, **kwargs)
    return wrapper


if __name__ == "__main__":
    torch.set_num_threads(1)
    pose_processor.build_net, pose_processor.draw_curves = small_net, no_curves
    CSPNEXTS["t"] = (0.167, 0.125)
    launch.MAIN = Path(__file__)
    if seconds := os.environ.get("PATIENCE"):
        parallel.ManyProcesses.__init__.__defaults__ = (timedelta(seconds=float(seconds)),)
    if os.environ.get("RANK") == os.environ.get("HIT_RANK", "none"):
        watch(json.loads(os.environ["HIT"]))
    sys.exit(serve() if sys.argv[1] == "serve" else main.main(sys.argv[1:]))
