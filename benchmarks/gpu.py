"""What one GPU does with the networks of the recipes, our loop and our data path.

    python -m benchmarks.gpu [--out FILE.jsonl] [--minutes 8] [--nets duc se_duc ...]
    python -m benchmarks.gpu --write FILE.jsonl     # put its tables into docs/results.md

Needs nothing but the project: it draws its own images. Prints one JSON line a measurement and
appends it to FILE at once.

`train`: persons a second of forward, loss, backward and step at 256x192, on a batch that lies
ready on the device, in four forms, from what the classic codes do to all that the project offers;
`loop`, `reading`, `evaluation`: see benchmarks/gpu_loop.py; `prediction`: frames/s of a video, see
benchmarks/gpu_predict.py; `decode`: heatmaps to joints. What would begin later than --minutes, or
does not fit into the card's memory, is left out and said so.
"""
import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.common import PAGE, bare_step
from benchmarks.gpu_common import (
    INPUT,
    Report,
    ready_batch,
    recipe_hours,
    seconds_a_call,
)
from benchmarks.gpu_loop import drawing, measure_loop
from benchmarks.gpu_page import write_page
from benchmarks.gpu_predict import measure_prediction
from configs.schema import ModelConfig, OptimConfig
from nets import build_net
from processors.jobs.info import cost_of, shape_only_net
from processors.training.optim import build_optimizer
from utils.decoders import DECODERS
from utils.errors import UserError
from utils.heatmap_codec import HeatmapCodec

NETS = {"duc": ModelConfig(type="pose_resnet_duc", name="resnet50"),
        "se_duc": ModelConfig(type="pose_resnet_duc", name="resnet50", reduction=True),
        "dconv": ModelConfig(type="pose_resnet_dconv", name="resnet50"),
        "hrnet": ModelConfig(type="pose_hrnet", name="w32"),
        "vit_s": ModelConfig(type="pose_vit", name="s"),
        "vit_b": ModelConfig(type="pose_vit", name="b"),
        "convnext_t": ModelConfig(type="pose_timm", name="convnext_tiny")}
# dtype, channels_last, compiled, batches that the first network tries (one where each size
# compiles anew); the others take its best. Where none fits into memory, smaller ones are tried
FORMS = {"fp32 eager": (None, False, False, (128, 256)),
         "bf16": (torch.bfloat16, False, False, (256,)),
         "bf16 channels_last": (torch.bfloat16, True, False, (256, 512)),
         "bf16 channels_last compile": (torch.bfloat16, True, True, (256,))}
SMALLEST = 16


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, help="append the JSON lines to this file")
    parser.add_argument("--minutes", type=float, default=8, help="begin nothing after so many")
    parser.add_argument("--nets", nargs="+", choices=NETS, default=list(NETS))
    parser.add_argument("--images", type=int, default=4800, help="images to draw for the loop")
    parser.add_argument("--write", type=Path, metavar="FILE",
                        help="write the tables of such a file into docs/results.md")
    arguments = parser.parse_args()
    if arguments.write:
        try:
            write_page(arguments.write, PAGE)
        except (UserError, OSError) as error:
            print(f"error: {error}", file=sys.stderr)
            return 2
        return 0
    if not torch.cuda.is_available():
        print("error: this machine has no CUDA device; benchmarks/all.py measures its CPU",
              file=sys.stderr)
        return 2
    torch.backends.cudnn.benchmark = True       # as the classic codes have it, and our loop
    report = Report(arguments.out)
    with tempfile.TemporaryDirectory() as folder, drawing(Path(folder), arguments.images) as drawn:
        report("card", **card())
        peak = matrix_rate()
        report("matrix product", tflops=round(peak / 1e12))
        best: dict[str, int] = {}
        jobs: dict[str, Callable[[], None]] = {
            name: lambda name=name: measure_net(name, peak, report, best)
            for name in arguments.nets}
        jobs["loop"] = lambda: measure_loop(drawn(), report)
        jobs["prediction"] = lambda: measure_prediction(drawn() / "train", Path(folder), report)
        jobs["decode"] = lambda: measure_decoders(report)
        for name in sorted(jobs, key=lambda name: name in arguments.nets[1:]):
            if time.monotonic() - report.began > 60 * arguments.minutes:
                report("left out", name=name, why=f"{arguments.minutes:g} minutes are over")
                continue
            try:
                jobs[name]()
            except torch.OutOfMemoryError:
                report("left out", name=name, why="the card has too little memory")
            except UserError as error:      # timm is not there
                report("left out", name=name, why=str(error))
            torch.compiler.reset()
            torch.cuda.empty_cache()
    return 0 if report.good else 1


