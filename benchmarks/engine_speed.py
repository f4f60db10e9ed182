"""The engines of `predict` beside each other: seconds of a batch, and those of getting ready.

    python -m benchmarks.engine_speed [CONFIG.yaml ...] [--people 16]

PyTorch as it is, compiled, and ONNX Runtime, in full precision, and the first two in the half
precision that the device has. Random weights; on the first GPU if there is one, else on all cores.
"""
import argparse
import sys
import time
from dataclasses import replace
from pathlib import Path

import torch

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.common import markdown_table
from configs.loader import load_config
from datasets.annotations.skeleton import load_skeleton
from nets import build_net
from processors.engines.engine import ENGINES
from processors.engines.measure import example_images, outputs_of, seconds_of
from processors.models.pose_model import PoseModel, build_codec
from processors.runtime.precision import amp_dtype
from utils.errors import UserError

CONFIGS = "duc_r50_256x192", "hrnet_w32_256x192", "quickstart"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("configs", nargs="*", type=Path,
                        default=[ROOT / "configs" / f"{name}.yaml" for name in CONFIGS])
    parser.add_argument("--people", type=int, default=16, help="in a batch")
    options = parser.parse_args()
    rows = [("network", "engine", "precision", "ready after, s", "a batch, s", "of eager")]
    for path in options.configs:
        rows += measured(path, options.people)
    print(markdown_table(rows))
    return 0


def measured(path: Path, people: int) -> list[tuple[str, ...]]:
    """A row for each engine and precision."""
    model, rows, eager = random_model(path), list[tuple[str, ...]](), 0.0
    for dtype in dict.fromkeys((None, amp_dtype(True, model.device))):
        for engine in ENGINES:
            if engine == "onnx" and dtype is not None:
                continue
            try:
                since = time.perf_counter()
                other = ENGINES[engine](replace(model, dtype=dtype))
                outputs_of(other, example_images(other, people))
                ready = time.perf_counter() - since
            except UserError as error:
                print(f"{path.stem}, {engine}: {error}", file=sys.stderr)
                continue
            seconds, = seconds_of([other], people)
            eager = eager or seconds
            rows.append((path.stem, engine, str(dtype or torch.float32).removeprefix("torch."),
                         f"{ready:.1f}", f"{seconds:.3f}", f"{seconds / eager:.2f}"))
            print(*rows[-1], flush=True)
        torch._dynamo.reset()
    return rows


def random_model(path: Path) -> PoseModel:
    config = load_config(path, ["model.pretrained=false"])
    skeleton = load_skeleton(config.data.skeleton)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.manual_seed(0)
    net = build_net(config.model, input_size=config.codec.input_size, split=config.codec.split)
    net = net.eval().to(device, memory_format=torch.channels_last)
    return PoseModel(net, build_codec(config, skeleton), skeleton, config.model.input_format,
                     config, device)


if __name__ == "__main__":
    sys.exit(main())
