"""Rows of settings, trained on the same data with the same seeds: AP, its spread, and the cost.

    python -m benchmarks.compare benchmarks/comparisons/outputs_drawn.yaml [section.key=value ...]

The file names a YAML as its base, the settings of all rows, the rows with their own, and the seeds.
Each training that is finished adds a line to results/compare_NAME.jsonl and is not made again; one
that was stopped goes on. The table of docs/results.md is made from those lines, which come with the
project: to train all of them yourself, name an empty folder by --results, and a copy of the page by
--page. Settings on the command line are for all rows, as where the data lie; of a path only the
last name is kept.
"""
import argparse
import json
import re
import shutil
import statistics
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.common import PAGE, RESULTS, circumstances, markdown_table, replace_section
from benchmarks.trainings import add_line, finished, made_on, run_name, three, trained
from configs.strict_yaml import read_yaml
from processors.jobs.info import cost_of, shape_only_net
from utils.errors import UserError

SCORES = ("AP", "visibility")       # that lines keep


@dataclass(frozen=True)
class Comparison:
    name: str
    base: Path                          # a YAML
    settings: list[str]                 # of all rows, "section.key=value"
    rows: dict[str, list[str]]
    seeds: list[int]

    def runs(self) -> Iterator[tuple[str, int]]:
        """(row, seed): all rows with the first seed come first."""
        yield from ((row, seed) for seed in self.seeds for row in self.rows)


def read_comparison(path: Path) -> Comparison:
    content = read_yaml(path)
    return Comparison(path.stem, ROOT / content["base"], content["settings"], content["rows"],
                      content["seeds"])


def main(words: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("comparison", type=Path)
    parser.add_argument("settings", nargs="*", metavar="section.key=value")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder of the lines")
    parser.add_argument("--page", type=Path, default=PAGE, help="page with the table")
    arguments = parser.parse_args(words)
    comparison = read_comparison(arguments.comparison)
    lines = arguments.results / f"compare_{comparison.name}.jsonl"
    arguments.results.mkdir(parents=True, exist_ok=True)
    rows = []
    for name, seed in comparison.runs():
        own = [*comparison.settings, *comparison.rows[name], f"seed={seed}", *arguments.settings]
        kept = list(map(without_folders, own))
        row = finished(lines, name, seed, kept)
        if row is None:
            row = {"benchmark": comparison.name, "system": name, "seed": seed,
                   **train(comparison.base, name, seed, own), "settings": kept}
            add_line(lines, row)
        rows.append(row)
        print(f"{name}, seed {seed}: {row['AP']}", flush=True)
        replace_section(arguments.page, f"compare_{comparison.name}",
                        report(comparison, rows, list(map(without_folders, arguments.settings))))
    return 0


def without_folders(setting: str) -> str:
    """data.val_ann_path=/home/me/val.json: data.val_ann_path=val.json; so in lists, too."""
    return re.sub(r"[^\s={}\[\],]*/(?=[^\s/])", "", setting).replace("/", "")


def train(base: Path, name: str, seed: int, own: list[str]) -> dict[str, Any]:
    """One training, judged after its last epoch. Its checkpoints are removed at the end."""
    run = run_name(name, seed, own)
    folder = ROOT / "weights" / "compare" / run
    processor, facts = trained(base, [*own, "processor=dp"], run, folder)
    config = processor.config
    net = shape_only_net(config.model, config.codec.input_size)
    macs = cost_of(net, config.codec.input_size).macs[""]
    scores = {score: last_scores(folder / "metrics.jsonl", score) for score in SCORES}
    shutil.rmtree(folder)
    return {**facts, "GMACs": round(macs / 1e9, 3), **scores, **circumstances(processor.device)}


def last_scores(metrics: Path, score: str = "AP") -> dict[str, float]:
    """A number of the last evaluation, where it has it, of the raw weights and of the averaged
    ones."""
    lines = [json.loads(line) for line in metrics.read_text(encoding="utf-8").splitlines()]
    return {{"net": "raw", "ema": "averaged"}[line["weights"]]: round(line[score], 4)
            for line in lines if line["kind"] == "val" and score in line}


def report(comparison: Comparison, rows: list[dict], settings: list[str]) -> str:
    """The table of finished trainings, with what they were made by."""
    first = rows[0]
    left = len([*comparison.runs()]) - len(rows)
    words = (f"Made by `python -m benchmarks.compare benchmarks/comparisons/{comparison.name}.yaml"
             f"{''.join(f' {word}' for word in settings)}` on {made_on(rows)}. "
             f"{first['persons']} persons to train on, {first['epochs']} epochs; "
             f"{first['judged_persons']} others to judge on, by their true boxes, after the last "
             f"epoch. Mean and standard deviation over seeds."
             f"{f' {left} trainings are missing.' if left else ''}")
    weights = "averaged" if "averaged" in first["AP"] else "raw"
    table = [["", "parameters", "GMACs", "minutes", *map(str, comparison.seeds), "AP, mean",
              "deviation"]]
    tells = any(row.get("visibility") for row in rows)
    table[0] += ["visibility right, mean"] * tells
    for name in comparison.rows:
        own = [row for row in rows if row["system"] == name]
        values = [row["AP"][weights] for row in own]
        minutes = [row["minutes"] for row in own if row["minutes"] is not None]
        if own:
            table.append([
                name, f"{own[0]['parameters'] / 1e6:.2f} M", f"{own[0]['GMACs']:.3f}",
                f"{min(minutes):.1f}" if minutes else "-",
                *[*map(three, values), *["-"] * (len(comparison.seeds) - len(values))],
                three(statistics.mean(values)),
                three(statistics.stdev(values)) if values[1:] else "-"])
            right = [row["visibility"][weights] for row in own if row.get("visibility")]
            table[-1] += [three(statistics.mean(right)) if right else "-"] * tells
    return f"{words}\n\n{markdown_table(table)}"


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except (UserError, OSError) as error:
        sys.exit(f"error: {error}")
