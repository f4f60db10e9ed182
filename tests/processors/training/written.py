"""What a run has written, read for comparison."""
import json

import torch


def lines(folder, kind):
    """Those of one kind in the folder's metrics.jsonl."""
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [row for row in rows if row["kind"] == kind]


def weights(path):
    """Raw and averaged tensors of a checkpoint, by name."""
    state = torch.load(path, weights_only=True)
    return state["net"] | {f"averaged {name}": value for name, value in state["ema"].items()}


def equal(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)
