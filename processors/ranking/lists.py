"""The lists of a ranking: tables for people and scripts, and the names of what to label next."""
import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from processors.ranking.disagreement import Finding, Opinion
from processors.ranking.unsure import UnsureImage

FILES = {"rank.html": "page", "labels.csv": "ranked labels", "images.csv": "ranked images",
         "next.txt": "images to label"}     # of a ranking: keys of KINDS in utils/outputs.py
LABELS = ("place", "oddness", "oks", "set", "image", "annotation", "x", "y", "width", "height",
          "what")
IMAGES = ("place", "unsure", "people", "next", "image", "what")


def labels_table(found: Sequence[tuple[str, Finding]], opinions: Mapping[str, Opinion]) -> bytes:
    """All labelled people, the oddest first. found: the set of each, a key of `opinions`."""
    rows = []
    for place, (split, finding) in enumerate(found, 1):
        people = opinions[split].people
        box = [f"{side:.1f}" for side in people.boxes[finding.row].tolist()]
        rows.append([place, f"{finding.score:.3f}", f"{finding.oks:.3f}", split,
                     people.names[int(people.images[finding.row])], int(people.ids[finding.row]),
                     *box, finding.words])
    return _csv(LABELS, rows)


def images_table(found: Sequence[UnsureImage], names: list[str], chosen: list[int]) -> bytes:
    """All images with people, the least sure first. chosen: those to label next."""
    named = set(chosen)
    return _csv(IMAGES, ([place, f"{image.score:.4f}", len(image.rows),
                          "yes" if image.image in named else "", names[image.image], image.words]
                         for place, image in enumerate(found, 1)))


def names_list(names: list[str], chosen: list[int]) -> bytes:
    """A name a line behind a comment, in the order given."""
    lines = ["# images to label next, the first one first; ranked by SimplePose",
             *(names[image] for image in chosen)]
    return "".join(f"{line}\n" for line in lines).encode()


def _csv(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(head)
    writer.writerows(rows)
    return text.getvalue().encode()
