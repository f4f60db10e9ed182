"""Start and memory of the data path on an annotation file of the size of COCO's.

    python benchmarks/data_memory.py [--ann persons.json --images folder]

Needs Linux. Blows a small annotation file up to 150,000 persons (the images are used again and
again), then prints one JSON line for each bar: seconds from the command to the first training
step, without and with the annotation cache, and the memory of four workers over five epochs. What
counts is the proportional size (pss), in which pages that processes share count once for all of
them; the resident size (rss) has torch and the annotations in each worker once more.
Without --ann it uses the real images of the tests, or drawn ones where those are not there.
"""
import argparse
import json
import sys
import tempfile
from pathlib import Path

from torch.utils.data import DataLoader

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.common import add_images, example_set, say
from benchmarks.startup import until_first_step
from configs.schema import AugmentConfig
from datasets.annotations.skeleton import load_skeleton
from datasets.coco import MSCOCO
from datasets.sample import collate
from datasets.samplers import epoch_order
from datasets.workers import init_worker

PERSONS, WORKERS, EPOCHS, BATCH = 150_000, 4, 5, 32
START_BARS = {"first start": 15.0, "second start": 5.0}
MEMORY_BAR, GROWTH_BAR = 400.0, 1.05    # MB a worker; last epoch / first epoch


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    add_images(parser)
    parser.add_argument("--samples", type=int, default=2000, help="samples of an epoch to read")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        large = Path(folder) / "large.json"
        arguments.ann, arguments.images, _ = example_set(arguments, Path(folder))
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
        "data.num_workers": 2, "data.batch_size": 4, "val.weight_path": folder / "weights"}
    seconds, cpu = until_first_step([f"{key}={value}" for key, value in settings.items()])
    return say("data_memory", name, seconds, unit="s", at_most=START_BARS[name],
               cpu_seconds_of_main_process=round(cpu, 1),
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
    growth = epochs[-1]["pss"] / epochs[0]["pss"]
    grown = say("data_memory", "worker's memory, last epoch / first", growth,
                at_most=GROWTH_BAR, mb_of_largest_worker=epochs)
    return say("data_memory", "worker's memory", epochs[-1]["pss"], unit="MB", at_most=MEMORY_BAR,
               persons=len(dataset)) and grown


def sizes(pid: int) -> dict[str, float]:
    """Private, proportional and resident memory of a process, MB."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    kb = {line.split(":")[0]: int(line.split()[1]) for line in text}
    return {"private": (kb["Private_Clean"] + kb["Private_Dirty"]) / 1024, "pss": kb["Pss"] / 1024,
            "rss": kb["Rss"] / 1024}


if __name__ == "__main__":
    sys.exit(main())
