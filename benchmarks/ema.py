"""Whether averaged weights (optim.ema) help: their AP against that of the raw weights.

    python benchmarks/ema.py [CONFIG.yaml] [section.key=value ...]
    python benchmarks/ema.py --metrics weights/metrics.jsonl

The first form trains the quickstart, or the given YAML, in a temporary folder, at a constant
learning rate (settings may change that), as recipes with milestones do for most of their epochs.
The second judges the last run in a metrics.jsonl. Prints one JSON line about the last third of the
epochs: the mean AP of both kinds of weights, and how much AP jumps from epoch to epoch on average.
"""
import json
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from processors.dp_pose_resnet_solver import DPProcessor


def main() -> int:
    words = sys.argv[1:]
    if words[:1] == ["--metrics"]:
        text = Path(words[1]).read_text(encoding="utf-8")
    else:
        given = words and "=" not in words[0]
        path = words.pop(0) if given else ROOT / "configs" / "quickstart.yaml"
        with tempfile.TemporaryDirectory() as folder:
            DPProcessor(path, ["optim.schedule=multistep", *words,
                               f"val.weight_path={folder}"]).run()
            text = (Path(folder) / "metrics.jsonl").read_text(encoding="utf-8")
    lines = [json.loads(line) for line in text.splitlines()]
    lines = [line for line in lines if line["kind"] == "val" and line["run"] == lines[-1]["run"]]
    scores = {kind: {line["epoch"]: line["AP"] for line in lines if line["weights"] == kind}
              for kind in ("net", "ema")}
    epochs = sorted(scores["ema"])
    late = epochs[-max(len(epochs) // 3, 2):]
    result = {"benchmark": "ema", "epochs": len(epochs), "judged": late}
    for kind, name in (("net", "raw"), ("ema", "averaged")):
        values = [scores[kind][epoch] for epoch in late]
        jumps = [abs(b - a) for a, b in zip(values[:-1], values[1:], strict=True)]
        result[f"{name}_ap"] = round(sum(values) / len(values), 4)
        result[f"{name}_jump"] = round(sum(jumps) / len(jumps), 4)
    result["no_worse"] = result["averaged_ap"] >= result["raw_ap"]
    result["steadier"] = result["averaged_jump"] <= result["raw_jump"]
    print(json.dumps(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())
