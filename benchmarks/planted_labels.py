"""Bad labels planted among good ones, to see whether `rank` finds them.

Five kinds, as they happen: left and right changed; one joint far off; all joints shifted; the label
of a neighbour; joints in another order. Sizes are in parts of the person's, the root of the area
that OKS measures against. Where nothing would change (sides of somebody seen from the side, nobody
beside them) another person is taken.
"""
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from configs.loader import with_overrides
from datasets.annotations.skeleton import Skeleton
from processors.models.pose_model import PoseModel
from processors.ranking.calibrated import calibrated
from processors.ranking.disagreement import Opinion
from processors.ranking.people import People, labelled_set, look_at_labelled

PEOPLE, BAD, FIRST = 300, 20, 40        # among whom, how many, and how many are looked at
LEAST_JOINTS = 8                        # that are labelled
SEEN = 0.15         # how far a swap must move joints in the mean, to be one
ONE, SHIFT = (0.5, 1.0), (0.25, 0.5)    # how far one joint, or all, are off: from and to

Label = tuple[np.ndarray, np.ndarray]   # joints (K, 2) and which are labelled (K,)


def drawn(people: People, rng: np.random.Generator, count: int = PEOPLE) -> People:
    """Some of the people with enough labelled joints, by lot."""
    usable = np.flatnonzero(people.labelled.sum(axis=1) >= LEAST_JOINTS)
    return people.take(rng.permutation(usable)[:count])


def plant(people: People, skeleton: Skeleton, rng: np.random.Generator, bad: int = BAD,
          ) -> tuple[People, np.ndarray]:
    """The people with bad labels among them, and the kind of each, (N,) text, "" for good ones."""
    labels, labelled = people.labels.copy(), people.labelled.copy()
    kinds = np.full(len(people), "", dtype=object)
    for number in range(bad):
        kind = list(KINDS)[number % len(KINDS)]
        for row in rng.permutation(np.flatnonzero(kinds == "")).tolist():
            made = KINDS[kind](people, row, skeleton, rng)
            if made is not None:
                labels[row], labelled[row] = made
                kinds[row] = kind
                break
    return replace(people, labels=labels, labelled=labelled), kinds


def found_first(model: PoseModel, people: People, rng: np.random.Generator, folder: Path,
                ) -> list[int]:
    """How many of each of KINDS are looked at, of labels that are planted among people of the
    model's validation set and written into `folder`, and that the network is calibrated by."""
    planted, kinds = plant(drawn(people, rng), model.skeleton, rng)
    path = folder / "planted.json"
    write_labels(planted, path)
    config = with_overrides(model.config, [f"data.val_ann_path={path}"], "planted labels")
    again = look_at_labelled(model, labelled_set(config, model.skeleton, "val"))
    opinion = Opinion(again, calibrated(again, model.skeleton), model.skeleton)
    first = kinds[[again.ids[finding.row] for finding in opinion.findings()[:FIRST]]]
    return [int((first == kind).sum()) for kind in KINDS]


def write_labels(people: People, path: Path) -> None:
    """A COCO file of people, whose annotation ids are their places."""
    images = []
    for number in np.unique(people.images).tolist():
        height, width = people.read(number).shape[:2]
        images.append({"id": number, "file_name": people.names[number], "width": width,
                       "height": height})
    v = 2.0 * people.labelled[..., None]
    joints = np.concatenate([people.labels, v], axis=-1) * people.labelled[..., None]
    annotations = [
        {"id": row, "image_id": int(people.images[row]), "category_id": 1, "iscrowd": 0,
         "bbox": people.boxes[row].tolist(), "area": float(people.areas[row]),
         "num_keypoints": int(people.labelled[row].sum()),
         "keypoints": joints[row].ravel().tolist()}
        for row in range(len(people))]
    path.write_text(json.dumps({"images": images, "annotations": annotations,
                                "categories": [{"id": 1, "name": "person"}]}))


def _swap(people: People, row: int, skeleton: Skeleton, rng: np.random.Generator) -> Label | None:
    order = list(skeleton.flip_order)
    labels, labelled = people.labels[row, order], people.labelled[row, order]
    both = labelled & people.labelled[row]
    moved = np.linalg.norm(labels - people.labels[row], axis=1)[both]
    return (labels, labelled) if moved.sum() > SEEN * _size(people, row) * len(moved) else None


def _one(people: People, row: int, skeleton: Skeleton, rng: np.random.Generator) -> Label:
    labels = people.labels[row].copy()
    joint = rng.choice(np.flatnonzero(people.labelled[row]))
    labels[joint] += _step(rng, ONE, _size(people, row))
    return labels, people.labelled[row]


def _shift(people: People, row: int, skeleton: Skeleton, rng: np.random.Generator) -> Label:
    return people.labels[row] + _step(rng, SHIFT, _size(people, row)), people.labelled[row]


def _neighbour(people: People, row: int, skeleton: Skeleton, rng: np.random.Generator,
               ) -> Label | None:
    others = np.flatnonzero((people.images == people.images[row])
                            & (people.labelled.sum(axis=1) >= LEAST_JOINTS))
    others = others[others != row]
    if not len(others):
        return None
    centres = people.boxes[:, :2] + people.boxes[:, 2:] / 2
    near = others[np.linalg.norm(centres[others] - centres[row], axis=1).argmin()]
    return people.labels[near], people.labelled[near]


def _permute(people: People, row: int, skeleton: Skeleton, rng: np.random.Generator) -> Label:
    labels, joints = people.labels[row].copy(), np.flatnonzero(people.labelled[row])
    labels[joints] = labels[rng.permutation(joints)]
    return labels, people.labelled[row]


def _size(people: People, row: int) -> float:
    return float(np.sqrt(people.areas[row]))


def _step(rng: np.random.Generator, length: tuple[float, float], size: float) -> np.ndarray:
    angle = rng.uniform(0, 2 * np.pi)
    return rng.uniform(*length) * size * np.array([np.cos(angle), np.sin(angle)])


KINDS: dict[str, Callable[..., Label | None]] = {
    "sides changed": _swap, "one joint off": _one, "all shifted": _shift,
    "of a neighbour": _neighbour, "other order": _permute}
