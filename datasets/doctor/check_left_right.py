"""What the doctor looks for in left and right: pairs, and persons who are labelled mirrored.

Whether joints are a pair can be seen in the data. In a mirrored world everybody is as common as
here, so the typical distance of joint i from joint j equals that of i's partner from j's partner.
A wrong partner breaks that: the nose is twice as far from the ears as from the eyes.

Left eye, right eye and nose go round the same way in every picture, however the head is turned;
in people labelled mirrored they go round the other way. People whose face is not seen, or has no
joints, may as well be seen from behind: of them nothing is said.
"""
from collections.abc import Iterator
from itertools import combinations

import numpy as np

from datasets.annotations.skeleton import Skeleton
from datasets.doctor.finding import Finding
from datasets.doctor.raw_labels import RawLabels

ENOUGH = 20             # persons that a median or a share is taken of
# Mean of |log distance - log mirrored distance| of the joints of a pair. Right pairs have up to
# 0.055 in 50 to 300 persons of COCO, wrong ones from 0.1 on; a better partner at least halves it.
ASYMMETRY, HALVED = 0.08, 0.6
SAME_SIDE = 0.5         # right pairs agree with the others on where left is in 82 to 100 %
FACE = ("left_eye", "right_eye", "nose")    # goes round counter-clockwise in everybody
# Height of a triangle as a part of its longest side, below which the noise of labels decides: of
# 236 faces of COCO 1 goes round the other way, and of the 230 above this height none.
FLAT = 0.2


def flip_pairs(labels: RawLabels) -> Iterator[Finding]:
    """Flip pairs that are not each other's mirror in the data or by their names."""
    skeleton = labels.part.skeleton
    names, order = skeleton.joint_names, skeleton.flip_order
    mended = better_order(skeleton, distances(labels))
    wrong = {joint for joint in range(len(names)) if order[joint] != mended[joint]}
    true_pairs = {tuple(sorted((joint, mended[joint]))) for joint in wrong}
    for joint, name in enumerate(names):
        other = names.index(side) if (side := _other_side(name)) in names else joint
        if other != joint and not {joint, other} & wrong and order[joint] != other:
            true_pairs.add(tuple(sorted((joint, other))))
    if true_pairs:
        words = [f"{names[a]} and {names[b]} are a pair" if a != b else
                 f"{names[a]} is in the middle" for a, b in sorted(true_pairs)]
        yield Finding("flip_pairs", labels.name, f"flip_pairs of the skeleton {skeleton.name} do "
                      f"not mirror people: {', '.join(words)}", "the half of all training samples "
                      "that is mirrored teaches one joint in the place of the other, and the flip "
                      "test averages both: correct flip_pairs or, where they are right, the order "
                      "of the joints", len(true_pairs))
    for left, right in skeleton.flip_pairs:
        share, count = agreement(labels, left, right)
        if {left, right} & wrong or count < ENOUGH or share >= SAME_SIDE:
            continue
        if _other_side(names[left]) == names[right]:
            yield Finding("flip_pairs", labels.name, f"{names[left]} and {names[right]} are "
                          f"exchanged: in most persons they lie the other way round than the "
                          f"other pairs", "the network learns the names as "
                          "they are, but weights and data of others name them correctly: "
                          "exchange the two in the annotations", count,
                          (f"{1 - share:.0%} of {count} persons",))


def mirrored_persons(labels: RawLabels) -> Iterator[Finding]:
    """Persons with left and right swapped, as far as their face tells."""
    names = labels.part.skeleton.joint_names
    if not set(FACE) <= set(names):
        return
    turn = turns(labels, *(names.index(name) for name in FACE))
    wrong, total = turn > 0, int((turn != 0).sum())
    if wrong.any():
        everybody = ("; this is nearly everybody, so left may mean the left of the picture here, "
                     "or y count upwards"
                     if wrong.sum() > 0.9 * total and total >= ENOUGH else "")
        yield labels.finding("mirrored_persons", f"{wrong.sum()} of {total} persons whose face is "
                             f"seen have left and right swapped{everybody}", "the network learns "
                             "that left may be right and hesitates between both: look at them, and "
                             "exchange their sides", wrong, total)


