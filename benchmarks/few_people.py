"""What `init` proposes for 60, 200 and 600 people, beside settings that were chosen by hand.

    python -m benchmarks.subset person_keypoints_train.json mpii_train.json --names mpii_
    python -m benchmarks.subset person_keypoints_val.json mpii_val.json --names mpii_
    python -m benchmarks.few_people mpii_train.json train mpii_val.json val
        [--starts NAME ...] [--people N ...] [--rows NAME ...] [--seeds N ...]

Of the people of the first COCO file, whose pictures lie in the folder behind it, those of images in
a random order are taken until there are enough; `init` proposes a YAML for them, which keeps some
to validate. All rows of few_people.yaml train on the others, choose their best epoch by those that
validate, as a user would, and are judged on the second file, which none has seen, by true boxes. A
seed is one of people and of training.

Each training that is finished adds a line to results/few_people.jsonl and is not made again. The
tables of docs/results.md are made from those lines.
"""
import argparse
import json
import shutil
import statistics
import sys
import time
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.common import PAGE, RESULTS, circumstances, markdown_table, replace_section
from benchmarks.subset import write_subset
from benchmarks.trainings import add_line, finished, made_on, run_name, three
from configs.loader import load_config
from configs.schema import Config
from configs.strict_yaml import read_yaml
from processors.dp_pose_resnet_solver import DPProcessor
from processors.jobs.evaluate import evaluate_weights
from processors.jobs.init import propose
from utils.errors import UserError

SETTINGS = ROOT / "benchmarks" / "few_people.yaml"
WORK = ROOT / "weights" / "few_people"
PROPOSAL = "as init proposes"
PEOPLE = (60, 200, 600)


@dataclass(frozen=True)
class Trial:
    start: str
    people: int
    row: str
    seed: int

    @property
    def system(self) -> str:
        return f"{self.start}, {self.people}, {self.row}"


