"""What decoding costs, as a multiple of numpy.argmax over the same heatmaps.

    python -m benchmarks.decode_speed [--persons 512] [--repeats 15]

One thread. Times are CPU seconds of this process, so that other work on the machine counts as
little as it can; decoders take turns, and medians are compared. One JSON line per measurement;
the bar is on gauss_taylor: at most 4 times numpy.argmax. Maps of nothing but noise around 0 are
the worst there is: DARK's floor under the logarithm then asks for a full blur of half of them.
"""
import argparse
import json
import statistics
import time
from collections.abc import Callable

import numpy as np
import torch

from utils.decoders import DECODERS
from utils.heatmap_codec import HeatmapCodec

BAR = 4.0
JOINTS, HEIGHT, WIDTH = 17, 64, 48


def person_heatmaps(persons: int) -> torch.Tensor:
    """(persons, 17, 64, 48) float32: Gaussians anywhere, of any height, with some noise."""
    generator = torch.Generator().manual_seed(0)
    shape = (persons, JOINTS)
    joints = torch.rand(*shape, 2, generator=generator) * torch.tensor([192.0, 256.0])
    heights = 0.1 + 0.9 * torch.rand(*shape, 1, 1, generator=generator)
    heatmaps, _ = HeatmapCodec().encode(joints, torch.ones(shape))
    return heatmaps * heights + 0.02 * torch.randn(heatmaps.shape, generator=generator)


def noise_heatmaps(persons: int) -> torch.Tensor:
    """(persons, 17, 64, 48) float32: normal noise."""
    generator = torch.Generator().manual_seed(0)
    return torch.randn(persons, JOINTS, HEIGHT, WIDTH, generator=generator)


def medians(calls: dict[str, Callable], repeats: int) -> dict[str, float]:
    """CPU seconds of each call; they take turns, after a first round that does not count."""
    seconds = {name: [] for name in calls}
    for _ in range(repeats + 1):
        for name, call in calls.items():
            start = time.process_time()
            call()
            seconds[name].append(time.process_time() - start)
    return {name: statistics.median(values[1:]) for name, values in seconds.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--persons", type=int, default=512)
    parser.add_argument("--repeats", type=int, default=15)
    options = parser.parse_args()
    torch.set_num_threads(1)
    for maps, make in (("persons", person_heatmaps), ("noise", noise_heatmaps)):
        heatmaps = make(options.persons)
        flat = heatmaps.numpy().reshape(-1, HEIGHT * WIDTH)
        calls = {"numpy.argmax": lambda flat=flat: np.argmax(flat, axis=1)}
        for name, decode in DECODERS.items():
            calls[name] = lambda decode=decode, heatmaps=heatmaps: decode(heatmaps)
        seconds = medians(calls, options.repeats)
        for name in DECODERS:
            ratio = seconds[name] / seconds["numpy.argmax"]
            line = {"benchmark": "decode_speed", "maps": maps, "decoder": name,
                    "persons": options.persons, "milliseconds": round(seconds[name] * 1e3, 2),
                    "times_numpy_argmax": round(ratio, 2)}
            if (maps, name) == ("persons", "gauss_taylor"):
                line |= {"at_most": BAR, "met": ratio <= BAR}
            print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