def distances(labels: RawLabels) -> np.ndarray:
    """(K, K) log of the typical distance between joints, parts of the box's size; NaN where few
    persons have both."""
    shown = labels.persons & (labels.boxes[:, 2:] > 0).all(axis=1)
    points, seen = labels.keypoints[shown, :, :2], labels.labelled[shown]
    size = np.sqrt(labels.boxes[shown, 2] * labels.boxes[shown, 3])
    joints = points.shape[1]
    table = np.full((joints, joints), np.nan)
    for i, j in combinations(range(joints), 2):
        both = seen[:, i] & seen[:, j]
        if both.sum() >= ENOUGH:
            length = np.hypot(*(points[both, i] - points[both, j]).T) / size[both]
            table[i, j] = table[j, i] = np.log(np.median(length) + 1e-3)
    return table


def asymmetry(table: np.ndarray, order: list[int]) -> np.ndarray:
    """(K,) of each joint: how much its distances change in the mirror; 0 where nothing is known."""
    change = np.abs(table - table[np.ix_(order, order)])
    known = ~np.isnan(change)
    return np.where(known, change, 0).sum(axis=1) / np.maximum(known.sum(axis=1), 1)


def better_order(skeleton: Skeleton, table: np.ndarray) -> list[int]:
    """The flip order, with pairs changed where that makes the people clearly more symmetric."""
    order = list(skeleton.flip_order)
    for _ in range(skeleton.num_joints):
        before = asymmetry(table, order)
        best, best_sum = None, before.sum()
        for changed, other in _changes(order):
            after = asymmetry(table, other)
            rows = list(changed)
            if (before[rows].mean() > ASYMMETRY and after.sum() < best_sum
                    and after[rows].mean() < HALVED * before[rows].mean()):
                best, best_sum = other, after.sum()
        if best is None:
            return order
        order = best
    return order


def _changes(order: list[int]) -> Iterator[tuple[set[int], list[int]]]:
    """Every way to give two joints each other as partners, with the joints it changes.

    Partners that become free pair up with each other, as far as there are two.
    """
    for i, j in combinations(range(len(order)), 2):
        if order[i] == j:
            continue
        free = [order[joint] for joint in (i, j) if order[joint] != joint]
        other = list(order)
        other[i], other[j] = j, i
        if len(free) == 2:
            other[free[0]], other[free[1]] = free[1], free[0]
        elif free:
            other[free[0]] = free[0]
        yield {i, j, *free}, other


def agreement(labels: RawLabels, left: int, right: int) -> tuple[float, int]:
    """In what share of how many persons a pair lies the same way round as most other pairs."""
    side = np.zeros(len(labels.ids))
    mine = None
    for pair in labels.part.skeleton.flip_pairs:
        both = labels.labelled[:, list(pair)].all(axis=1)
        x = labels.keypoints[:, list(pair), 0]
        sign = np.where(both, np.sign(x[:, 0] - x[:, 1]), 0)
        if _other_side(labels.part.skeleton.joint_names[pair[0]], "right", "left"):
            sign = -sign        # written with the right joint first
        if pair == (left, right):
            mine = sign
        else:
            side += sign
    assert mine is not None
    told = (mine != 0) & (side != 0)
    return float((mine == np.sign(side))[told].mean()) if told.any() else 1.0, int(told.sum())


def turns(labels: RawLabels, a: int, b: int, c: int) -> np.ndarray:
    """(N,) 1, -1: which way round three joints lie; 0 where one is not labelled or they are
    nearly on a line."""
    points = labels.keypoints[:, [a, b, c], :2]
    u, v, w = points[:, 1] - points[:, 0], points[:, 2] - points[:, 0], points[:, 2] - points[:, 1]
    cross = u[:, 0] * v[:, 1] - u[:, 1] * v[:, 0]      # y goes down: negative is counter-clockwise
    longest = np.maximum.reduce([(side ** 2).sum(axis=1) for side in (u, v, w)])
    known = labels.labelled[:, [a, b, c]].all(axis=1) & (np.abs(cross) > FLAT * longest)
    return np.where(known, np.sign(cross), 0)


def _other_side(name: str, left: str = "left", right: str = "right") -> str:
    """The joint's name with right for left; empty for others."""
    return name.replace(left, right) if left in name else ""