def main(words: list[str]) -> int:
    plan = read_yaml(SETTINGS)
    rows = [PROPOSAL, *plan["hands"], *plan["changes"]]
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    for name in ("labels", "images", "judged", "judged_images"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--starts", nargs="+", default=[*plan["starts"]], choices=plan["starts"])
    parser.add_argument("--people", nargs="+", type=int, default=PEOPLE, choices=PEOPLE)
    parser.add_argument("--rows", nargs="+", default=rows, choices=rows)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder of the lines")
    parser.add_argument("--page", type=Path, default=PAGE, help="page with the tables")
    options = parser.parse_args(words)
    lines = options.results / "few_people.jsonl"
    for trial in (Trial(start, people, row, seed) for seed in options.seeds
                  for start in options.starts for people in options.people for row in options.rows):
        own = settings_of(trial, plan)
        kept = [*own, f"labels={options.labels.name}",      # what tells lines apart
                f"judged={options.judged.name}"]
        row = finished(lines, trial.system, trial.seed, kept)
        if row is None:
            row = {"benchmark": "few_people", "system": trial.system, "seed": trial.seed,
                   "start": trial.start, "people": trial.people, "row": trial.row,
                   "labels": options.labels.name, "judged": options.judged.name,
                   **train(trial, own, plan, options), "settings": kept}
            add_line(lines, row)
        print(f"{trial.system}, seed {trial.seed}: {row['AP']}", flush=True)
        replace_section(options.page, "few_people", report(lines, plan))
    return 0


def settings_of(trial: Trial, plan: dict[str, Any]) -> list[str]:
    """What is changed of the proposal, or, for rows by hand, of their base."""
    start = plan["starts"][trial.start]
    if trial.row in plan["hands"]:
        return [*plan["settings"], *plan["hands"][trial.row]["settings"], *start]
    return [*start, *plan["changes"].get(trial.row, [])]


def train(trial: Trial, own: list[str], plan: dict[str, Any], options: argparse.Namespace,
          ) -> dict[str, Any]:
    """One training, of which the best weights are judged. Its files are removed at the end."""
    folder = WORK / run_name(trial.system, trial.seed, own)
    base = proposed(trial, folder, options)
    proposal = load_config(base)
    settings = [*own, f"seed={trial.seed}", f"val.weight_path={folder}", "val.save_minutes=2"]
    if trial.row in plan["hands"]:
        base = ROOT / plan["base"]
        settings += by_hand(proposal, own, plan["hands"][trial.row]["epochs"][trial.people])
    epochs = proposal.optim.epochs
    in_epochs = {"freeze a quarter": f"optim.freeze_epochs={epochs // 4}",
                 "half of the epochs": f"optim.epochs={epochs // 2}"}
    settings = [in_epochs.get(word, word) for word in settings]
    begin = time.process_time()
    processor = DPProcessor(base, settings)
    whole = processor.state.step == 0
    processor.run()
    minutes = round((time.process_time() - begin) / 60, 1)
    judged = load_config(base, [*settings, f"data.val_ann_path={options.judged}",
                                f"data.val_img_root={options.judged_images}"])
    scores = evaluate_weights(judged)[""].values
    shutil.rmtree(folder)
    return {"AP": round(scores["AP"], 4), "own AP": round(processor.state.best["AP"], 4),
            "learnt from": len(processor.train_set), "epochs": processor.config.optim.epochs,
            "ended": processor.state.epoch,
            "CPU minutes": minutes if whole else None,      # null: it was stopped on the way
            **circumstances(processor.device)}


def proposed(trial: Trial, folder: Path, options: argparse.Namespace) -> Path:
    """The YAML that init writes; from nothing where the start is not its own."""
    labels, out = folder / "labels.json", folder / "proposal.yaml"
    if not out.is_file():
        write_subset(options.labels, labels, trial.people, trial.seed)
        own = trial.start == "photographs"
        with nullcontext() if own else patch("processors.jobs.init.weights_for", lambda _: ""):
            propose(labels, out, options.images)
    return out


def by_hand(proposal: Config, own: list[str], epochs: int) -> list[str]:
    """The data of the proposal, and what goes by the epochs."""
    multistep = "optim.schedule=multistep" in own
    return [*(f"data.{key}={getattr(proposal.data, key)}" for key in (
                "train_ann_path", "val_ann_path", "train_img_root", "val_img_root")),
            f"optim.epochs={epochs}", f"optim.warmup_epochs={max(1, epochs // 20)}",
            f"val.interval={proposal.val.interval}",
            *([f"optim.milestones=[{round(0.7 * epochs)}, {round(0.9 * epochs)}]"] * multistep)]


def report(lines: Path, plan: dict[str, Any]) -> str:
    """A table for each start and file: rows of settings, columns of people, the mean AP over
    seeds."""
    done = [json.loads(line) for line in lines.read_text(encoding="utf-8").splitlines()]
    command = "python -m benchmarks.few_people mpii_train.json train mpii_val.json val"
    parts = [f"Made by `{command}` on {made_on(done)}."]
    tables = dict.fromkeys((start, row["labels"], row["judged"])
                           for start in plan["starts"] for row in done if row["start"] == start)
    for start, labels, judged in tables:
        rows = [row for row in done
                if (row["start"], row["labels"], row["judged"]) == (start, labels, judged)]
        sizes = sorted({row["people"] for row in rows})
        table = [[f"begun with {start}", *(f"{size} people" for size in sizes)]]
        for name in [PROPOSAL, *plan["hands"], *plan["changes"]]:
            cells = [in_words([row for row in rows if (row["row"], row["people"]) == (name, size)])
                     for size in sizes]
            table += [[name, *cells]] if any(cells) else []
        parts.append(f"{labels}, judged on {judged}:\n\n{markdown_table(table)}")
    return "\n\n".join(parts)


def in_words(rows: list[dict[str, Any]]) -> str:
    """.312 +- .010 (3), 4.1 min: the mean of the last line of each seed, the standard deviation,
    how many seeds, the mean of the CPU minutes of those that were not stopped on the way."""
    last = {row["seed"]: row for row in rows}.values()
    if not last:
        return ""
    scores = [row["AP"] for row in last]
    spread = f" +- {three(statistics.stdev(scores))} ({len(scores)})" if scores[1:] else ""
    minutes = [row["CPU minutes"] for row in last if row["CPU minutes"] is not None]
    took = f", {statistics.mean(minutes):.1f} min" if minutes else ""
    return f"{three(statistics.mean(scores))}{spread}{took}"


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except (UserError, OSError) as error:
        sys.exit(f"error: {error}")
