"""Every kind of network of the project, trained and judged alike on the same people.

    python -m benchmarks.systems [section.key=value ...]        (with gpus=0: at full size)
    python -m benchmarks.systems --data FOLDER [--pretrained TRUNK.pth] [section.key=value ...]

The first form draws the people and trains DConv, DUC, both with SE layers, HRNet-W32, ViT-S and two
small networks of timm (a package of its own). The second takes those of a folder, as
configs/photographs.yaml has one, and trains the ResNets, from the given weights and from nothing,
and HRNet-W32 (benchmarks/system_plans.py). All with the same data, seed and recipe, one of them
with three seeds; each is judged with all decoders, with and without flip test, raw and averaged
weights; photographs by parts (benchmarks/parts.py), and on the sets that --judge names.

Each training that is finished adds a line to results/systems_cpu.jsonl (or _gpu, or the folder's
name) and is not made again; one that was stopped goes on. The tables of docs/results.md are made
from those lines, which come with the project: to train all of them yourself, name an empty folder
by --results, and a copy of the page by --page.
"""
import argparse
import shutil
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.common import PAGE, RESULTS, circumstances, replace_section
from benchmarks.system_plans import Plan, drawn_plan, photographs_plan
from benchmarks.systems_page import report
from benchmarks.trainings import (
    add_line,
    finished,
    judged,
    judged_parts,
    run_name,
    trained,
    without_folders,
)
from utils.errors import UserError


def main(words: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("settings", nargs="*", metavar="section.key=value")
    add_photographs(parser)
    parser.add_argument("--part", help="of whom the long tables are; the first one if not given")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder of the lines")
    parser.add_argument("--page", type=Path, default=PAGE, help="page with the tables")
    arguments = parser.parse_intermixed_args(words)
    plan = plan_of(arguments)
    part = arguments.part or next(iter(plan.parts), "")
    if part and part not in plan.parts:
        raise UserError(f"--part {part} is none of {', '.join(plan.parts) or 'drawn people'}")
    lines = arguments.results / f"systems_{plan.name}.jsonl"
    arguments.results.mkdir(parents=True, exist_ok=True)
    rows = []
    for system, seed in plan.runs():
        kept = list(map(without_folders, plan.own(system, seed, arguments.settings)))
        row = finished(lines, system, seed, kept)
        if row is None:
            row = train_and_judge(plan, system, seed, arguments.settings, kept)
            add_line(lines, row)
        else:
            print(f"{system}, seed {seed}: trained on {row['date']}, see {lines}")
        rows.append(row)
        replace_section(arguments.page, f"systems_{plan.name}",
                        report(rows, plan, list(map(without_folders, arguments.settings)), part))
    return 0


def add_photographs(parser: argparse.ArgumentParser) -> None:
    """The options that say where photographed people are."""
    parser.add_argument("--data", type=Path, help="a folder with train/, val/ and annotations/"
                                                  "person_keypoints_{train,val}.json")
    parser.add_argument("--pretrained", type=Path, help="with --data: weights to begin with")
    parser.add_argument("--judge", nargs=3, action="append", default=[],
                        metavar=("NAME", "LABELS", "IMAGES"),
                        help="with --data: one more set of people to judge on")


def plan_of(arguments: argparse.Namespace) -> Plan:
    if arguments.data:
        return photographs_plan(
            arguments.data, arguments.pretrained,
            [(name, Path(labels), Path(images)) for name, labels, images in arguments.judge])
    if arguments.pretrained or arguments.judge:
        raise UserError("--pretrained and --judge are for photographs: say where by --data")
    return drawn_plan(arguments.settings)


def train_and_judge(plan: Plan, system: str, seed: int, words: list[str], kept: list[str],
                    ) -> dict[str, Any]:
    """One training and its evaluations as a line of the results. The checkpoints are removed at
    the end: they are there for a training that is stopped. kept: the settings that tell it from
    others."""
    name = run_name(system, seed, kept)
    folder = ROOT / "weights" / "systems" / name
    processor, facts = trained(plan.base, [*plan.own(system, seed, words), *plan.data], name,
                               folder)
    scores = {"parts": judged_parts(processor, plan.parts, folder)} if plan.parts else judged(
        processor, processor.evaluation, folder)
    shutil.rmtree(folder)
    return {"benchmark": "systems", "system": system, "seed": seed, **facts, **scores,
            **circumstances(processor.device), "settings": kept}


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except (UserError, OSError) as error:
        sys.exit(f"error: {error}")
