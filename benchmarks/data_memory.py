"""Start and memory of the data path on an annotation file of the size of COCO's.

    python benchmarks/data_memory.py [--ann persons.json --images folder]

Needs Linux. Blows a small annotation file up to 150,000 persons (the images are used again and
again), then prints one JSON line for each bar: seconds from the command to the first training
step, without and with the annotation cache, and the memory of four workers over five epochs. Of
a worker's memory only the private part is its own; the resident size (rss) counts the pages of
torch and of the arrays that all processes share once more in each of them.
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from torch.utils.data import DataLoader

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from configs.schema import AugmentConfig  # noqa: E402
from datasets.coco import MSCOCO  # noqa: E402
from datasets.loaders import init_worker  # noqa: E402
from datasets.sample import collate  # noqa: E402
from datasets.samplers import epoch_order  # noqa: E402
from datasets.skeleton import load_skeleton  # noqa: E402

PERSONS, WORKERS, EPOCHS, BATCH = 150_000, 4, 5, 32
START_BARS = {"first_start": 15.0, "second_start": 5.0}
MEMORY_BAR, GROWTH_BAR = 400.0, 1.05    # MB a worker; last epoch / first epoch


def main() -> int:
    shared = Path(os.environ.get("SIMPLEPOSE_SHARED", ROOT.parent / "shared")) / "data" / "coco"
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--ann", type=Path, default=shared / "annotations" /
                        "person_keypoints_train2017.json")
    parser.add_argument("--images", type=Path, default=shared / "train2017")
    parser.add_argument("--samples", type=int, default=2000, help="samples of an epoch to read")
    arguments = parser.parse_args()
    if not arguments.ann.is_file():
        print(f"{arguments.ann} does not exist: give --ann and --images", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory() as folder:
        large = Path(folder) / "large.json"
        blow_up(arguments.ann, large)
        good = [start(name, large, arguments, Path(folder)) for name in START_BARS]
        good.append(memory(large, arguments))
    return 0 if all(good) else 1


def blow_up(small: Path, large: Path) -> None:
    """Write the content of `small` again and again with new ids, until there are PERSONS."""
    content = json.loads(small.read_bytes())
    people = [row for row in content["annotations"] if any(row.get("keypoints", ()))]
    used = {row["image_id"] for row in people}
    shown = [row for row in content["images"] if row["id"] in used]
    images, annotations = [], []
    while len(annotations) < PERSONS:
        first = len(images) + 1
        numbers = {row["id"]: first + i for i, row in enumerate(shown)}
        images += [row | {"id": numbers[row["id"]]} for row in shown]
        annotations += [row | {"id": len(annotations) + 1 + i, "image_id": numbers[row["image_id"]]}
                        for i, row in enumerate(people)]
    large.write_text(json.dumps(content | {
        "images": images, "annotations": annotations[:PERSONS]}))


def start(name: str, large: Path, arguments: argparse.Namespace, folder: Path) -> bool:
    """Seconds until the log of `main.py train` has its first step."""
    settings = {
        "data.train_ann_path": large, "data.train_img_root": arguments.images,
        "data.val_ann_path": arguments.ann, "data.val_img_root": arguments.images,
        "data.synthetic_train": 0, "data.synthetic_val": 0,
        "data.num_workers": 2, "data.batch_size": 4, "log.every": 1, "resume": "false",
        "val.weight_path": folder / "weights"}
    begin = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, str(ROOT / "main.py"), "train", str(ROOT / "configs/quickstart.yaml"),
         *(f"{key}={value}" for key, value in settings.items())],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    lines = []
    for line in process.stdout:
        lines.append(line)
        if " step 1/" in line:
            break
    else:
        print("".join(lines), file=sys.stderr)
        raise SystemExit("training did not start")
    seconds = time.monotonic() - begin
    ticks = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    cpu = sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")
    process.terminate()
    process.communicate()
    return report(name, seconds <= START_BARS[name], seconds=round(seconds, 1),
                  bar=START_BARS[name], cpu_seconds_of_main_process=round(cpu, 1),
                  file_mb=round(large.stat().st_size / 1e6))


def memory(large: Path, arguments: argparse.Namespace) -> bool:
    """MB of the largest worker after each epoch, reading `samples` of each."""
    dataset = MSCOCO(large, arguments.images, load_skeleton("coco"), augment=AugmentConfig())
    keys = [(epoch, int(index)) for epoch in range(EPOCHS)
            for index in epoch_order(len(dataset), 0, epoch)[:arguments.samples]]
    loader = DataLoader(dataset, BATCH, sampler=keys, num_workers=WORKERS, collate_fn=collate,
                        worker_init_fn=init_worker, persistent_workers=True)
    batches, epochs = iter(loader), []
    for number, _ in enumerate(batches, 1):
        if number * BATCH // arguments.samples > len(epochs):
            workers = [sizes(worker.pid) for worker in batches._workers]
            epochs.append({kind: round(max(w[kind] for w in workers), 1) for kind in workers[0]})
    growth = epochs[-1]["private"] / epochs[0]["private"]
    return report("memory", growth <= GROWTH_BAR and epochs[-1]["pss"] <= MEMORY_BAR,
                  persons=len(dataset), growth=round(growth, 3), growth_bar=GROWTH_BAR,
                  pss_bar=MEMORY_BAR, mb_of_largest_worker=epochs)


def sizes(pid: int) -> dict[str, float]:
    """Private, proportional and resident memory of a process, MB."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    kb = {line.split(":")[0]: int(line.split()[1]) for line in text}
    return {"private": (kb["Private_Clean"] + kb["Private_Dirty"]) / 1024, "pss": kb["Pss"] / 1024,
            "rss": kb["Rss"] / 1024}


def report(name: str, good: bool, **values) -> bool:
    print(json.dumps({"bench": "data_memory", "name": name, "ok": bool(good)} | values), flush=True)
    return good


if __name__ == "__main__":
    sys.exit(main())
