"""What decoding costs, as a multiple of numpy.argmax over the same heatmaps.

    python benchmarks/decode_speed.py [--persons 512] [--repeats 15]

One thread. Times are CPU seconds of this process, so that other work on the machine counts as
little as it can; decoders take turns, and medians are compared. One JSON line per measurement;
the bar is on gauss_taylor: at most 4 times numpy.argmax. Maps of nothing but noise around 0 are
the worst there is: DARK's floor under the logarithm then asks for a full blur of half of them.
"""
import argparse
import sys
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.common import medians, say
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


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--persons", type=int, default=512)
    parser.add_argument("--repeats", type=int, default=15)
    options = parser.parse_args()
    torch.set_num_threads(1)
    good = True
    for maps, make in (("persons", person_heatmaps), ("noise", noise_heatmaps)):
        heatmaps = make(options.persons)
        flat = heatmaps.numpy().reshape(-1, HEIGHT * WIDTH)
        calls = {"numpy.argmax": lambda flat=flat: np.argmax(flat, axis=1)}
        for name, decode in DECODERS.items():
            calls[name] = lambda decode=decode, heatmaps=heatmaps: decode(heatmaps)
        seconds = medians(calls, options.repeats)
        for name in DECODERS:
            judged = (maps, name) == ("persons", "gauss_taylor")
            good &= say("decode_speed", f"{name}, {maps}", seconds[name] / seconds["numpy.argmax"],
                        at_most=BAR if judged else None, persons=options.persons,
                        milliseconds=round(seconds[name] * 1e3, 2))
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
