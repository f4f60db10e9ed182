"""A network compiled by its repeated blocks beside the whole graph and beside none of it.

    python -m benchmarks.compile_speed [--net hrnet|vit|resnet] [--amp bf16] [--batch 8]
        [--again 5] [--whole 1]

Seconds to the first step, forward and backward, and what a later step takes, on a CPU with one
thread. Each way has processes of its own, the first with an empty cache of torch's compiler,
--again others with what that has left there, the ways in turn, as one process is up to a tenth
faster than the next by how its memory happens to lie. CPU seconds count, those of the compiler's
processes with them, as other work on the machine weighs least there; the clock's stand beside them.
Whole graphs take minutes, so this is none of benchmarks.all. --whole 0 leaves them out.
"""
import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.common import bare_step, say
from nets import build_net
from nets.regions import compile_regions
from processors.runtime.parallel import use
from processors.runtime.precision import autocast

SECONDS_BAR, STEP_BAR = 0.3, 1.05       # of the whole graph's, for HRNet
SIZE = (96, 128)        # width, height of the input, pixels
STEPS = 7
NETS = {"hrnet": {"type": "pose_hrnet", "name": "w32"},
        "vit": {"type": "pose_vit", "name": "b", "head": "simple"},
        "resnet": {"type": "pose_resnet_duc", "name": "resnet152"}}


def main(words: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--net", choices=NETS, default="hrnet")
    parser.add_argument("--amp", choices=("none", "bf16"), default="none")
    parser.add_argument("--batch", type=int, default=8, help="persons")
    parser.add_argument("--whole", type=int, choices=(0, 1), default=1)
    parser.add_argument("--again", type=int, default=5, help="starts of each way after the first")
    parser.add_argument("--way", choices=("eager", "regions", "whole"), help=argparse.SUPPRESS)
    options = parser.parse_args(words)
    if options.again < 1:
        parser.error("--again is below 1, and a step is taken from these starts")
    if options.way:
        print(json.dumps(measure(options)))
        return 0
    ways = ("eager", "regions", *(["whole"] if options.whole else []))
    with tempfile.TemporaryDirectory() as caches:
        starts = {way: [start(way, words, caches)] for way in ways}
        for _ in range(options.again):
            for way in ways:
                starts[way].append(start(way, words, caches))
    about = {"net": options.net, "amp": options.amp, "batch": options.batch}
    for way, (cold, *warm) in starts.items():
        say("compile_speed", f"{way}: CPU seconds to the first step", cold["first_cpu"], unit="s",
            clock=cold["first"], again=median(warm, "first_cpu"), again_clock=median(warm, "first"),
            **about)
        say("compile_speed", f"{way}: step / without compiling",
            median(warm, "step") / median(starts["eager"][1:], "step"),
            ms=[round(1e3 * one["step"]) for one in warm], **about)
    if not options.whole:
        return 0
    (regions, *warm), (whole, *warm_whole) = starts["regions"], starts["whole"]
    barred = options.net == "hrnet"
    good = say("compile_speed", "regions / whole: CPU seconds to the first step",
               regions["first_cpu"] / whole["first_cpu"], at_most=SECONDS_BAR if barred else None,
               clock=round(regions["first"] / whole["first"], 3), **about)
    good &= say("compile_speed", "regions / whole: a step",
                median(warm, "step") / median(warm_whole, "step"),
                at_most=STEP_BAR if barred else None, **about)
    return 0 if good else 1


def start(way: str, words: list[str], caches: str) -> dict[str, float]:
    """What a process measures that compiles one way, with the cache of the ones before it."""
    environment = os.environ | {"TORCHINDUCTOR_CACHE_DIR": f"{caches}/{way}",
                                "OMP_NUM_THREADS": "1"}
    run = subprocess.run(
        [sys.executable, "-m", "benchmarks.compile_speed", *words, "--way", way], cwd=ROOT,
        env=environment, check=True, stdout=subprocess.PIPE, text=True)
    return dict(json.loads(run.stdout.splitlines()[-1]))


def median(starts: list[dict[str, float]], what: str) -> float:
    return round(statistics.median(one[what] for one in starts), 4)


def measure(options: argparse.Namespace) -> dict[str, float]:
    """One start: seconds to the end of the first step, and of a later one."""
    torch.set_num_threads(1)
    use(torch.device("cpu"))        # as training does
    torch.manual_seed(0)
    dtype = torch.bfloat16 if options.amp == "bf16" else None
    width, height = SIZE
    net = build_net(**NETS[options.net], input_size=SIZE).to(memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(net.parameters(), 1e-4, fused=True)
    images = torch.randn(options.batch, 3, height, width).to(memory_format=torch.channels_last)
    with torch.no_grad(), autocast(dtype, images.device):
        targets = torch.zeros_like(net.eval()(images), dtype=torch.float32)
    weights, model = torch.ones(targets.shape[:2]), net.train()
    if options.way == "regions":
        compile_regions(net)
    elif options.way == "whole":
        model = torch.compile(net, dynamic=False)
    clock, cpu = time.perf_counter(), cpu_seconds()
    bare_step(model, optimizer, images, targets, weights, dtype)
    first, first_cpu = time.perf_counter() - clock, cpu_seconds() - cpu
    steps = []
    for _ in range(STEPS):
        since = time.process_time()
        bare_step(model, optimizer, images, targets, weights, dtype)
        steps.append(time.process_time() - since)
    return {"first": round(first, 2), "first_cpu": round(first_cpu, 2),
            "step": statistics.median(steps[1:])}


def cpu_seconds() -> float:
    """Of this process and of those that it has started: the ended, and torch's that still live."""
    ended = sum(resource.getrusage(resource.RUSAGE_CHILDREN)[:2])
    return time.process_time() + ended + sum(map(of_process, descendants(os.getpid())))


def descendants(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children")
    found = [int(child) for child in children.read_text().split()] if children.is_file() else []
    return found + [other for child in found for other in descendants(child)]


def of_process(pid: int) -> float:
    """CPU seconds of a living process, with those of its children that have ended."""
    try:
        parts = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except FileNotFoundError:
        return 0.0
    return sum(map(int, parts[11:15])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
