"""A YOLO-pose network of ultralytics beside ours: the same labels, the same people to judge by.

    python -m benchmarks.yolo_pose --yolo-python VENV/bin/python [--epochs N] [--imgsz N]
        [--people TRAIN.json TRAIN_IMAGES VAL.json VAL_IMAGES]

Each side learns from the same YOLO tree (benchmarks/yolo/trees.py): drawn lizards or, where COCO
keypoints files are given, 200 people of theirs. YOLO starts from nothing by its own YAML and
settings, as its weights cannot be had everywhere; ours once from nothing and once as `init` writes
it. ultralytics (AGPL-3.0) is not needed to use this project: VENV is an environment of its own, in
which `pip install ultralytics` was done.

Every command is one that users type, on the CPU and with one thread; its CPU time counts, with that
of its workers. Ctrl-C ends at a checkpoint and the same command goes on (a line counts its
`starts`: YOLO repeats its random numbers at each, so better let it run). Finished rows are lines in
results/yolo_pose.jsonl, from which the tables of docs/from_yolo_pose.md are made, and are not made
again: to train all of them yourself, name an empty folder by --results, and a copy of the page by
--page.
"""
import argparse
import json
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.common import RESULTS, circumstances, markdown_table, replace_section
from benchmarks.trainings import add_line, finished, made_on, three
from benchmarks.yolo.judged import PCK_AT, numbers, of_labelled_boxes, results_of
from benchmarks.yolo.trees import ensure_tree, write_lizards, write_people
from configs.loader import load_config
from configs.schema import Config
from datasets.annotations.skeleton import load_skeleton
from processors.evaluation.ground_truth import GroundTruth, read_ground_truth
from processors.jobs import init
from processors.jobs.info import cost_of, shape_only_net
from utils.errors import UserError

PAGE = ROOT / "docs" / "from_yolo_pose.md"
SIDE_SCRIPT = ROOT / "benchmarks" / "yolo" / "yolo_side.py"
NETWORK, EPOCHS = "yolo11n-pose", 100       # 100 is its default
SIDES = {"lizards": 320, "people": 640}     # imgsz: as large as they are drawn; its default
YOLO, NOTHING, PROPOSED = "YOLO11n-pose, from nothing", "ours, from nothing", "ours, as init writes"
ENVIRONMENT = {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "", "YOLO_OFFLINE": "true",
               "YOLO_AUTOINSTALL": "false"}
OURS = {NOTHING: "nothing", PROPOSED: "proposed"}       # names of files
WAYS = {"labelled": "of the labels", "found": "of YOLO"}       # boxes


@dataclass(frozen=True)
class Set:
    """What is learned and judged, and where its files go."""
    name: str
    folder: Path
    seed: int
    yolo_python: str
    epochs: int             # of YOLO
    side: int               # of YOLO's input, pixels

    @property
    def data(self) -> Path:
        return self.folder / "tree" / "data.yaml"

    @property
    def yolo(self) -> Path:
        """The folder of its training."""
        return self.folder / f"yolo_{self.epochs}_{self.side}"

    def proposed(self, name: str) -> Path:
        """What `init` writes; under NOTHING as if no weights could be had to start from."""
        path = self.folder / "ours" / f"{OURS[name]}.yaml"
        if not path.is_file():
            path.parent.mkdir(parents=True, exist_ok=True)
            weights = (lambda _: "") if name == NOTHING else init.weights_for
            with patch.object(init, "weights_for", weights):
                init.propose(self.data, path)
        return path

    @property
    def config(self) -> Config:
        return load_config(self.proposed(PROPOSED))

    @property
    def truth(self) -> GroundTruth:
        return read_ground_truth(self.config.data.val_ann_path, self.config.model.num_joints)


