"""People whose joints a network finds well, with labels that differ as they should."""
from dataclasses import replace

import numpy as np

from datasets.annotations.skeleton import load_skeleton
from processors.ranking.looks import Looks
from processors.ranking.people import People

SKELETON = load_skeleton("coco")
STANDING = np.array([       # (17, 2), in parts of the height
    [.2, .08], [.22, .06], [.18, .06], [.25, .07], [.15, .07], [.3, .2], [.1, .2], [.34, .35],
    [.06, .35], [.36, .48], [.04, .48], [.26, .5], [.14, .5], [.27, .72], [.13, .72], [.27, .95],
    [.13, .95]])


def made_people(count: int = 40, seed: int = 0, noise: float = 1.0) -> People:
    """Two in each image, 200 pixels high and 300 apart; labels are off by so many pixels, as the
    network says they may be."""
    rng = np.random.default_rng(seed)
    places = np.array([[300 * (i % 2), 0] for i in range(count)], float)
    joints = 200 * STANDING + places[:, None] + rng.normal(0, 5, (count, 17, 2))
    looks = Looks(keypoints=joints, heights=rng.uniform(0.7, 1.0, (count, 17)),
                  covariance=np.broadcast_to(noise ** 2 * np.eye(2), (count, 17, 2, 2)).copy(),
                  flips=rng.normal(0, 0.3, (count, 17, 2)), at_labels=np.zeros((count, 17)),
                  index=np.arange(count), broken=np.zeros(count, bool))
    boxes = np.concatenate([places, np.full((count, 1), 80.0), np.full((count, 1), 200.0)], axis=1)
    return seen(People("made", looks, boxes, np.arange(count) // 2,
                  [f"{image}.jpg" for image in range(-(-count // 2))],
                  lambda image: np.full((220, 400, 3), 90, np.uint8),
                  joints + rng.normal(0, noise, joints.shape), np.ones((count, 17), bool),
                  np.arange(count) + 100))


def seen(people: People) -> People:
    """As the network sees them with the labels that they have by now: peaks are 5 pixels wide."""
    squared = ((people.labels - people.looks.keypoints) ** 2).sum(axis=-1)
    heights = people.looks.heights * np.exp(-squared / (2 * 5 ** 2))
    return replace(people, looks=replace(people.looks, at_labels=heights))
