"""What a training step and a prediction of each network of benchmarks/systems.py cost here.

    python -m benchmarks.network_speed [--write] [section.key=value ...]

On images that lie ready: forward, loss, backward and step of a batch, as the systems train, and
heatmaps of one person and of a batch, without a flip test. Every network has its turn in every
round, because a machine's speed changes, and the medians count. Prints a table; --write puts it
into docs/results.md. Nothing else should run beside it.
"""
import argparse
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.common import PAGE, bare_step, circumstances, markdown_table, replace_section
from benchmarks.system_plans import drawn_plan
from configs.loader import load_config
from configs.schema import Config
from nets import build_net
from processors.jobs.info import cost_of, shape_only_net
from processors.runtime.precision import amp_dtype, autocast
from processors.training.optim import build_optimizer

WHAT = ("training step", "one person", "a batch")


def main(words: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("settings", nargs="*", metavar="section.key=value")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--write", action="store_true", help="put the table into docs/results.md")
    arguments = parser.parse_intermixed_args(words)
    plan = drawn_plan([])
    configs = {name: load_config(plan.base, [*plan.settings, *own, *arguments.settings])
               for name, own in plan.systems.items()}
    works = {name: works_of(config) for name, config in configs.items()}
    times: dict[tuple[str, str], list[float]] = {}
    for number in range(arguments.rounds + 1):
        for name, parts in works.items():
            for what, work in parts.items():
                since = time.perf_counter()
                work()
                if number:      # the first round warms up
                    times.setdefault((name, what), []).append(time.perf_counter() - since)
    text = report(configs, {key: statistics.median(found) for key, found in times.items()},
                  arguments.rounds)
    print(text)
    if arguments.write:
        replace_section(PAGE, "network_speed", text)
    return 0


def works_of(config: Config) -> dict[str, Callable[[], object]]:
    """What is measured of one network, by the words of WHAT."""
    width, height = config.codec.input_size
    batch, joints = config.data.batch_size, config.model.num_joints
    net = build_net(config.model, input_size=config.codec.input_size)
    net = net.to(memory_format=torch.channels_last)
    optimizer = build_optimizer(net, config.optim)
    images = torch.randn(batch, 3, height, width).to(memory_format=torch.channels_last)
    targets, weights = torch.rand(batch, joints, height // 4, width // 4), torch.ones(batch, joints)
    dtype = amp_dtype(config.optim.amp, images.device)

    def predict(count: int) -> None:
        with torch.inference_mode(), autocast(dtype, images.device):
            net.eval()(images[:count])

    return dict(zip(WHAT, (
        lambda: bare_step(net.train(), optimizer, images, targets, weights, dtype),
        lambda: predict(1), lambda: predict(batch)), strict=True))


def report(configs: dict[str, Config], seconds: dict[tuple[str, str], float], rounds: int) -> str:
    first, here = next(iter(configs.values())), circumstances()
    (width, height), batch = first.codec.input_size, first.data.batch_size
    table = [["system", "parameters", "GMACs", f"training step of {batch}, ms", "one person, ms",
              f"a batch of {batch}, persons/s"]]
    for name, config in configs.items():
        cost = cost_of(shape_only_net(config.model, config.codec.input_size), (width, height))
        step, one, many = (seconds[name, what] for what in WHAT)
        table.append([name, f"{cost.parameters[''] / 1e6:.2f} M", f"{cost.macs[''] / 1e9:.3f}",
                      f"{1000 * step:.0f}", f"{1000 * one:.1f}", f"{batch / many:.0f}"])
    return (f"Made by `python -m benchmarks.network_speed --write` on {here['date']}; Python "
            f"{here['python']}, torch {here['torch']}; {here['processor']}, "
            f"{torch.get_num_threads()} threads. Input {width}x{height}, amp "
            f"{str(first.optim.amp).lower()}; medians of {rounds} rounds.\n\n"
            f"{markdown_table(table)}")


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except (ValueError, OSError) as error:
        sys.exit(f"error: {error}")
