"""What the doctor looks for in left and right: pairs, and persons who are labelled mirrored.

Which joints are a pair their names say, where they say left and right; where they do not, or where
many persons contradict them, the people do (datasets/doctor/mirror.py).

Left eye, right eye and nose go round the same way in every picture, however the head is turned;
in people labelled mirrored they go round the other way, and their shoulders lie as their eyes do.
People whose face is not seen, or has no joints, may as well be seen from behind: of them nothing is
said.
"""
from collections.abc import Iterator

import numpy as np

from datasets.annotations.joint_names import partners, same_joints, sides
from datasets.doctor.finding import Finding
from datasets.doctor.mirror import CERTAIN, NAMES_DOUBTED, POSSIBLE, mirror_of, turn_of
from datasets.doctor.raw_labels import RawLabels

ENOUGH = 20             # persons that a share is taken of
SAME_SIDE = 0.5         # right pairs agree with the others on where left is in 82 to 100 %
# The first three go round counter-clockwise in everybody.
FACE, SHOULDERS = ("left_eye", "right_eye", "nose"), ("left_shoulder", "right_shoulder")
EYES_APART = 3.0        # pixels; of nearer ones the noise of labels decides which is the left one


def flip_pairs(labels: RawLabels) -> Iterator[Finding]:
    """Flip pairs that are not each other's mirror in the data or by their names."""
    skeleton = labels.part.skeleton
    names, order = skeleton.joint_names, list(skeleton.flip_order)
    by_name, (mended, level) = partners(names), mended_order(labels)
    nothing = by_name == list(range(len(names))) and not skeleton.flip_pairs
    wrong = {joint for joint in range(len(names)) if order[joint] != mended[joint]}
    if wrong:
        true_pairs = sorted({tuple(sorted((joint, mended[joint]))) for joint in wrong})
        words = ", ".join(f"{names[a]} and {names[b]} are a pair" if a != b else
                          f"{names[a]} is in the middle" for a, b in true_pairs)
        how = (", whose joints lie mostly one way round though none has a partner; as far as they "
               "tell" if nothing else "")
        lack = all(order[joint] == joint for joint in wrong)
        fault = (f"lack {len(true_pairs)} of {len(true_pairs) + len(skeleton.flip_pairs)} pairs"
                 if lack else "do not mirror people")
        doubt = (", as far as so few people can tell" if level == POSSIBLE else
                 ", as names tell, which these people do not settle"
                 if not lack and not _is_shown(labels, order, mended, wrong) else "")
        yield Finding(f"flip_pairs of the skeleton {skeleton.name} {fault}{how}: {words}{doubt}",
                      "the half of all training samples that is mirrored teaches one joint in the "
                      "place of the other, and the flip test averages both: "
                      f"{'look at them, and ' * bool(doubt)}correct flip_pairs or, where they are "
                      "right, the order of the joints", len(true_pairs), serious=level != POSSIBLE)
    for left, right in skeleton.flip_pairs:
        share, count = agreement(labels, left, right)
        if {left, right} & wrong or count < ENOUGH or share >= SAME_SIDE:
            continue
        if by_name[left] == right:
            yield Finding(f"{names[left]} and {names[right]} are exchanged: in most persons they "
                          "lie the other way round than the other pairs", "the network learns the "
                          "names as they are, but weights and data of others name them correctly: "
                          "exchange the two in the annotations", count,
                          (f"{1 - share:.0%} of {count} persons",))


def mended_order(labels: RawLabels, least: float = POSSIBLE) -> tuple[list[int], float]:
    """The flip order that names tell, or the skeleton, and that the people do not contradict; and
    how surely they mend it, CERTAIN or `least` where names tell nothing. Few people are enough to
    say that a skeleton is right against its names."""
    skeleton = labels.part.skeleton
    by_name = partners(skeleton.joint_names)
    told = by_name != list(range(skeleton.num_joints))
    own = list(skeleton.flip_order)
    named = _named(own, by_name)
    mirror = mirror_of(labels, turning=not told and not skeleton.flip_pairs)
    if own != named and mirror.better(named, [0.0])[0] == own:
        return own, NAMES_DOUBTED
    return mirror.better(named, [NAMES_DOUBTED] if told else [CERTAIN, least])


def _is_shown(labels: RawLabels, order: list[int], mended: list[int], joints: set[int]) -> bool:
    """Whether the people, too, lie as a mended flip order has these joints."""
    shown, _ = mirror_of(labels, turning=False).better(order, [0.0])
    return all(shown[joint] == mended[joint] for joint in joints)


def mirrored_persons(labels: RawLabels) -> Iterator[Finding]:
    """Persons with left and right swapped, as far as their face tells."""
    joints = same_joints(FACE + SHOULDERS, labels.part.skeleton.joint_names)
    if -1 in joints[:3]:
        return
    turn = turns(labels, *joints[:3])
    eyes = labels.points[:, joints[0]] - labels.points[:, joints[1]]
    turn[np.hypot(*eyes.T) < EYES_APART] = 0
    if -1 not in joints:
        left, right = joints[3:]
        against = ((labels.points[:, left] - labels.points[:, right]) * eyes).sum(axis=1) < 0
        turn[(turn > 0) & against & labels.seen[:, [left, right]].all(axis=1)] = 0
    wrong, total = turn > 0, int((turn != 0).sum())
    if wrong.any():
        everybody = ("; this is nearly everybody, so the names are exchanged here: what is called "
                     "left is the person's right (or left means the left of the picture, or y "
                     "counts upwards)" if wrong.sum() > 0.9 * total and total >= ENOUGH else "")
        yield labels.finding(f"{wrong.sum()} of {total} persons whose face is seen have left and "
                             f"right swapped{everybody}", "the network learns that left may be "
                             "right and hesitates between both: look at them, and exchange their "
                             "sides", wrong, total)


def _named(order: list[int], by_name: list[int]) -> list[int]:
    """A flip order with the pairs that names tell; joints whose partner they take have none."""
    told = {joint for joint, other in enumerate(by_name) if joint != other}
    return [other if joint in told else joint if order[joint] in told else order[joint]
            for joint, other in enumerate(by_name)]


def agreement(labels: RawLabels, left: int, right: int) -> tuple[float, int]:
    """In what share of how many persons a pair lies the same way round as most other pairs."""
    side = np.zeros(len(labels.ids))
    mine, named = None, sides(labels.part.skeleton.joint_names)
    for pair in labels.part.skeleton.flip_pairs:
        both = labels.labelled[:, list(pair)].all(axis=1)
        x = labels.keypoints[:, list(pair), 0]
        sign = np.where(both, np.sign(x[:, 0] - x[:, 1]), 0)
        if named[pair[0]] < 0:
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
    turn = turn_of(*(labels.points[:, joint] for joint in (a, b, c)))
    known = labels.seen[:, [a, b, c]].all(axis=1) & (np.abs(turn) == 1)
    return np.where(known, turn, 0)
