"""What the doctor looks for in joints and boxes: whether they can be where they are said to be."""
from collections.abc import Iterator

import numpy as np

from datasets.annotations.readers import FAR_OUTSIDE
from datasets.doctor.finding import Finding
from datasets.doctor.raw_labels import RawLabels

# Tools round, and clip at the border or one pixel behind it: what is outside by less than this
# part of the image's side and one pixel is at the border.
AT_BORDER = 0.02
# A joint seen in a third of all persons only is missing in ten of them by chance in 1 case of 58;
# in fewer persons nothing can be said.
ENOUGH_PERSONS = 10
# COCO's boxes are drawn round what is seen of a person, so some joints are outside. The network's
# crop is the box with an eighth more on each side; in COCO nobody has over 2/3 of the joints
# outside of that. On every side half of the people have a tenth of the box between it and the
# outermost joint.
CROP_MARGIN, MOST_OUTSIDE, REACH = 0.125, 0.75, 0.05
VISIBLE = 2     # COCO's v of a joint that is not hidden
SIDES = ("left", "top", "right", "bottom")
MOSTLY_OUTSIDE = 0.4        # part of a box that is left in the image
# In COCO two joints of a person lie on the same pixel now and then, three in nobody. In people of
# a few pixels the whole face may.
PILE, PILE_SIDE = 3, 50
# Joints with v = 0 have the coordinates 0, 0 in COCO; a label tool's own way shows in many joints.
HIDDEN_SHARE = 0.05


def nobody(labels: RawLabels) -> Iterator[Finding]:
    """No person has a labelled joint."""
    if len(labels.ids) and not labels.persons.any():
        yield Finding(f"none of the {len(labels.ids)} annotations has a labelled joint (v of 1 or "
                      "2, iscrowd of 0)", "there is nothing to train on, and AP is -1 for such a "
                      "validation set: label joints, or correct v", len(labels.ids))


def unlabelled_joints(labels: RawLabels) -> Iterator[Finding]:
    """Joints that are not labelled in any person."""
    persons = int(labels.persons.sum())
    names = labels.part.skeleton.joint_names
    counts = labels.labelled.sum(axis=0)
    never = [name for name, count in zip(names, counts, strict=True) if not count]
    # who does not label ears labels neither; one of a pair is a slip
    others = counts[list(labels.part.skeleton.flip_order)]
    half = (counts == 0) & (others >= ENOUGH_PERSONS)
    if never and persons >= ENOUGH_PERSONS:
        yield Finding(f"{', '.join(never)}: never labelled in {persons} persons", "the network "
                      "learns nothing of them and puts them anywhere; AP does not show it: label "
                      "them, or take them out of the skeleton", len(never),
                      serious=bool(half.any()))


def visibility(labels: RawLabels) -> Iterator[Finding]:
    """v that is none of 0, 1, 2, and joints with coordinates that are said to be unlabelled."""
    value, points = labels.keypoints[..., 2], labels.keypoints[..., :2]
    odd = ~np.isin(value, (0, 1, 2)) & np.isfinite(value)
    if odd.any():
        yield labels.finding(f"{odd.sum()} joints have a v that is none of 0 (not labelled), 1 "
                             "(hidden) and 2 (seen)", "above 0 they are trained as labelled ones, "
                             "and a score in the place of v makes guesses labels: write 0, 1 or 2",
                             odd)
    hidden = (value == 0) & (points != 0).any(axis=2) & ~labels.crowd[:, None]
    total = int(hidden.sum() + labels.labelled.sum())
    if hidden.sum() > HIDDEN_SHARE * total:
        yield labels.finding(f"{hidden.sum()} of {total} joints with coordinates have v = 0, which "
                             "means not labelled", "they are neither trained nor judged: if they "
                             "are hidden joints, write v = 1", hidden)


def piled_joints(labels: RawLabels) -> Iterator[Finding]:
    """Joints that a tool has put at 0, 0 or on top of each other instead of leaving them away."""
    points, labelled = labels.keypoints[..., :2], labels.labelled
    zero = labelled & (points == 0).all(axis=2)
    together = np.zeros(labelled.shape, np.int64)
    for joint in range(labelled.shape[1]):
        same = labelled & labelled[:, [joint]] & (points == points[:, [joint]]).all(axis=2)
        together[:, joint] = same.sum(axis=1)
    wrong = zero | (together >= PILE) & (_sides(labels) > PILE_SIDE)
    if wrong.any():
        yield labels.finding(f"{wrong.sum()} of {labelled.sum()} labelled joints lie at 0, 0 "
                             f"({zero.sum()}) or on one point with two others of the person",
                             "they are trained and judged there, as if they were seen: write v = 0 "
                             "for joints that are not labelled", wrong, int(labelled.sum()))


def _sides(labels: RawLabels) -> np.ndarray:
    """(N, K) pixels: the longer side of the person's box, or of what is labelled of a part with
    the joint, such as a hand, where that is shorter and no single point."""
    sides = np.repeat(labels.boxes[:, 2:].max(axis=1, keepdims=True), labels.seen.shape[1], axis=1)
    for joints in map(list, labels.part.skeleton.parts.values()):
        points, seen = labels.points[:, joints], labels.seen[:, joints, None]
        low = np.where(seen, points, np.inf).min(axis=1)
        extent = (np.where(seen, points, -np.inf).max(axis=1) - low).max(axis=1, keepdims=True)
        sides[:, joints] = np.where(extent > 1, np.minimum(sides[:, joints], extent),
                                    sides[:, joints])
    return sides