def main(words: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--yolo-python", required=True, metavar="PATH",
                        help="the python of an environment with ultralytics")
    parser.add_argument("--people", nargs=4, type=Path, default=[],
                        metavar=("TRAIN.json", "IMAGES", "VAL.json", "IMAGES"),
                        help="COCO keypoints files and the folders of their images (drawn "
                             "lizards)")
    parser.add_argument("--epochs", type=int, default=EPOCHS,
                        help=f"of YOLO ({EPOCHS}, its own default); ours has those of init")
    parser.add_argument("--imgsz", type=int,
                        help="of YOLO (lizards 320, as large as they are; people 640, its "
                             "default)")
    parser.add_argument("--work", type=Path, default=ROOT / "data" / "yolo_pose",
                        help="folder of pictures and networks")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder of the lines")
    parser.add_argument("--page", type=Path, default=PAGE, help="page with the tables")
    given = parser.parse_args(words)
    given.results.mkdir(parents=True, exist_ok=True)
    name, write = "lizards", write_lizards
    if given.people:
        files = {"train": tuple(given.people[:2]), "val": tuple(given.people[2:])}
        name, write = "people", partial(write_people, files=files, seed=given.seed)
    this = Set(name, given.work / f"{name}_{given.seed}", given.seed, given.yolo_python,
               given.epochs, given.imgsz or SIDES[name])
    rows = rows_of(this, write, given.results / "yolo_pose.jsonl")
    replace_section(given.page, f"yolo_pose_{name}", report(rows))
    return 0


def rows_of(this: Set, write: Callable[[Path], None], lines: Path) -> list[dict[str, Any]]:
    """A line for each system, trained where it is not there."""
    kept = [f"set={this.name}", f"network={NETWORK}", f"epochs={this.epochs}",
            f"imgsz={this.side}"]
    found = {name: finished(lines, name, this.seed, kept) for name in (NOTHING, PROPOSED, YOLO)}
    if not all(found.values()):
        ensure_ultralytics(this.yolo_python)
        ensure_tree(this.data.parent, write)
        makers = {NOTHING: partial(train_ours, this, NOTHING),
                  PROPOSED: partial(train_ours, this, PROPOSED), YOLO: partial(train_yolo, this)}
        for make in makers.values():    # both have to be there before YOLO's boxes go to ours
            make()
        truth, skeleton = this.truth, load_skeleton(this.config.data.skeleton)
        for name, row in found.items():
            if row is None:
                facts, ways = makers[name]()
                found[name] = {
                    "benchmark": "yolo_pose", "system": name, "seed": this.seed,
                    "set": this.name, **facts,
                    "judged_persons": truth.people, "judged_images": len(truth.images),
                    **{way: numbers(results, truth, skeleton) for way, results in ways().items()},
                    **circumstances(), "settings": kept}
                add_line(lines, found[name])
                print(json.dumps(found[name]), flush=True)
    return [found[name] for name in (YOLO, NOTHING, PROPOSED)]


# ---- the two sides -------------------------------------------------------------------------------

def train_yolo(this: Set) -> tuple[dict[str, Any], Callable[[], dict[str, list]]]:
    """What is known of the network, and a function that gives its results in each way."""
    cost = run([this.yolo_python, str(SIDE_SCRIPT), str(this.data), f"{NETWORK}.yaml",
                str(this.yolo), str(this.epochs), str(this.side), str(this.seed)], this.yolo)
    found = json.loads((this.yolo / "found.json").read_bytes())
    facts = {"epochs": this.epochs, "input": [this.side] * 2, **cost,
             "parameters": found["parameters"], "GMACs": round(found["GMACs"], 3),
             "ultralytics": found["ultralytics"]}

    def ways() -> dict[str, list]:
        results = results_of(found["rows"], this.truth)
        return {"labelled": of_labelled_boxes(results, this.truth), "found": results}
    return facts, ways


def train_ours(this: Set, name: str) -> tuple[dict[str, Any], Callable[[], dict[str, list]]]:
    """As `train_yolo`."""
    path = this.proposed(name)
    config, folder = load_config(path), this.folder / "ours" / OURS[name]
    own = [str(path), f"seed={this.seed}", "processor=dp"]
    cost = run([sys.executable, "main.py", "train", *own], folder)
    size = config.codec.input_size
    network = cost_of(shape_only_net(config.model, size), size)
    facts = {"epochs": config.optim.epochs, "input": list(size), **cost,
             "parameters": network.parameters[""], "GMACs": round(network.macs[""] / 1e9, 3)}

    def ways() -> dict[str, list]:
        boxes = this.yolo / "boxes.json"
        rows = json.loads((this.yolo / "found.json").read_bytes())["rows"]
        boxes.write_text(json.dumps([
            {key: row[key] for key in ("image_id", "category_id", "bbox", "score")}
            for row in results_of(rows, this.truth)]))
        return {"labelled": evaluated(own, folder / "labelled", "gt"),
                "found": evaluated(own, folder / this.yolo.name, str(boxes))}
    return facts, ways


