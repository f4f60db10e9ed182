"""The people of a folder of photographs by where the pictures come from, as their names begin.

    python -m benchmarks.parts FOLDER OUT

coco_1.jpg and mpii_2.jpg are of the parts coco and mpii. FOLDER has annotations/
person_keypoints_{train,val}.json; OUT gets train_coco.json, train_mpii.json, val_coco.json and so
on. A file whose pictures have no such names, or more than eight of them, is one part, named all.
"""
import argparse
import sys
from collections import defaultdict
from pathlib import Path

from benchmarks.subset import write
from datasets.annotations.coco_file import read_coco
from utils.errors import UserError

MOST_PARTS = 8      # more are no sources, but names of pictures such as 0001_02.jpg


def main(words: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("out", type=Path)
    options = parser.parse_args(words)
    for split in ("train", "val"):
        write_parts(labels_of(options.folder, split), options.out, split)
    return 0


def labels_of(folder: Path, split: str) -> Path:
    return folder / "annotations" / f"person_keypoints_{split}.json"


def write_parts(labels: Path, out: Path, split: str) -> dict[str, Path]:
    """OUT/SPLIT_PART.json by part, with all labels of its images; parts in the order of their
    names."""
    coco = read_coco(labels)
    images = defaultdict(list)
    for image in coco.images:
        images[part_of(image["file_name"])].append(image)
    if len(images) > MOST_PARTS:
        print(f"{labels}: its pictures' names begin in {len(images)} ways: they are one part")
        images = defaultdict(list, {"all": coco.images})
    of_image = defaultdict(list)
    for person in coco.annotations:
        of_image[person["image_id"]].append(person)
    paths = {part: out / f"{split}_{part}.json" for part in sorted(images)}
    for part, path in paths.items():
        write(path, coco, images[part],
              [person for image in images[part] for person in of_image[image["id"]]])
    return paths


def part_of(file_name: str) -> str:
    begin, line, _ = Path(file_name).name.partition("_")
    return begin if line else "all"


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except (UserError, OSError) as error:
        sys.exit(f"error: {error}")
