"""Does it teach more to label the people that `rank` names first than others by lot?

    python -m benchmarks.rank_benefit configs/photographs.yaml data.train_ann_path=... [...]

A network is trained on a small first set (--first) of the training people, drawn by lot. It looks
at all others as if they had no labels, and is calibrated on the validation people. Then --people
more are labelled, those that `rank` would name or as many by lot, and it is trained on from its
weights on the first set and those, --draws times each, with other seeds and other lots. Each
training that is finished adds a line to results/rank_benefit.jsonl and is not made again; one that
was stopped goes on. Settings are for all trainings, those of --again for the second ones only.
"""
import argparse
import json
import shutil
import statistics
import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.common import RESULTS, circumstances, markdown_table
from benchmarks.compare import last_scores, without_folders
from benchmarks.subset import write
from benchmarks.trainings import add_line, finished, run_name, three, trained
from configs.loader import load_config
from configs.schema import Config
from datasets.annotations.coco_file import read_coco
from datasets.annotations.skeleton import load_skeleton
from datasets.synthetic.data_set import ensure_synthetic
from processors.ranking.calibrated import calibrated
from processors.ranking.disagreement import Opinion
from processors.ranking.next_images import middle_first
from processors.ranking.people import labelled_set, look_at_labelled
from processors.ranking.rank import load_to_rank
from processors.ranking.unsure import unsure_people
from utils.errors import UserError

SYSTEMS = ("ranked", "random")


@dataclass(frozen=True)
class Benefit:
    base: Path
    settings: list[str]
    again: list[str]            # of the second training alone
    first: int                  # people of the first set
    people: int                 # and how many are added

    @property
    def kept(self) -> list[str]:
        """What tells lines apart."""
        return [*map(without_folders, (*self.settings, *self.again)), f"first={self.first}",
                f"people={self.people}"]

    @cached_property
    def folder(self) -> Path:
        """Of the files in between; the same for the same settings, so that it goes on there."""
        return ROOT / "weights" / "compare" / run_name("rank_benefit", 0, self.kept)

    @cached_property
    def config(self) -> Config:
        config = load_config(self.base, self.settings)
        ensure_synthetic(config.data, seed=0)
        return config

    @cached_property
    def rows(self) -> np.ndarray:
        """Rows of the training people in their file, in an order drawn by lot."""
        dataset = labelled_set(self.config, load_skeleton(self.config.data.skeleton), "train")
        if len(dataset) < self.first + self.people:
            raise UserError(f"{dataset.source} has {len(dataset)} people, and --first and --people "
                            f"ask for {self.first} + {self.people}: ask for fewer")
        return np.random.default_rng(0).permutation(dataset.persons.rows)

    @cached_property
    def weights(self) -> Path:
        """Those of the network that was trained on the first set."""
        return self.folder / "first" / "first_best.pth"

    def line(self, system: str, draw: int) -> dict[str, Any]:
        """Of the first training, or of a second one, whose checkpoints are removed at its end."""
        if system == "first":
            return self.train("first", self.rows[:self.first], ["seed=0"])
        rows = np.concatenate([self.rows[:self.first], self.chosen(system, draw)])
        name = f"{system}_{draw}"
        found = self.train(name, rows, [*self.again, f"model.pretrained={self.weights}",
                                        f"seed={draw}"])
        shutil.rmtree(self.folder / name)
        return found

    def train(self, name: str, rows: np.ndarray, settings: list[str]) -> dict[str, Any]:
        """Train on the people at these rows of the file; facts, and AP after the last epoch."""
        path = self.folder / f"{name}.json"
        write_part(Path(self.config.data.train_ann_path), rows, path)
        processor, facts = trained(self.base, [
            *self.settings, *settings, f"data.train_ann_path={path}", "processor=dp"], name,
            self.folder / name)
        scores = last_scores(self.folder / name / "metrics.jsonl")
        return {**facts, "AP": scores, **circumstances(processor.device)}

    def ranked(self) -> list[int]:
        """Rows of people outside of the first set, in the order in which rank names them."""
        model = load_to_rank(self.config, self.weights)
        worth = calibrated(
            look_at_labelled(model, labelled_set(model.config, model.skeleton, "val")),
            model.skeleton)
        dataset = labelled_set(model.config, model.skeleton, "train")
        people = look_at_labelled(model, dataset)
        scores = unsure_people(Opinion(people, worth, model.skeleton))
        rows = dataset.persons.rows[people.looks.index][np.argsort(-scores, kind="stable")]
        return middle_first(rows[~np.isin(rows, self.rows[:self.first])].tolist())

    def chosen(self, system: str, draw: int) -> np.ndarray:
        """Rows of the people that are labelled in addition."""
        if system == "random":
            others = self.rows[self.first:]
            return np.random.default_rng(draw).permutation(others)[:self.people]
        path = self.folder / "ranked.json"      # the order; so a stopped benchmark need not look
        if not path.is_file():
            path.write_text(json.dumps(self.ranked()))
        return np.array(json.loads(path.read_bytes()))[:self.people]


def write_part(source: Path, rows: np.ndarray, path: Path) -> None:
    """The annotations of these rows of a COCO file, and the images they are in."""
    coco = read_coco(source)
    people = [coco.annotations[row] for row in sorted(rows.tolist())]
    used = {person["image_id"] for person in people}
    write(path, coco, [image for image in coco.images if image["id"] in used], people)


def main(words: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("base", type=Path)
    parser.add_argument("settings", nargs="*", metavar="section.key=value")
    parser.add_argument("--again", nargs="*", default=[], metavar="section.key=value")
    parser.add_argument("--first", type=int, default=300)
    parser.add_argument("--people", type=int, default=100)
    parser.add_argument("--draws", type=int, default=5)
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder of the lines")
    arguments = parser.parse_intermixed_args(words)
    benefit = Benefit(arguments.base, arguments.settings, arguments.again, arguments.first,
                      arguments.people)
    arguments.results.mkdir(parents=True, exist_ok=True)
    lines = arguments.results / "rank_benefit.jsonl"

    wanted = [("first", 0), *((system, draw) for draw in range(arguments.draws)
                              for system in SYSTEMS)]
    done = {one: finished(lines, *one, benefit.kept) for one in wanted}
    if not all(done.values()) and not benefit.weights.is_file():
        done["first", 0] = None     # its line may be there, but its weights are needed
    rows = []
    for (system, draw), row in done.items():
        if row is None:
            row = {"benchmark": "rank_benefit", "system": system, "seed": draw,
                   **benefit.line(system, draw), "settings": benefit.kept}
            add_line(lines, row)
        print(f"{system}, {draw}: {row['AP']}", flush=True)
        rows.append(row)
    print(report(rows))
    shutil.rmtree(benefit.folder, ignore_errors=True)
    return 0


def report(rows: list[dict[str, Any]]) -> str:
    """A table: AP of each, the mean and the deviation."""
    table = [["", "AP, mean", "deviation", "each"]]
    for system in ("first", *SYSTEMS):
        values = [row["AP"].get("averaged", row["AP"]["raw"]) for row in rows
                  if row["system"] == system]
        if values:
            table.append([system, three(statistics.mean(values)),
                          three(statistics.stdev(values)) if values[1:] else "-",
                          " ".join(map(three, values))])
    return markdown_table(table)


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except (UserError, OSError) as error:
        sys.exit(f"error: {error}")
