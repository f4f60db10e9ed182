"""Repeated labels: the sigmas of a skeleton, from persons whom two people have labelled.

COCO's sigma of a joint is defined by sigma^2 = E[d^2 / s^2], where d is how far labels are from
where the joint is, and s^2 is the area of the person (Ronchi and Perona, ICCV 2017; they had
5,000 images labelled again). Where the joint is nobody knows, but the errors of two people are
independent, so the distance d' of their labels has E[d'^2] = 2 E[d^2]:

    sigma^2 = mean of d'^2 / (2 s^2) over the persons labelled twice.
"""
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from datasets.annotations.annotated_sets import AnnotatedSet
from datasets.annotations.coco_file import read_coco
from datasets.annotations.skeleton import DEFAULT_SIGMA, Skeleton, skeleton_to_dict
from datasets.doctor.finding import examples_of
from datasets.doctor.raw_labels import RawLabels, read_raw
from utils.errors import UserError
from utils.oks import AREA_OF_BOX

ENOUGH = 20         # pairs of labels; a sigma of 20 is right to 11 %, of 80 to 6 %
SAME_PERSON = 0.3   # half of the joints are at most this far apart, as a part of sqrt(area)
# Pairs so many times as far apart as the middle pair are slips such as left for right: of normal
# errors 1 in 65,000 is, and one slip would count for hundreds of others.
SLIP = 4


@dataclass(frozen=True, eq=False)
class Repeated:
    """What labels that were made twice say of K joints."""
    path: Path
    skeleton: Skeleton
    persons: int                # found in both files
    sigmas: np.ndarray          # (K,) float64, NaN where there are fewer than ENOUGH pairs
    pairs: np.ndarray           # (K,) int64
    slips: tuple[str, ...]      # pairs too far apart to be counted

    def __str__(self) -> str:
        """The joints of the skeleton's YAML with the estimates."""
        left_out = (f"; {len(self.slips)} pairs of labels are too far apart to be the same joint "
                    f"and are not counted, look at {', '.join(examples_of(self.slips))}"
                    if self.slips else "")
        lines = [f"sigmas by {self.persons} persons whom {self.path} labels again{left_out}; for "
                 f"the skeleton {self.skeleton.name}:", "joints:"]
        for (name, stated, weight, body), sigma, count in zip(
                skeleton_to_dict(self.skeleton)["joints"], self.sigmas, self.pairs.tolist(),
                strict=True):
            now = f"{DEFAULT_SIGMA}, the default" if stated is None else stated
            value, note = f"{sigma:.3g}", f"{count} pairs; now {now}"
            if np.isnan(sigma):
                value = "~" if stated is None else stated
                note = f"{count} pairs are too few; as it was"
            lines.append(f"  - [{name}, {value}, {weight}, {body}]  # {note}")
        return "\n".join(lines)


def estimate_sigmas(sets: Sequence[RawLabels], path: Path) -> Repeated:
    """Compare the annotation file `path` with the persons of `sets` who are in images of the same
    file_name.

    Raises FileNotFoundError or UserError where it cannot be read, shows none of them, or is a copy.
    """
    part = sets[-1].part
    _held = read_coco(path, "--repeated")       # so it is read only once
    again = read_raw(AnnotatedSet(path, part.img_root, part.skeleton, part.category,
                                  "--repeated", "--repeated"), "repeated labels")
    if again.faults:
        raise UserError(f"{again.faults[0].sentence}: correct --repeated")
    errors, ids = _pairs([one for one in sets if one.part.skeleton is part.skeleton], again)
    if not len(errors):
        raise UserError(f"--repeated: nobody in {path} is in the training or validation set, too: "
                         f"give labels of images that have the same file_name there")
    if np.nanmedian(errors) == 0:
        raise UserError(f"--repeated: most joints in {path} are exactly where they are in the "
                         f"data set: give labels that somebody made without seeing the first ones")
    with np.errstate(invalid="ignore"):
        slip = errors > SLIP * _median(errors)
    rows, joints = np.nonzero(slip)
    slips = tuple(f"{part.skeleton.joint_names[joint]} of annotation {ids[row]}"
                  for row, joint in zip(rows, joints, strict=True))
    counted = ~np.isnan(errors) & ~slip
    pairs = counted.sum(axis=0)
    mean = np.where(counted, errors ** 2, 0).sum(axis=0) / np.maximum(pairs, 1)
    return Repeated(path, part.skeleton, len(errors),
                    np.where(pairs >= ENOUGH, np.sqrt(mean / 2), np.nan), pairs, slips)


def _pairs(sets: Sequence[RawLabels], again: RawLabels) -> tuple[np.ndarray, list]:
    """(P, K) distance / sqrt(area) of the labels of P persons found in both, NaN where one of the
    labels is missing, and the ids of the P in the second file."""
    people = defaultdict(list)      # file name -> (joints (K, 2), labelled (K,), sqrt of the area)
    for labels in sets:
        sizes = np.sqrt(np.where(labels.areas > 0, labels.areas,
                                 AREA_OF_BOX * labels.boxes[:, 2] * labels.boxes[:, 3]))
        for row in np.flatnonzero(labels.placed & (sizes > 0)):
            people[str(labels.file_names[labels.image_rows[row]])].append(
                (labels.keypoints[row, :, :2], labels.labelled[row], sizes[row]))
    errors, ids = [], []
    for row in np.flatnonzero(again.placed):
        found = []
        for points, labelled, size in people[str(again.file_names[again.image_rows[row]])]:
            both = labelled & again.labelled[row]
            distance = np.hypot(*(again.keypoints[row, :, :2] - points).T) / size
            if both.any():
                found.append(np.where(both, distance, np.nan))
        nearest = min(found, key=np.nanmedian, default=None)
        if nearest is not None and np.nanmedian(nearest) <= SAME_PERSON:
            errors.append(nearest)
            ids.append(again.ids[row])
    return np.array(errors), ids


def _median(errors: np.ndarray) -> np.ndarray:
    """(K,) of each joint, NaN without pairs; numpy's own would warn of these."""
    known = ~np.isnan(errors)
    return np.array([np.median(column[mask]) if mask.any() else np.nan
                     for column, mask in zip(errors.T, known.T, strict=True)])
