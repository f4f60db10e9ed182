"""Unsure: of whom the network knows least, without any label, and which images to label next.

How far each joint may lie off is known from the calibration. So is, then, the OKS that is to be
expected of a person: the mean over the joints of what OKS gives at such distances, each joint
weighed by how often people label joints with such heights, as what cannot be seen is not labelled.
A person's score is 1 minus that, an image's the mean of its people's.
"""
from collections import defaultdict
from dataclasses import dataclass

import numpy as np

from processors.ranking.disagreement import Opinion

NAMED = 3           # joints named one by one
UNSURE_SHARE = 0.5  # of joints, that lie within what is told and drawn


@dataclass(frozen=True)
class UnsureImage:
    image: int              # number among the people's images
    rows: tuple[int, ...]   # its people, the least sure first
    score: float
    joints: tuple[int, ...]     # of its first person, those that the words name
    words: str


def unsure_people(opinion: Opinion) -> np.ndarray:
    """(N,) from 0, sure, to 1: 1 - the OKS to be expected."""
    return _lost(opinion).sum(axis=1)


def expected_similarity(opinion: Opinion) -> np.ndarray:
    """(N, K) mean similarity in OKS over the distances that joints of such heights have."""
    people, calibration = opinion.people, opinion.calibration
    spread = np.trace(opinion.covariance, axis1=-2, axis2=-1) / 2       # of a radius of 1, squared
    spread = spread / (8 * opinion.sigmas ** 2 * people.areas[:, None])
    bins, total = calibration.bins(people.looks.heights), np.zeros(spread.shape)
    for radii in calibration.radii.T:       # one level after the other: all at once fill the memory
        total += np.exp(-radii[bins] ** 2 * spread)
    return total / calibration.radii.shape[1]


def _lost(opinion: Opinion) -> np.ndarray:
    """(N, K) what each joint takes off the OKS to be expected of its person."""
    weights = opinion.calibration.labelled[opinion.calibration.bins(opinion.people.looks.heights)]
    total = np.maximum(weights.sum(axis=1, keepdims=True), np.spacing(1.0))
    return (1 - expected_similarity(opinion)) * weights / total


def unsure_images(opinion: Opinion) -> list[UnsureImage]:
    """Every image with people, the least sure first."""
    lost, people, of_image = _lost(opinion), opinion.people, defaultdict(list)
    scores = lost.sum(axis=1)
    for row in np.argsort(-scores, kind="stable").tolist():
        of_image[int(people.images[row])].append(row)
    found = []
    for image, rows in of_image.items():
        joints = np.argsort(-lost[rows[0]], kind="stable")[:NAMED].tolist()
        found.append(UnsureImage(image, tuple(rows), float(scores[rows].mean()), tuple(joints),
                                 _words(opinion, rows[0], joints)))
    return sorted(found, key=lambda image: (-image.score, people.names[image.image]))


def _words(opinion: Opinion, row: int, joints: list[int]) -> str:
    """How far every second such joint may lie off."""
    names, heights = opinion.skeleton.joint_names, opinion.people.looks.heights[row]
    longest = np.sqrt(np.linalg.eigvalsh(opinion.covariance[row])[:, -1])
    pixels = opinion.calibration.radius(heights, UNSURE_SHARE) * longest
    return "; ".join(f"{names[joint].replace('_', ' ')} within {pixels[joint]:.0f} px"
                     for joint in joints)
