"""What more labels bring: one network, trained on some of the people of a folder and on all.

    python -m benchmarks.set_size --data FOLDER [--pretrained TRUNK.pth] [section.key=value ...]

The network is the one that benchmarks/systems.py trains with several seeds, by the same settings;
sets are chosen by the seed of the training (benchmarks/subset.py). Every training has as many steps
as that on all people: with equal epochs a set of a tenth would have a tenth of the training, and
the curve would show that as well. So small sets are seen more often, and warm-up and the weak last
epochs are as large a part of each.

Each training that is finished adds a line to results/set_size_FOLDER.jsonl and is not made again;
one that was stopped goes on. Table and curve of docs/results.md are made from those lines.
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
from benchmarks.subset import people_by_image, write_subset
from benchmarks.system_plans import Plan, where
from benchmarks.systems import add_photographs, plan_of
from benchmarks.trainings import (
    BEST_WAY,
    WAYS,
    add_line,
    finished,
    judged_parts,
    made_on,
    run_name,
    three,
    trained,
    without_folders,
)
from configs.loader import load_config
from configs.schema import Config
from datasets.annotations.coco_file import read_coco
from processors.reports.figures import as_png, new_figure, plain
from utils.errors import UserError

SIZES, SEEDS = [1000, 3000], [0, 1]     # if none are given


def main(words: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("settings", nargs="*", metavar="section.key=value")
    add_photographs(parser)
    parser.add_argument("--sizes", type=numbers, default=SIZES, metavar="1000,3000",
                        help="numbers of people, beside all")
    parser.add_argument("--seeds", type=numbers, default=SEEDS, metavar="0,1")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder of the lines")
    parser.add_argument("--page", type=Path, default=PAGE, help="page with table and curve")
    arguments = parser.parse_intermixed_args(words)
    if not arguments.data:
        raise UserError("--data is missing: name the folder of the photographs")
    plan = plan_of(arguments)
    config = load_config(plan.base, plan.own(plan.repeated, 0, [*arguments.settings, *plan.data]))
    everybody = sum(map(len, people_by_image(read_coco(config.data.train_ann_path)).values()))
    lines = arguments.results / f"set_size_{plan.name}.jsonl"
    arguments.results.mkdir(parents=True, exist_ok=True)
    sizes = sorted({*arguments.sizes, everybody})
    rows = []
    for seed, size in ((seed, size) for seed in arguments.seeds for size in sizes):
        own = plan.own(plan.repeated, seed, [*arguments.settings,
                                             *equal_steps(config, size, everybody)])
        kept = list(map(without_folders, own))
        row = finished(lines, str(size), seed, kept)
        if row is None:
            people = plan.data if size == everybody else [
                *plan.data, *some_people(config, plan.name, size, seed)]
            row = {"benchmark": "set_size", "system": str(size), "seed": seed,
                   **train(plan, f"{size} people", seed, own, people), "settings": kept}
            add_line(lines, row)
        rows.append(row)
        print(f"{size} people, seed {seed}: {best_scores(row)}", flush=True)
        show(rows, plan, arguments)
    return 0


def numbers(text: str) -> list[int]:
    return list(map(int, text.split(",")))


def equal_steps(config: Config, size: int, everybody: int) -> list[str]:
    """The settings by which so many people are trained on for as many steps as everybody."""
    optim, batch = config.optim, config.data.batch_size
    steps = optim.epochs * (everybody // batch)
    epochs = max(round(steps / max(size // batch, 1)), 1)
    factor = epochs / optim.epochs
    return [f"optim.epochs={epochs}", f"optim.warmup_epochs={optim.warmup_epochs * factor:.3g}",
            f"augment.weak_epochs={round(config.augment.weak_epochs * factor)}"]


def some_people(config: Config, name: str, size: int, seed: int) -> list[str]:
    """The settings that say where so many of the people are."""
    data = config.data
    path = ROOT / "data" / "set_size" / f"{name}_{size}_{seed}.json"
    write_subset(Path(data.train_ann_path), path, size, seed)
    return where("train", path, Path(data.train_img_root))


def train(plan: Plan, system: str, seed: int, own: list[str], people: list[str],
          ) -> dict[str, Any]:
    """One training and its evaluations. Its checkpoints are removed at the end."""
    name = run_name(system, seed, list(map(without_folders, own)))
    folder = ROOT / "weights" / "set_size" / name
    processor, facts = trained(plan.base, [*own, *people], name, folder)
    scores = judged_parts(processor, plan.parts, folder)
    shutil.rmtree(folder)
    return {**facts, "parts": scores, **circumstances(processor.device)}


def best_scores(row: dict) -> dict[str, float]:
    """AP on each part."""
    return {part: scores["AP"]["averaged"][BEST_WAY] for part, scores in row["parts"].items()}


def by_size(rows: list[dict]) -> dict[int, list[dict]]:
    """Finished trainings by the number of people, the smallest first."""
    return {size: [row for row in rows if row["system"] == str(size)]
            for size in sorted({int(row["system"]) for row in rows})}


def show(rows: list[dict], plan: Plan, arguments: argparse.Namespace) -> None:
    """Table and curve of finished trainings."""
    picture = arguments.page.parent / f"set_size_{plan.name}.png"
    picture.write_bytes(curve(rows, list(plan.parts)))
    settings = [*(f"--{name} {','.join(map(str, given))}" for name, given, default in (
                    ("sizes", arguments.sizes, SIZES), ("seeds", arguments.seeds, SEEDS))
                  if given != default), *map(without_folders, arguments.settings)]
    replace_section(arguments.page, f"set_size_{plan.name}", "\n\n".join([
        report(rows, plan, settings, arguments.seeds),
        f"![AP by the number of people]({picture.name})"]))


def report(rows: list[dict], plan: Plan, settings: list[str], seeds: list[int]) -> str:
    first, *others = plan.parts
    command = " ".join(["python -m benchmarks.set_size", *plan.command, *settings])
    words = (f"Made by `{command}` on {made_on(rows)}. {plan.repeated}; AP by {WAYS[BEST_WAY]}, "
             f"averaged weights, true boxes; first the seeds on {first}, then the means of the "
             f"other parts.")
    table = [["persons", "epochs", "steps", "minutes", *(f"{first}, seed {seed}" for seed in seeds),
              "mean", *others]]
    for size, same in by_size(rows).items():
        scores = [best_scores(row) for row in same]
        minutes = [row["minutes"] for row in same if row["minutes"] is not None]
        of_seed = {row["seed"]: three(best_scores(row)[first]) for row in same}
        table.append([
            f"{size:,}", str(same[0]["epochs"]), str(same[0]["steps"]),
            f"{min(minutes):.1f}" if minutes else "-", *(of_seed.get(seed, "-") for seed in seeds),
            *(three(statistics.mean(score[part] for score in scores))
              if all(part in score for score in scores) else "-" for part in plan.parts)])
    return f"{words}\n\n{markdown_table(table)}"


def curve(rows: list[dict], parts: list[str]) -> bytes:
    """A PNG: the mean AP of each part over the number of people, and each training as a point."""
    figure, axes = new_figure(height=5)
    sizes = by_size(rows)
    for part in parts:
        points = [(size, best_scores(row)[part]) for size, same in sizes.items() for row in same
                  if part in row["parts"]]
        means = {size: statistics.mean(score for other, score in points if other == size)
                 for size, _ in points}
        line, = axes.plot(list(means), list(means.values()), label=plain(part))
        axes.plot([size for size, _ in points], [score for _, score in points], ".",
                  color=line.get_color())
    axes.set(xscale="log", xlabel="persons to train on", ylabel="AP", ylim=(0, None))
    axes.set_xticks(list(sizes), [f"{size:,}" for size in sizes])
    axes.minorticks_off()
    axes.grid(alpha=0.3)
    axes.legend()
    return as_png(figure)


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except (UserError, OSError) as error:
        sys.exit(f"error: {error}")
