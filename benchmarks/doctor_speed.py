"""The doctor on data of COCO's size.

    python benchmarks/doctor_speed.py

Writes annotation files with as many images, annotations and persons as COCO's of 2017, with drawn
poses, and image files that have a JPEG's header and end and COCO's lengths, but no pixels. Then
it prints one JSON line with the seconds that `python main.py check` takes, and its bar. It is not
among those of benchmarks.all, for writing 123,000 files takes minutes on some disks.
"""
import json
import resource
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.common import say
from datasets.synthetic.data_set import write_synthetic

IMAGES = {"train": 118_287, "val": 5_000}
ANNOTATIONS = {"train": 262_465, "val": 11_004}
POSED = {"train": 149_813, "val": 6_352}
LENGTHS = (30_000, 350_000)     # bytes of an image file
SIDE = 640
BAR = 60.0


def write_set(folder: Path, name: str, poses: list[dict], first: int) -> None:
    rng = np.random.default_rng(first)
    root = folder / name
    root.mkdir()
    images = [{"id": first + i, "file_name": f"{first + i:012d}.jpg", "width": SIDE,
               "height": SIDE} for i in range(IMAGES[name])]
    for image, length in zip(images, rng.integers(*LENGTHS, len(images)).tolist(), strict=True):
        with open(root / image["file_name"], "wb") as file:
            file.write(b"\xff\xd8\xff\xfe\x00\x0a" + struct.pack(">Q", image["id"])
                       + b"\xff\xc0" + struct.pack(">HBHHB", 11, 8, SIDE, SIDE, 1) + bytes(3))
            file.seek(length)       # a hole, which takes no space on the disk
            file.write(b"\xff\xd9")
    rows = []
    for i in range(ANNOTATIONS[name]):
        pose = poses[i % len(poses)]
        table = np.reshape(pose["keypoints"], (17, 3)).astype(float)
        # real-valued, and to places of the set's own: nobody stands in the same place twice
        shift = rng.uniform(0, 75, 2) + (75 if name == "val" else 0)
        labelled = table[:, 2] > 0
        table[labelled, :2] += shift
        x, y, w, h = pose["bbox"]
        posed = i < POSED[name]
        rows.append({"id": first + i, "image_id": first + int(rng.integers(IMAGES[name])),
                     "category_id": 1, "iscrowd": 0, "area": 0.5 * w * h,
                     "bbox": [x + float(shift[0]), y + float(shift[1]), w, h],
                     "num_keypoints": int(labelled.sum()) * posed,
                     "keypoints": (table * posed).ravel().tolist()})
    category = {"id": 1, "name": "person"}
    (folder / f"{name}.json").write_text(json.dumps(
        {"images": images, "annotations": rows, "categories": [category]}), encoding="utf-8")


def main() -> int:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_synthetic(folder / "drawn", folder / "drawn.json", 300, seed=0)
        drawn = json.loads((folder / "drawn.json").read_bytes())["annotations"]
        poses = [row for row in drawn if row["num_keypoints"]]
        write_set(folder, "train", poses, 1)
        write_set(folder, "val", poses, 1_000_000)
        paths = [f"data.{part}_{key}={folder / file}" for part in ("train", "val")
                 for key, file in (("ann_path", f"{part}.json"), ("img_root", part))]
        start = time.perf_counter()
        done = subprocess.run([sys.executable, "main.py", "check", "configs/dp_fast_pose.yaml",
                               *paths], cwd=ROOT, stdout=subprocess.PIPE, text=True)
        seconds = time.perf_counter() - start
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(done.stdout, file=sys.stderr)
    return int(not say("doctor_speed", "check of COCO's size", seconds, unit="s", at_most=BAR,
                       persons=sum(POSED.values()),
                       cpu_seconds=round(used.ru_utime + used.ru_stime, 1)))


if __name__ == "__main__":
    sys.exit(main())
