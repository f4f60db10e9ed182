"""Rows of settings, trained on the same data with the same seeds: AP, its spread, and the cost.

    python -m benchmarks.compare benchmarks/comparisons/outputs_drawn.yaml [section.key=value ...]

The file names a YAML as its base, the settings of all rows, the rows with their own, and the seeds.
Each training that is finished adds a line to results/compare_NAME.jsonl and is not made again; one
that was stopped goes on. The table of docs/results.md is made from those lines, which come with the
project: to train all of them yourself, name an empty folder by --results, and a copy of the page by
--page. Settings on the command line are for all rows, as where the data lie; of a path only the
last name is kept. With `ways: true` in the file each training is also judged by other decoders,
and the table shows what each row changes.
"""
import argparse
import json
import shutil
import statistics
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.common import PAGE, RESULTS, circumstances, markdown_table, replace_section
from benchmarks.trainings import (
    BEST_WAY,
    add_line,
    finished,
    judged,
    made_on,
    run_name,
    three,
    trained,
    without_folders,
)
from configs.strict_yaml import read_yaml
from processors.jobs.info import cost_of, shape_only_net
from utils.alignment import get_alignment
from utils.errors import UserError

SCORES = ("AP", "visibility")       # that lines keep
QUARTER = "quarter, flip"


@dataclass(frozen=True)
class Comparison:
    name: str
    base: Path                          # a YAML
    settings: list[str]                 # of all rows, "section.key=value"
    rows: dict[str, list[str]]
    seeds: list[int]
    ways: bool = False                  # whether to judge by other decoders, too

    def runs(self) -> Iterator[tuple[str, int]]:
        """(row, seed): all rows with the first seed come first."""
        yield from ((row, seed) for seed in self.seeds for row in self.rows)


def read_comparison(path: Path) -> Comparison:
    content = read_yaml(path)
    return Comparison(path.stem, ROOT / content["base"], content["settings"], content["rows"],
                      content["seeds"], content.get("ways", False))


def main(words: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("comparison", type=Path)
    parser.add_argument("settings", nargs="*", metavar="section.key=value")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder of the lines")
    parser.add_argument("--page", type=Path, default=PAGE, help="page with the table")
    arguments = parser.parse_intermixed_args(words)
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
                   **train(comparison, name, seed, own), "settings": kept}
            add_line(lines, row)
        rows.append(row)
        print(f"{name}, seed {seed}: {row['AP']}", flush=True)
        replace_section(arguments.page, f"compare_{comparison.name}",
                        report(comparison, rows, list(map(without_folders, arguments.settings))))
    return 0


def train(comparison: Comparison, name: str, seed: int, own: list[str]) -> dict[str, Any]:
    """One training, judged after its last epoch. Its checkpoints are removed at the end."""
    run = run_name(name, seed, own)
    folder = ROOT / "weights" / "compare" / run
    processor, facts = trained(comparison.base, [*own, "processor=dp"], run, folder)
    config = processor.config
    net = shape_only_net(config.model, config.codec.input_size)
    macs = cost_of(net, config.codec.input_size).macs[""]
    scores: dict[str, Any] = {score: last_scores(folder / "metrics.jsonl", score)
                              for score in SCORES}
    if comparison.ways:
        scores["ways"] = fitting(judged(processor, processor.evaluation, folder)["AP"],
                                 config.codec.alignment)
    shutil.rmtree(folder)
    return {**facts, "GMACs": round(macs / 1e9, 3), **scores, **circumstances(processor.device)}


def last_scores(metrics: Path, score: str = "AP") -> dict[str, float]:
    """A number of the last evaluation, where it has it, of the raw weights and of the averaged
    ones."""
    lines = [json.loads(line) for line in metrics.read_text(encoding="utf-8").splitlines()]
    return {{"net": "raw", "ema": "averaged"}[line["weights"]]: round(line[score], 4)
            for line in lines if line["kind"] == "val" and score in line}


def fitting(scores: dict[str, dict[str, float]], alignment: str) -> dict[str, dict[str, float]]:
    """Of the scores by weights and way those of decoders that fit the alignment."""
    decoders = get_alignment(alignment).decoders
    return {weights: {way: score for way, score in ways.items() if way.split(",")[0] in decoders}
            for weights, ways in scores.items()}


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
    if comparison.ways:
        return (f"{words} AP is of raw weights by Gauss-Taylor and flip test; the last two columns "
                f"say what judging changes in the same trainings.\n\n"
                f"{changes_table(comparison, rows)}")
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


def changes_table(comparison: Comparison, rows: list[dict]) -> str:
    """AP of raw weights by Gauss-Taylor and flip test, how far its mean is from that of the first
    row over the same seeds, and what judging changes in the same trainings."""
    table = [["", "steps", "minutes", *map(str, comparison.seeds), "AP, mean", "deviation",
              "change", "Gauss-Taylor instead of quarter", "averaged instead of raw weights"]]
    scores = {(row["system"], row["seed"]): row["ways"]["raw"][BEST_WAY] for row in rows}
    plain = next(iter(comparison.rows))
    for name in comparison.rows:
        own = [row for row in rows if row["system"] == name]
        if not own:
            continue
        values = [scores[name, row["seed"]] for row in own]
        minutes = [row["minutes"] for row in own if row["minutes"] is not None]
        table.append([
            name, str(own[0]["steps"]), f"{min(minutes):.1f}" if minutes else "-",
            *[*map(three, values), *["-"] * (len(comparison.seeds) - len(values))],
            three(statistics.mean(values)), three(statistics.stdev(values)) if values[1:] else "-",
            "-" if name == plain else signed_mean(
                scores[name, row["seed"]] - scores[plain, row["seed"]] for row in own),
            signed_mean(row["ways"]["raw"][BEST_WAY] - row["ways"]["raw"][QUARTER]
                        for row in own if QUARTER in row["ways"]["raw"]),
            signed_mean(row["ways"]["averaged"][BEST_WAY] - row["ways"]["raw"][BEST_WAY]
                        for row in own if "averaged" in row["ways"])])
    return markdown_table(table)


def signed_mean(changes: Iterable[float]) -> str:
    values = list(changes)
    return f"{round(statistics.mean(values), 3) + 0.0:+.3f}" if values else "-"    # no "-0.000"


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except (UserError, OSError) as error:
        sys.exit(f"error: {error}")
