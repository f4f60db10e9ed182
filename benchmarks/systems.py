"""Every kind of network of the project, trained and judged alike on the same drawn people.

    python -m benchmarks.systems [section.key=value ...]        (with gpus=0: at full size)

Trains DConv, DUC, both with SE layers, HRNet-W32, ViT-S and two small networks of timm (a package
of its own) with the same data, seed and recipe, one of them with three seeds, and judges each with
all decoders, with and without flip test, raw and averaged weights. Each training that is finished
adds a line to results/systems_cpu.jsonl (or _gpu) and is not made again; one that was stopped goes
on. The tables of docs/results.md are made from those lines, which come with the project: to train
all of them yourself, name an empty folder by --results, and a copy of the page by --page.
"""
import argparse
import shutil
import statistics
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.common import PAGE, RESULTS, circumstances, markdown_table, replace_section
from benchmarks.trainings import add_line, finished, made_on, run_name, three, trained
from configs.loader import load_config
from configs.schema import DataConfig
from processors.jobs.info import cost_of, shape_only_net
from utils.errors import UserError

BASE = ROOT / "configs" / "quickstart.yaml"
SYSTEMS = {
    "DConv": ["model.type=pose_resnet_dconv"],
    "DUC": ["model.type=pose_resnet_duc"],
    "SE + DConv": ["model.type=pose_resnet_dconv", "model.reduction=true"],
    "SE + DUC": ["model.type=pose_resnet_duc", "model.reduction=true"],
    "HRNet-W32": ["model.type=pose_hrnet", "model.name=w32", "model.width=1"],
    "ViT-S, simple": ["model.type=pose_vit", "model.name=s", "model.head=simple", "model.width=1"],
    "MobileNetV3-S (timm)": ["model.type=pose_timm", "model.name=mobilenetv3_small_100",
                             "model.width=1"],
    "ConvNeXt-atto (timm)": ["model.type=pose_timm", "model.name=convnext_atto", "model.width=1"],
}
REPEATED, SEEDS = "DUC", (0, 1, 2)
SIZES = {       # beside the base's settings; those of a system come after these
    "cpu": ["data.synthetic_train=600", "data.synthetic_val=300", "data.num_workers=1",
            "model.width=0.5", "optim.epochs=12"],
    "gpu": ["data.synthetic_train=1500", "data.synthetic_val=300", "data.batch_size=64",
            "data.num_workers=8", "model.name=resnet50", "model.width=1",
            "codec.input_size=[192, 256]", "codec.sigma=2", "codec.blur_kernel=0",
            "optim.epochs=20", "optim.lr=0.001", "optim.ema=0.99"],
}
WAYS = {f"{decoder}, {flip}": f"{name}{' + flip' * (flip == 'flip')}"
        for flip in ("no flip", "flip")
        for decoder, name in (("argmax", "argmax"), ("quarter", "quarter"),
                              ("gauss_taylor", "Gauss-Taylor"))}


