"""`python main.py export --form simplepose`: a checkpoint of half the size, to pass on."""
import hashlib
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from processors.models.load_pose_model import load_network
from processors.publishing.portable import portable, pth_bytes, read_own
from utils.errors import UserError
from utils.log import log, show_log
from utils.outputs import ensure_output, write_output

DIGITS = 8      # of the sha256, as the table of published weights has them


def export_half(weights: str | Path, out: Path, config: str | Path | None = None,
                overrides: Sequence[str] = ()) -> None:
    """Write a checkpoint of this project as one with fp16 weights, settings and skeleton alone:
    nothing of the run and of this machine. It is read as any other. What has one dimension, such as
    the statistics of batch norm, stays in float32: it is small, and may lie beyond fp16.

    Raises FileNotFoundError, OSError or UserError in one sentence.
    """
    show_log()
    if config or overrides:
        raise UserError("--form simplepose takes no --config and no settings: those of the weights "
                        "go with them")
    if out.suffix.lower() != ".pth":
        raise UserError(f"--out is {out}: give a name that ends in .pth")
    ensure_output(out, "checkpoint", "--out", [weights])
    found, checkpoint, stored = read_own(weights)
    net, skeleton, _ = load_network(checkpoint, found.given, stored, stored)
    state = {name: value.half() if value.ndim > 1 and value.is_floating_point() else value
             for name, value in net.state_dict().items()}
    large = [name for name, value in state.items() if not value.isfinite().all()]
    if large:
        raise UserError(f"{weights} has weights in {large[0]} that half precision cannot hold, so "
                        f"nothing was written: leave the file as it is")
    off = _difference(net.eval(), state, stored.codec.input_size)
    data = pth_bytes(portable(checkpoint, stored, skeleton) | {"ema": state})
    write_output(out, data, "--out")
    log.info("%s: %.1f MB in half precision, sha256 %s...; heatmaps of noise within %.1e of the "
             "largest value in full precision", out, len(data) / 1e6,
             hashlib.sha256(data).hexdigest()[:DIGITS], off)


@torch.no_grad()
def _difference(net: nn.Module, state: dict[str, Tensor], size: tuple[int, int]) -> float:
    """How far the heatmaps with `state` are from those before, as a part of their largest value;
    `net` has it afterwards. size: (width, height) in pixels."""
    images = torch.randn(1, 3, size[1], size[0], generator=torch.Generator().manual_seed(0))
    wanted = net(images)
    net.load_state_dict(state)
    return float((net(images) - wanted).abs().max() / wanted.abs().max())