def card() -> dict:
    return {"card": torch.cuda.get_device_name(), "date": time.strftime("%Y-%m-%d"),
            "memory_gib": round(torch.cuda.get_device_properties(0).total_memory / 2**30),
            "torch": torch.__version__, "cudnn": torch.backends.cudnn.version(),
            "python": sys.version.split()[0]}


def matrix_rate() -> float:
    """FLOP/s of a large matrix product in bf16, of random numbers."""
    a, b = (torch.randn(8192, 8192, device="cuda", dtype=torch.bfloat16) for _ in range(2))
    return 2 * 8192**3 / seconds_a_call(lambda: a @ b, calls=20)


def measure_net(name: str, peak: float, report: Report, best: dict[str, int]) -> None:
    """One network in all forms. peak: FLOP/s of the card. best: the batch of each form, of the
    network that tried them all; found here if it is empty."""
    rates: dict[str, float] = {}
    flops = 6 * cost_of(shape_only_net(NETS[name]), INPUT).macs[""]     # backward costs twice
    for form, (dtype, channels_last, compiled, batches) in FORMS.items():
        tried: dict[int, dict[str, float]] = {}
        smaller = [min(batches) >> i for i in range(1, 9) if min(batches) >> i >= SMALLEST]
        for batch in [*sorted(batches, reverse=True), *smaller]:
            settled = tried and (form in best or batch in smaller)
            if settled or batch > best.get(form, batch):
                continue
            try:
                tried[batch] = measure_form(NETS[name], dtype, channels_last, compiled, batch)
            except torch.OutOfMemoryError:
                continue
        if not tried:
            raise torch.OutOfMemoryError(f"{name}, {form}: not even {SMALLEST} persons fit")
        batch = max(tried, key=lambda batch: tried[batch]["persons_s"])
        best.setdefault(form, batch)
        rates[form] = rate = tried[batch]["persons_s"]
        report("train", net=name, form=form, batch=batch, **tried[batch],
               matrix_peak=round(flops * rate / peak, 3), classic_recipe_h=recipe_hours(rate),
               tried={batch: found["persons_s"] for batch, found in tried.items()})
    report.judge("train", "compile / fp32 eager",
                 rates["bf16 channels_last compile"] / rates["fp32 eager"], net=name)


def measure_form(model: ModelConfig, dtype: torch.dtype | None, channels_last: bool,
                 compiled: bool, batch: int) -> dict[str, float]:
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    seconds = seconds_a_call(training_step(model, dtype, channels_last, compiled, batch))
    return {"persons_s": round(batch / seconds),
            "peak_memory_gib": round(torch.cuda.max_memory_allocated() / 2**30, 1)}


def training_step(model: ModelConfig, dtype: torch.dtype | None, channels_last: bool,
                  compiled: bool, batch: int) -> Callable[[], None]:
    """A step of a new network and its optimizer on one batch that lies ready."""
    net = build_net(model).cuda().train()
    if channels_last:
        net = net.to(memory_format=torch.channels_last)
        optimizer = build_optimizer(net, OptimConfig())
    else:
        optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
    ready = ready_batch(batch, channels_last)
    called = torch.compile(net, dynamic=False) if compiled else net
    return lambda: bare_step(called, optimizer, *ready, dtype)


def measure_decoders(report: Report, persons: int = 512) -> None:
    """Decoding of (512, 17, 64, 48) noisy Gaussians on the device."""
    codec = HeatmapCodec(INPUT)
    joints = torch.rand(persons, 17, 2, device="cuda") * torch.tensor(INPUT, device="cuda")
    heatmaps, _ = codec.encode(joints, torch.ones(persons, 17, device="cuda"))
    heatmaps += 0.02 * torch.rand_like(heatmaps)
    codecs = {name: HeatmapCodec(INPUT, decoder=name) for name in DECODERS}
    report("decode", persons=persons, persons_s={
        name: round(persons / seconds_a_call(lambda codec=codec: codec.decode(heatmaps)))
        for name, codec in codecs.items()})


if __name__ == "__main__":
    sys.exit(main())