def main(words: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("settings", nargs="*", metavar="section.key=value")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder of the lines")
    parser.add_argument("--page", type=Path, default=PAGE, help="page with the tables")
    arguments = parser.parse_args(words)
    size = "gpu" if load_config(BASE, arguments.settings).gpus else "cpu"
    data = data_settings(load_config(BASE, [*SIZES[size], *arguments.settings]).data)
    lines = arguments.results / f"systems_{size}.jsonl"
    arguments.results.mkdir(parents=True, exist_ok=True)
    rows = []
    for system, seed in runs():
        own = [*SIZES[size], *SYSTEMS[system], f"seed={seed}", *arguments.settings]
        row = finished(lines, system, seed, own)
        if row is None:
            row = train_and_judge(system, seed, own, data)
            add_line(lines, row)
        else:
            print(f"{system}, seed {seed}: trained on {row['date']}, see {lines}")
        rows.append(row)
        replace_section(arguments.page, f"systems_{size}", report(rows, size, arguments.settings))
    return 0


def data_settings(data: DataConfig) -> list[str]:
    """Where the drawn people are: a folder for each number of images."""
    folder = ROOT / "data" / f"systems_{data.synthetic_train}_{data.synthetic_val}"
    return [setting for name in ("train", "val")
            for setting in (f"data.{name}_ann_path={folder / name}.json",
                            f"data.{name}_img_root={folder / name}")]


def runs() -> list[tuple[str, int]]:
    """(system, seed): each system with the first seed, one of them with all."""
    return [(name, seed) for name in SYSTEMS
            for seed in (SEEDS if name == REPEATED else SEEDS[:1])]


def train_and_judge(system: str, seed: int, own: list[str], data: list[str]) -> dict[str, Any]:
    """One training and its evaluations as a line of the results. The checkpoints are removed at
    the end: they are there for a training that is stopped."""
    name = run_name(system, seed, own)
    folder = ROOT / "weights" / "systems" / name
    processor, facts = trained(BASE, [*own, *data], name, folder)
    nets = {"raw": processor.net} | (
        {"averaged": processor.averaged.net} if processor.averaged else {})
    found = {weights: processor.evaluation.sweep(net, folder, processor.train_step.dtype)
             for weights, net in nets.items()}
    row = {"benchmark": "systems", "system": system, "seed": seed, **facts,
           **{key: {weights: {way: round(metrics[key], 4) for way, metrics in ways.items()
                              if way in WAYS}
                    for weights, ways in found.items()} for key in ("AP", "AP75", "AR")},
           **circumstances(processor.device), "settings": own}
    shutil.rmtree(folder)
    return row


def report(rows: list[dict], size: str, settings: list[str]) -> str:
    """The tables of finished trainings, in the order of `runs`, with what they were made by."""
    first = rows[0]
    config = load_config(BASE, [*SIZES[size], *settings])
    width, height = config.codec.input_size
    resnet = f"{config.model.name} at {config.model.width:g} of its width"
    words = [
        f"Made by `python -m benchmarks.systems{''.join(f' {word}' for word in settings)}` on "
        f"{made_on(rows)}.",
        f"Input {width}x{height}; ResNets are {resnet}, others whole; nothing is pretrained. "
        f"{first['persons']} drawn persons to train on, {config.optim.epochs} epochs, batch "
        f"{config.data.batch_size}, {config.optim.optimizer} {config.optim.lr:g}, "
        f"{config.optim.schedule}, amp {str(config.optim.amp).lower()}; averaging with "
        f"{config.optim.ema:g}; {first['judged_persons']} other drawn persons to judge on, by "
        f"their true boxes. The rest is in `configs/quickstart.yaml`. Numbers are AP.",
    ]
    left = [f"{system} (seed {seed})" for system, seed in runs()[len(rows):]]
    if left:
        words.append(f"Not trained yet: {', '.join(left)}.")
    tables = [systems_table(rows), effects_table(rows)]
    repeated = [row for row in rows if row["system"] == REPEATED]
    return "\n\n".join([*words, *tables, *([spread_table(repeated)] if repeated[1:] else [])])


def systems_table(rows: list[dict]) -> str:
    """One training of each system, judged in all ways. GMACs are those of `main.py info`."""
    table = [["system", "parameters", "GMACs", "weights", *WAYS.values()]]
    for row in (row for row in rows if row["seed"] == SEEDS[0]):
        config = load_config(BASE, row["settings"])
        size = config.codec.input_size
        macs = cost_of(shape_only_net(config.model, size), size).macs[""]
        start = [row["system"], f"{row['parameters'] / 1e6:.2f} M", f"{macs / 1e9:.2f}"]
        for weights, scores in row["AP"].items():
            table.append([*start, weights, *(three(scores[way]) for way in WAYS)])
            start = ["", "", ""]
    return markdown_table(table)


def effects_table(rows: list[dict]) -> str:
    """What one choice changes while the others stay: mean and range over all trainings and all
    other choices."""
    def decoders(first: str, second: str) -> list[float]:
        return [scores[f"{second}, {flip}"] - scores[f"{first}, {flip}"] for row in rows
                for scores in row["AP"].values() for flip in ("no flip", "flip")]

    decoder_names = ("argmax", "quarter", "gauss_taylor")
    effects = {
        "quarter offset instead of argmax": decoders("argmax", "quarter"),
        "Gauss-Taylor instead of quarter offset": decoders("quarter", "gauss_taylor"),
        "flip test": [scores[f"{decoder}, flip"] - scores[f"{decoder}, no flip"] for row in rows
                      for scores in row["AP"].values() for decoder in decoder_names],
        "averaged weights instead of raw ones": [
            row["AP"]["averaged"][way] - row["AP"]["raw"][way] for row in rows for way in WAYS
            if "averaged" in row["AP"]],
    }
    return markdown_table([["choice", "mean change of AP", "smallest", "largest"]] + [
        [name, *(f"{round(value, 3) + 0.0:+.3f}"       # without "-0.000"
                  for value in (statistics.mean(found), min(found), max(found)))]
        for name, found in effects.items() if found])


def spread_table(rows: list[dict]) -> str:
    """Trainings that differ in the seed of weights, order and augmentation."""
    table = [[f"{REPEATED}, weights", *(f"seed {row['seed']}" for row in rows), "mean",
              "standard deviation", "largest - smallest"]]
    best = list(WAYS)[-1]
    for weights in rows[0]["AP"]:
        values = [row["AP"][weights][best] for row in rows]
        table.append([f"{weights}, {WAYS[best]}", *map(three, values),
                      three(statistics.mean(values)), three(statistics.stdev(values)),
                      three(max(values) - min(values))])
    return markdown_table(table)


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except (UserError, OSError) as error:
        sys.exit(f"error: {error}")
