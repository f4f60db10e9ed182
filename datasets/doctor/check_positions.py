"""What the doctor looks for in joints and boxes: whether they can be where they are said to be."""
from collections.abc import Iterator

import numpy as np

from datasets.annotations.readers import FAR_OUTSIDE
from datasets.doctor.finding import Finding, is_serious
from datasets.doctor.raw_labels import RawLabels

# Tools round, and clip at the border or one pixel behind it: what is outside by less than this
# part of the image's side and one pixel is at the border.
AT_BORDER = 0.02
# A joint seen in a third of all persons only is missing in ten of them by chance in 1 case of 58;
# in fewer persons nothing can be said.
ENOUGH_PERSONS = 10
# COCO's boxes are drawn round what is seen of a person, so some joints are outside. The network's
# crop is the box with an eighth more on each side; in COCO nobody has over 2/3 of the joints
# outside of that.
CROP_MARGIN, MOST_OUTSIDE = 0.125, 0.75
# In COCO two joints of a person lie on the same pixel now and then, three in nobody. In people of
# a few pixels the whole face may.
PILE, PILE_SIDE = 3, 50
# Joints with v = 0 have the coordinates 0, 0 in COCO; a label tool's own way shows in many joints.
HIDDEN_SHARE = 0.05


def no_labelled_person(labels: RawLabels) -> Iterator[Finding]:
    """No person has a labelled joint."""
    if len(labels.ids) and not labels.persons.any():
        yield Finding("nobody", labels.name, f"none of the {len(labels.ids)} annotations has a "
                      f"labelled joint (v of 1 or 2, iscrowd of 0)", "there is nothing to train "
                      "on, and AP is -1 for such a validation set: label joints, or correct v",
                      len(labels.ids))


def unlabelled_joints(labels: RawLabels) -> Iterator[Finding]:
    """Joints that are not labelled in any person."""
    persons = int(labels.persons.sum())
    names = labels.part.skeleton.joint_names
    known = np.any(labels.labelled, axis=0)
    never = [name for name, seen in zip(names, known, strict=True) if not seen]
    if never and persons >= ENOUGH_PERSONS:
        yield Finding("unlabelled_joints", labels.name, f"{', '.join(never)}: never labelled in "
                      f"{persons} persons", "the network learns nothing of them and puts them "
                      "anywhere; AP does not show it: label them, or take them out of the "
                      "skeleton", len(never))


def visibility(labels: RawLabels) -> Iterator[Finding]:
    """v that is none of 0, 1, 2, and joints with coordinates that are said to be unlabelled."""
    value, points = labels.keypoints[..., 2], labels.keypoints[..., :2]
    odd = ~np.isin(value, (0, 1, 2)) & np.isfinite(value)
    people = odd.any(axis=1)
    if people.any():
        yield Finding("visibility", labels.name, f"{odd.sum()} joints have a v that is none of 0 "
                      f"(not labelled), 1 (hidden) and 2 (seen)", "above 0 they are trained as "
                      "labelled ones, and a score in the place of v makes guesses labels: write "
                      "0, 1 or 2", int(odd.sum()), labels.examples(people))
    hidden = (value == 0) & (points != 0).any(axis=2) & ~labels.crowd[:, None]
    total = int(hidden.sum() + labels.labelled.sum())
    if hidden.sum() > HIDDEN_SHARE * total:
        yield Finding("visibility", labels.name, f"{hidden.sum()} of {total} joints with "
                      f"coordinates have v = 0, which means not labelled", "they are neither "
                      "trained nor judged: if they are hidden joints, write v = 1",
                      int(hidden.sum()), labels.examples(hidden.any(axis=1)))


def piled_joints(labels: RawLabels) -> Iterator[Finding]:
    """Joints that a tool has put at 0, 0 or on top of each other instead of leaving them away."""
    points, labelled = labels.keypoints[..., :2], labels.labelled
    zero = labelled & (points == 0).all(axis=2)
    together = np.zeros(labelled.shape, np.int64)
    for joint in range(labelled.shape[1]):
        same = labelled & labelled[:, [joint]] & (points == points[:, [joint]]).all(axis=2)
        together[:, joint] = same.sum(axis=1)
    large = labels.boxes[:, 2:].max(axis=1, keepdims=True) > PILE_SIDE
    wrong = zero | (together >= PILE) & large
    count, total = int(wrong.sum()), int(labelled.sum())
    if count:
        yield Finding("piled_joints", labels.name, f"{count} of {total} labelled joints lie at "
                      f"0, 0 ({zero.sum()}) or on one point with two others of the person",
                      "they are trained and judged there, as if they were seen: write v = 0 for "
                      "joints that are not labelled", count, labels.examples(wrong.any(axis=1)),
                      is_serious(count, total))


