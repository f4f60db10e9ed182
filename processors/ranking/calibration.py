"""Calibration: how far joints really lie from where a network puts them, measured on labels.

The covariance that DARK's peak has says how a joint's error is stretched, but hardly how large it
is: a network that is wrong makes a sharp peak, too. So three things are added up, in image pixels,

    base = covariance of the peak + f f^T + sigma^2 area I

with f half the way from the joint of the image to that of its mirror image (both lie so far from
the mean of the flip test) and sigma that of OKS, how exactly people label. Distances are measured
in it (Mahalanobis), and how far each share of the labelled joints lies is read off them, apart for
each range of the peaks' heights, for the lower the peak, the heavier the tail.
"""
from dataclasses import dataclass

import numpy as np

from utils.errors import UserError

BINS, IN_A_BIN = 6, 100         # ranges of heights, at most; joints in each, at least
LEVELS = np.linspace(0, 1, 201)[1:-1]       # shares whose radii are kept
TAIL = 0.95                     # share beyond which distances follow a power law
FEWEST = 40                     # joints to calibrate by


@dataclass(frozen=True)
class Calibration:
    """Of one network, from joints that were labelled and that it was not trained on."""
    edges: np.ndarray           # (B - 1,) heights between the bins
    radii: np.ndarray           # (B, L) Mahalanobis radius within which each of LEVELS lies
    exponents: np.ndarray       # (B,) of the tail: P(further than m) = (1 - TAIL) (r / m)^exponent
    labelled: np.ndarray        # (B,) share of the joints of a bin that people label

    def bins(self, heights: np.ndarray) -> np.ndarray:
        """Which bin each belongs to."""
        return np.searchsorted(self.edges, heights, side="right")

    def radius(self, heights: np.ndarray, share: float) -> np.ndarray:
        """Mahalanobis radius of the ellipse that holds this share of such joints (.005 to .995)."""
        table = np.array([np.interp(share, LEVELS, row) for row in self.radii])
        return table[self.bins(heights)]

    def tail(self, heights: np.ndarray, distance: np.ndarray) -> np.ndarray:
        """Share of joints of such heights that lie further than a Mahalanobis distance."""
        bins, found = self.bins(heights), np.ones(distance.shape)
        for place, row in enumerate(self.radii):
            start = np.interp(TAIL, LEVELS, row)
            mine = bins == place
            near = 1 - np.interp(distance[mine], row, LEVELS, left=LEVELS[0])
            far = (1 - TAIL) * (start / np.maximum(distance[mine], start)) ** self.exponents[place]
            found[mine] = np.where(distance[mine] < start, near, far)
        return found


def calibrate(heights: np.ndarray, distances: np.ndarray, labelled: np.ndarray) -> Calibration:
    """heights, distances: (N, K), the latter Mahalanobis distances of the labels, see
    `mahalanobis`, or another number that grows with how wrong a label looks. labelled: (N, K) bool.
    Raises UserError where too few are labelled."""
    count = int(labelled.sum())
    if count < FEWEST:
        raise UserError(f"the validation set has {count} labelled joints, and {FEWEST} are needed "
                        f"to tell how sure the network may be: label more, or name a larger set by "
                        f"data.val_ann_path")
    bins = int(np.clip(count // IN_A_BIN, 1, BINS))
    # heights that are there, each once: no bin is empty, however many joints have the same height
    edges = np.unique(np.quantile(heights[labelled], np.linspace(0, 1, bins + 1)[1:-1],
                                  method="inverted_cdf"))
    edges = edges[edges > heights[labelled].min()]
    place = np.searchsorted(edges, heights, side="right")
    radii, exponents, shares = [], [], []
    for number in range(len(edges) + 1):
        mine = place == number
        own = distances[mine & labelled]
        radii.append(np.quantile(own, LEVELS))
        exponents.append(_exponent(own))
        shares.append((mine & labelled).sum() / max(mine.sum(), 1))
    return Calibration(edges, np.array(radii), np.array(exponents), np.array(shares))


def _exponent(distances: np.ndarray) -> float:
    """Hill's estimate for the distances beyond TAIL."""
    start = max(np.quantile(distances, TAIL), np.spacing(1.0))
    beyond = np.log(distances[distances > start] / start)
    return float(np.clip(1 / max(beyond.mean(), 1e-6), 0.5, 10)) if len(beyond) else 2.0


def base_covariance(peaks: np.ndarray, flips: np.ndarray, sigmas: np.ndarray, areas: np.ndarray,
                    ) -> np.ndarray:
    """(N, K, 2, 2) image pixels squared, of Looks' covariance (NaN: no peak, then the size of the
    person stands in for it) and flips, of the skeleton's sigmas (K,) and of areas (N,)."""
    label, flips = (sigmas ** 2 * areas[:, None])[..., None, None] * np.eye(2), flips / 2
    unknown = np.broadcast_to(areas[:, None, None, None] * np.eye(2), peaks.shape)
    peaks = np.where(np.isnan(peaks), unknown, peaks)
    return peaks + flips[..., :, None] * flips[..., None, :] + label


def mahalanobis(covariance: np.ndarray, difference: np.ndarray) -> np.ndarray:
    """(...,) lengths of vectors (..., 2) in units of covariances (..., 2, 2)."""
    solved = np.linalg.solve(covariance, difference[..., None])[..., 0]
    return np.sqrt(np.maximum((difference * solved).sum(axis=-1), 0))