def joints_outside(labels: RawLabels) -> Iterator[Finding]:
    """Joints outside their image, or not in pixels at all."""
    if labels.relative:
        yield Finding("all joints lie between 0 and 1: they are parts of the image's size instead "
                      "of pixels", "everybody's joints are trained in the corner of the image: "
                      "multiply x by the width and y by the height", int(labels.labelled.sum()))
        return
    out = _beyond(labels.keypoints[..., :2], labels.sizes[:, None])
    outside = labels.labelled & (out > AT_BORDER)
    total = int(labels.labelled.sum())
    if outside.any():
        far = (labels.labelled & (out > FAR_OUTSIDE)).sum()
        yield labels.finding(f"{outside.sum()} of {total} labelled joints lie outside their image, "
                             f"{far} of them by more than a tenth of it", "the far ones are not "
                             "used; the others teach the network to see what is not in the "
                             "picture: remove them (v = 0), or look for a wrong image size",
                             outside, total)


def boxes(labels: RawLabels) -> Iterator[Finding]:
    """Boxes that are missing, without size, or outside their image."""
    persons, total = labels.persons, int(labels.persons.sum())
    first, size = labels.boxes[:, :2], labels.boxes[:, 2:]
    empty = persons & ~labels.boxed
    if empty.any():
        yield labels.finding(f"{empty.sum()} of {total} persons have no box, or one "
                             f"without width or height or beyond every image",
                             "they are left out, or training stops: make boxes of their joints",
                             empty, total)
    if labels.boxes_relative:
        yield Finding("all boxes lie between 0 and 1: they are parts of the image's size instead "
                      "of pixels", "nobody is in such boxes: multiply x and width by the width of "
                      "the image, y and height by its height, and the area by both", total)
        return
    corners = np.stack([first, first + size], axis=1)
    outside = labels.placed & ~empty & (_beyond(corners, labels.sizes[:, None]) > AT_BORDER
                                        ).any(axis=1)
    if outside.any():
        swapped = outside & (size > first).all(axis=1) & (      # size would be the far corner
            _beyond(size, labels.sizes) <= AT_BORDER)
        hint = ("; they look like corners x1, y1, x2, y2 in the place of x, y, width, height"
                if swapped.sum() > 0.9 * outside.sum() else "")
        within = (np.minimum(first + size, labels.sizes) - np.maximum(first, 0)).clip(0)
        with np.errstate(divide="ignore", invalid="ignore"):
            lost = outside & (within.prod(axis=1) < MOSTLY_OUTSIDE * size.prod(axis=1))
        far = f", {lost.sum()} of them for the most part" if lost.any() else ""
        yield labels.finding(f"{outside.sum()} of {total} persons have a box that reaches out of "
                             f"their image{far}{hint}", "the part outside is cut off; wrong boxes "
                             "give crops without the person: correct them", outside, total,
                             serious=bool(hint or lost.any()))


def boxes_hold(labels: RawLabels) -> Iterator[Finding]:
    """Boxes that do not hold the joints of their person. Hidden joints may be outside, where the
    box is drawn round what is seen; of labels that call hardly a joint seen all count."""
    if labels.relative or labels.boxes_relative:
        return
    seen = labels.seen & (labels.keypoints[..., 2] >= VISIBLE)
    seen = seen if 10 * seen.sum() > labels.seen.sum() else labels.seen
    seen = seen & labels.points.any(axis=2)     # those at 0, 0 are piled joints
    rows = np.flatnonzero(labels.boxed & (seen.sum(axis=1) >= 2))
    seen, boxes = seen[rows], labels.boxes[rows]
    place = (labels.points[rows] - boxes[:, None, :2]) / boxes[:, None, 2:]
    reach = np.where(seen[..., None], np.concatenate([-place, place - 1], axis=2), -np.inf)
    lost = (reach.max(axis=2) > CROP_MARGIN).sum(axis=1) > MOST_OUTSIDE * seen.sum(axis=1)
    usual = np.median(reach.max(axis=1), axis=0) if len(rows) >= ENOUGH_PERSONS else np.zeros(4)
    total, side = int(labels.persons.sum()), int(usual.argmax())
    cure = "make the boxes anew from the joints, or look for boxes of another image size"
    wrong = np.zeros(len(labels.ids), bool)
    if usual[side] > REACH and lost.mean() < 0.5:
        wrong[rows] = reach[..., side].max(axis=1) > REACH
        yield labels.finding(f"{wrong.sum()} of {total} persons have joints outside "
                             f"of the {SIDES[side]} of their box, half of them by more than "
                             f"{usual[side]:.0%} of its size: boxes are shifted or too small",
                             f"the crops cut people off, and AP is low without a word: {cure}",
                             wrong)
    elif lost.any():
        wrong[rows] = lost
        yield labels.finding(f"{wrong.sum()} of {total} persons have a box that does "
                             f"not hold their joints", "the crop shows somebody else or nothing, "
                             f"and joints outside of it are not trained: {cure}", wrong, total)


def _beyond(points: np.ndarray, size: np.ndarray) -> np.ndarray:
    """How far points (..., 2) are outside their image, as a part of its side; a pixel is free."""
    out = np.maximum(-points, points - size) - 1
    return np.nan_to_num(out / size, nan=-1.0).max(axis=-1)
