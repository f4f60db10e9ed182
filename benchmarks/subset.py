"""Some people of a COCO file: what a set of fewer labels would have been.

    python -m benchmarks.subset LABELS OUT [--people 1000] [--seed 0] [--names coco_] [--rest REST]

Images are taken in a random order, whole, until there are so many people with joints; of the last
image only as many as are missing, so that the number is exact. Without --people all are taken, in
their own order. --names: of images whose file names begin so. --rest: a file of the people of all
other images, as what is left without labels.
"""
import argparse
import json
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np

from datasets.annotations.coco_file import CocoFile, read_coco
from utils.errors import UserError


def main(words: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("labels", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--people", type=int, help="all")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--names", default="")
    parser.add_argument("--rest", type=Path)
    options = parser.parse_args(words)
    write_subset(options.labels, options.out, options.people, options.seed, options.names,
                 options.rest)
    return 0


def write_subset(labels: Path, out: Path, people: int | None, seed: int = 0, names: str = "",
                 rest: Path | None = None) -> None:
    """people: None for all. Raises UserError if there are fewer than that."""
    coco = read_coco(labels)
    of_image = people_by_image(coco)
    images = [image for image in coco.images
              if image["file_name"].startswith(names) and of_image[image["id"]]]
    order = range(len(images))
    if people is None:
        people = sum(len(of_image[image["id"]]) for image in images)
    else:
        order = np.random.default_rng(seed).permutation(len(images))
    taken: list[dict[str, Any]] = []
    left = [images[index] for index in order]
    chosen = []
    while left and len(taken) < people:
        chosen.append(left.pop(0))
        taken += of_image[chosen[-1]["id"]][:people - len(taken)]
    if len(taken) < people:
        raise UserError(f"{labels} has {len(taken)} people with joints in such images, fewer than "
                        f"{people}: take fewer")
    write(out, coco, chosen, taken)
    if rest:
        write(rest, coco, left, [person for image in left for person in of_image[image["id"]]])


def people_by_image(coco: CocoFile) -> dict[int, list[dict[str, Any]]]:
    """Those with joints, by the id of the image."""
    of_image = defaultdict(list)
    for person in coco.annotations:
        if person.get("num_keypoints", 0) and not person.get("iscrowd"):
            of_image[person["image_id"]].append(person)
    return of_image


def write(out: Path, coco: CocoFile, images: list[dict], people: list[dict]) -> None:
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps({"categories": coco.categories, "images": images,
                               "annotations": people}), encoding="utf-8")
    print(f"{out}: {len(people)} people in {len(images)} images")


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except (UserError, OSError) as error:
        sys.exit(f"error: {error}")