def evaluated(own: list[str], folder: Path, boxes: str) -> list[dict[str, Any]]:
    """The results of `evaluate`."""
    run([sys.executable, "main.py", "evaluate", *own, f"val.boxes={boxes}", "--report",
         str(folder / "report")], folder)
    path, = (folder / "report").glob("*_results.json")
    return json.loads(path.read_bytes())


# ---- commands ------------------------------------------------------------------------------------

def run(command: list[str], folder: Path) -> dict[str, float]:
    """Run a command to its end, unless it was before; its CPU minutes, also those of earlier
    starts, and the number of these. A signal waits until the command, which has got it too, is at
    a checkpoint."""
    folder.mkdir(parents=True, exist_ok=True)
    record = folder / "cpu_seconds.json"
    known = (json.loads(record.read_bytes()) if record.is_file() else
             {"seconds": 0.0, "starts": 0, "done": False})
    if not known["done"]:
        asked: list[int] = []
        before = {number: signal.signal(number, lambda number, _: asked.append(number))
                  for number in (signal.SIGINT, signal.SIGTERM)}
        start = cpu_of_children()
        with (folder / "output.txt").open("ab") as output:
            status = subprocess.run(command, cwd=ROOT, stdout=output, stderr=subprocess.STDOUT,
                                    env={**os.environ, **ENVIRONMENT,
                                         "YOLO_CONFIG_DIR": str(folder)}).returncode
        for number, handler in before.items():
            signal.signal(number, handler)
        known = {"seconds": known["seconds"] + cpu_of_children() - start,
                 "starts": known["starts"] + 1, "done": status == 0}
        record.write_text(json.dumps(known))
        if asked:
            sys.exit(128 + asked[0])
        if status:
            raise UserError(f"{' '.join(command[:4])} ... ended with status {status}: "
                            f"{folder / 'output.txt'} says why, and the same command goes on")
    return {"cpu_minutes": round(known["seconds"] / 60, 1), "starts": known["starts"]}


def ensure_ultralytics(python: str) -> None:
    """Before hours of training. Raises UserError, one sentence."""
    try:
        subprocess.run([python, "-c", "import ultralytics"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        raise UserError(f"--yolo-python {python} cannot import ultralytics: make an environment by "
                        f"python -m venv yolo, type yolo/bin/pip install ultralytics, and give "
                        f"yolo/bin/python") from None


def cpu_of_children() -> float:
    """Seconds of processes that have ended, and of theirs."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


# ---- the page ------------------------------------------------------------------------------------

def report(rows: list[dict[str, Any]]) -> str:
    """A table of finished rows, and how they were made."""
    first = rows[0]
    words = (f"{first['judged_persons']} to judge by, in {first['judged_images']} pictures; made "
             f"on {made_on(rows)}, ultralytics {first['ultralytics']}.")
    cost = [["", "input", "parameters", "GMACs", "epochs, at most", "CPU minutes"],
            *[[row["system"], "x".join(map(str, row["input"])), f"{row['parameters'] / 1e6:.2f} M",
               f"{row['GMACs']:.2f}", str(row["epochs"]), f"{row['cpu_minutes']:.1f}"]
              for row in rows]]
    scores = ["AP", *(f"PCK@{at:g}" for at in PCK_AT)]
    judged = [["", "boxes", *scores],
              *[[row["system"], boxes, *(three(row[way][score]) for score in scores)]
                for way, boxes in WAYS.items() for row in rows]]
    return "\n\n".join([words, markdown_table(cost), markdown_table(judged)])


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except (UserError, OSError) as error:
        sys.exit(f"error: {error}")