def joints_outside(labels: RawLabels) -> Iterator[Finding]:
    """Joints outside their image, or not in pixels at all."""
    if labels.relative:
        yield Finding("joints_outside", labels.name, "all joints lie between 0 and 1: they are "
                      "parts of the image's size instead of pixels", "everybody's joints are "
                      "trained in the corner of the image: multiply x by the width and y by the "
                      "height", int(labels.labelled.sum()))
        return
    out = _beyond(labels.keypoints[..., :2], labels.sizes[:, None])
    outside = labels.labelled & (out > AT_BORDER)
    count, total = int(outside.sum()), int(labels.labelled.sum())
    if count:
        far = int((labels.labelled & (out > FAR_OUTSIDE)).sum())
        yield Finding("joints_outside", labels.name, f"{count} of {total} labelled joints lie "
                      f"outside their image, {far} of them by more than a tenth of it",
                      "the far ones are not used; the others teach the network to see what is not "
                      "in the picture: remove them (v = 0), or look for a wrong image size",
                      count, labels.examples(np.any(outside, axis=1)), is_serious(count, total))


def boxes(labels: RawLabels) -> Iterator[Finding]:
    """Boxes that are missing, without size, or outside their image."""
    persons, total = labels.persons, int(labels.persons.sum())
    empty = persons & ~(labels.boxes[:, 2:] > 0).all(axis=1)
    empty |= persons & ~np.isfinite(labels.boxes).all(axis=1)
    if empty.any():
        yield Finding("boxes", labels.name, f"{empty.sum()} of {total} persons have no box, or one "
                      f"without width or height", "they are left out, or training stops: make "
                      "boxes of their joints", int(empty.sum()), labels.examples(empty),
                      is_serious(int(empty.sum()), total))
    corners = labels.boxes[:, None, :2] + np.stack(
        [np.zeros_like(labels.boxes[:, 2:]), labels.boxes[:, 2:]], axis=1)
    outside = labels.placed & ~empty & (_beyond(corners, labels.sizes[:, None]) > AT_BORDER
                                        ).any(axis=1)
    if outside.any():
        last = labels.boxes[:, 2:]      # what would be the far corner
        swapped = outside & (last > labels.boxes[:, :2]).all(axis=1) & (
            _beyond(last, labels.sizes) <= AT_BORDER)
        hint = ("; they look like corners x1, y1, x2, y2 in the place of x, y, width, height"
                if swapped.sum() > 0.9 * outside.sum() else "")
        yield Finding("boxes", labels.name, f"{outside.sum()} of {total} persons have a box that "
                      f"reaches out of their image{hint}", "the part outside is cut off; wrong "
                      "boxes give crops without the person: correct them", int(outside.sum()),
                      labels.examples(outside), is_serious(int(outside.sum()), total))


def boxes_hold(labels: RawLabels) -> Iterator[Finding]:
    """Boxes that do not hold the joints of their person."""
    if labels.relative:
        return
    with np.errstate(divide="ignore", invalid="ignore"):
        place = (labels.keypoints[..., :2] - labels.boxes[:, None, :2]) / labels.boxes[:, None, 2:]
    out = labels.labelled & (np.maximum(-place, place - 1).max(axis=2) > CROP_MARGIN)
    count = labels.labelled.sum(axis=1)
    wrong = (count >= 2) & (out.sum(axis=1) > MOST_OUTSIDE * count)
    wrong &= (labels.boxes[:, 2:] > 0).all(axis=1)
    if wrong.any():
        total = int(labels.persons.sum())
        yield Finding("boxes_hold", labels.name, f"{wrong.sum()} of {total} persons have a box "
                      f"that does not hold their joints", "the crop shows somebody else or "
                      "nothing, and joints outside of it are not trained: make the boxes anew "
                      "from the joints, or look for boxes of another image size",
                      int(wrong.sum()), labels.examples(wrong), is_serious(int(wrong.sum()), total))


def _beyond(points: np.ndarray, size: np.ndarray) -> np.ndarray:
    """How far points (..., 2) are outside their image, as a part of its side; a pixel is free."""
    out = np.maximum(-points, points - size) - 1
    return np.nan_to_num(out / size, nan=-1.0).max(axis=-1)
