"""calibrated: what a network's answers are worth, by a labelled set, and whether that holds."""
from dataclasses import dataclass

import numpy as np

from datasets.annotations.skeleton import Skeleton
from processors.ranking.calibration import (
    FEWEST,
    Calibration,
    base_covariance,
    calibrate,
    mahalanobis,
)
from processors.ranking.people import People
from utils.log import log

SHARES = (0.5, 0.9)
EMPTIEST = 50.0             # what `emptiness` gives where the map is 0


@dataclass(frozen=True)
class Calibrated:
    """Two calibrations by the same joints, and how well the first one holds on others."""
    spread: Calibration         # of distances, as everywhere
    emptiness: Calibration      # of `emptiness`
    within: tuple[float, ...]   # share of joints of others within the ellipses of SHARES; (): a
                                # half of the images has too few to tell
    joints: int
    without_peak: int           # labelled joints without a covariance of their own

    def __str__(self) -> str:
        held = " and ".join(f"{share:.0%} ellipses hold {found:.1%}"
                            for share, found in zip(SHARES, self.within, strict=False))
        return ((f"calibrated on one half of the validation images and judged on the other, the "
                 f"{held} of {self.joints} labelled joints" if held else
                 f"{self.joints} labelled joints are too few to judge the calibration on others")
                + f"; {self.without_peak} of them have no peak, and the size of the person in its "
                  f"place")


def calibrated(people: People, skeleton: Skeleton) -> Calibrated:
    """By everybody of a labelled set; and how well that holds on others, see `shares_on_others`,
    which is logged. Raises UserError as `calibrate`."""
    looks, labelled = people.looks, people.labelled
    found = Calibrated(
        spread=calibrate(looks.heights, distances(people, skeleton), labelled),
        emptiness=calibrate(looks.heights, emptiness(people), labelled),
        within=shares_on_others(people, skeleton, np.random.default_rng(0)),
        joints=int(labelled.sum()), without_peak=int((looks.no_peak & labelled).sum()))
    log.info("%s", found)
    return found


def shares_on_others(people: People, skeleton: Skeleton, rng: np.random.Generator,
                     ) -> tuple[float, ...]:
    """Which share of labelled joints the ellipses of each of SHARES hold, calibrated by one half of
    the images, drawn by lot, and judged on the other half, in turn; () where one has too few."""
    heights, far, labelled = people.looks.heights, distances(people, skeleton), people.labelled
    images = rng.permutation(np.unique(people.images))
    first = np.isin(people.images, images[:len(images) // 2])
    if min(labelled[first].sum(), labelled[~first].sum()) < FEWEST:
        return ()
    inside = np.zeros((len(SHARES), *labelled.shape), bool)
    for half in (first, ~first):
        one = calibrate(heights[half], far[half], labelled[half])
        for place, share in enumerate(SHARES):
            inside[place, ~half] = far[~half] <= one.radius(heights[~half], share)
    return tuple(float(within[labelled].mean()) for within in inside)


def distances(people: People, skeleton: Skeleton) -> np.ndarray:
    """(N, K) how far the labels are, in units of `spread_of`."""
    return mahalanobis(spread_of(people, skeleton), people.labels - people.looks.keypoints)


def spread_of(people: People, skeleton: Skeleton) -> np.ndarray:
    """(N, K, 2, 2) `base_covariance` of people."""
    looks = people.looks
    return base_covariance(looks.covariance, looks.flips, np.asarray(skeleton.sigmas, np.float64),
                           people.areas)


def emptiness(people: People) -> np.ndarray:
    """(N, K) how little the network sees where the label is: 1 over the part that the height of the
    map there is of its maximum. A network that is wrong often has a lower peak at the right place;
    at a wrong label there is none."""
    looks = people.looks
    part = looks.at_labels / np.maximum(looks.heights, 1e-6)
    return 1 / (np.clip(part, 0, 1) + 1 / EMPTIEST)
