"""Joints and boxes that are drawn apart: who is whose, and what is said where that is unclear."""
from itertools import permutations

import pytest

from datasets.annotations.skeleton import skeleton_from_dict
from datasets.imports.joining import Drawing, assign
from datasets.imports.write_coco import Notes

STICK = skeleton_from_dict({"joints": ["top", "end"]}, "stick")


@pytest.mark.parametrize("candidates, found", [
    ([{0}, {0, 1}], [0, 1]), ([{0}, {0}], [None, None]), ([{0, 1}, {0, 1}], [None, None]),
    ([{2}, {1, 2}, {0, 1}], [2, 1, 0]), ([{0}, {0}, {0, 1}], [None] * 3), ([set()], [None])])
def test_what_is_left_alone_with_a_place_gets_it(candidates, found):
    assert assign(candidates) == found
    for order in permutations(range(len(found))):
        assert assign([candidates[i] for i in order]) == [found[i] for i in order]


def drawn(joints, boxes, notes, **options):
    """The boxes, or None, of the persons by the x of their first joint. joints: name, x, y, group;
    boxes: x, y, right, bottom, class, group."""
    drawing = Drawing(STICK, "a.json", notes)
    for name, x, y, group in joints:
        drawing.joint(name, (x, y), 2, group)
    for x, y, right, bottom, kind, group in boxes:
        drawing.box([(x, y), (right, bottom)], kind, group, **options)
    return {tuple(person.joints[person.joints[:, 2] > 0, 0].tolist()): person.box and person.box[0]
            for person in drawing.persons()}


LEFT, RIGHT = (0, 0, 10, 10, "bird", None), (20, 0, 30, 10, "bird", None)


def test_loose_joints_go_to_the_box_that_they_are_in():
    notes = Notes()
    joints = [("top", 3, 3, None), ("end", 5, 5, None), ("top", 23, 3, None), ("end", 25, 5, None),
              ("end", 50, 50, None)]
    assert drawn(joints, [LEFT, RIGHT], notes) == {(3, 5): 0, (23, 25): 20}
    assert notes.counts == {"joints without a group left out that are in no box, or of which it is "
                            "unclear in which": 1}


def test_joints_that_may_be_of_a_neighbour_are_counted():
    right = (10, 0, 20, 10, "bird", None)
    joints = [("top", 3, 3, None), ("end", 11, 5, None), ("top", 13, 3, None)]      # whose end?
    for end, count in ((11, 1), (16, 0)):
        notes, joints[1] = Notes(), ("end", end, 5, None)
        assert drawn(joints, [LEFT, right], notes) == {(3,): 0, (13, end): 10}
        assert notes.counts.total() == count
    assert "may as well be of a box beside" not in str(notes.counts)


def test_joints_where_two_boxes_overlap_go_where_they_are_lacking():
    right = (5, 0, 15, 10, "bird", None)
    joints = [("top", 2, 2, None), ("end", 2, 8, None), ("top", 7, 2, None), ("end", 12, 8, None)]
    assert drawn(joints, [LEFT, right], Notes()) == {(2, 2): 0, (7, 12): 5}
    notes = Notes()     # both tops in both: nothing tells whose they are
    joints = [("top", 6, 2, None), ("end", 2, 8, None), ("top", 7, 2, None), ("end", 12, 8, None)]
    assert drawn(joints, [LEFT, right], notes) == {(2,): 0, (12,): 5}
    assert notes.counts.total() == 2


def test_groups_without_a_box_find_theirs_by_place():
    groups = [("top", 23, 3, 1), ("end", 25, 5, 1), ("top", 3, 3, 2), ("end", 5, 5, 2)]
    assert drawn(groups, [LEFT, RIGHT], Notes()) == {(23, 25): 20, (3, 5): 0}
    inner = (2, 2, 8, 8, "bird", None)      # a child in front of its father
    groups = [("top", 3, 3, 1), ("end", 5, 5, 1), ("top", 1, 1, 2), ("end", 9, 9, 2)]
    assert drawn(groups, [LEFT, inner], Notes()) == {(3, 5): 2, (1, 9): 0}


def test_of_two_boxes_that_of_more_joints_is_meant():
    """Two who overlap: most of the joints of each are in both boxes, all in one."""
    drawing = Drawing(skeleton_from_dict({"joints": ["a", "b", "c"]}, "three"), "a.json", Notes())
    for group, places in ((1, (2, 6, 7)), (2, (6, 7, 12))):
        for name, x in zip("abc", places, strict=True):
            drawing.joint(name, (x, 5), 2, group)
    drawing.box([(0, 0), (10, 10)], "bird", None)
    drawing.box([(5, 0), (15, 10)], "bird", None)
    assert [person.box[0] for person in drawing.persons()] == [0, 5]


def test_a_box_that_may_be_of_two_is_of_neither():
    notes = Notes()
    groups = [("top", 3, 3, 1), ("end", 5, 5, 1), ("top", 4, 3, 2), ("end", 6, 5, 2)]
    assert drawn(groups, [LEFT], notes) == {(3, 5): None, (4, 6): None, (): 0}
    assert notes.counts == {"persons without a box, as it is unclear which is theirs (give them a "
                            "group)": 2}


def test_a_lone_person_and_a_lone_box_belong_together_in_part():
    assert drawn([("top", 9, 9, None), ("end", 14, 3, None)], [LEFT], Notes()) == {(9, 14): 0}
    assert drawn([("top", 9, 9, None), ("end", 14, 3, None)], [(*LEFT[:5], 7)], Notes()) == {
        (9, 14): 0}
    assert drawn([("top", 13, 3, None)], [LEFT], Notes()) == {(13,): None, (): 0}


def test_a_group_decides_before_the_place():
    joints = [("top", 3, 3, 1), ("end", 5, 5, 1)]
    boxes = [(20, 0, 30, 10, "bird", 1), LEFT]
    assert drawn(joints, boxes, Notes()) == {(3, 5): 20, (): 0}


def test_outlines_are_boxes_of_those_who_have_no_other():
    notes = Notes()
    joints = [("top", 3, 3, 1), ("end", 5, 5, 1)]
    assert drawn(joints, [LEFT, RIGHT], notes, outline=True) == {(3, 5): 0}
    assert notes.counts == {"outlines without joints left out": 1}


# ---- classes

GROUPS = [("top", 3, 3, 1), ("end", 5, 5, 1), ("top", 23, 3, 2), ("end", 25, 5, 2),
          ("top", 50, 3, 3)]
BOXES = [(0, 0, 10, 10, "bird", 1), (20, 0, 30, 10, "dog", 2), (70, 0, 80, 10, "dog", None)]


def test_only_the_class_that_is_asked_for_is_taken_and_the_rest_is_counted():
    notes = Notes(wanted="bird")
    assert drawn(GROUPS, BOXES, notes) == {(3, 5): 0}
    assert notes.counts == {"persons of the class 'dog' left out (--class)": 2,
                            "persons whose class nothing tells left out (--class)": 1}


def test_without_a_filter_all_are_taken_and_counted_by_class():
    notes = Notes()
    assert len(drawn(GROUPS, BOXES, notes)) == 4
    assert notes.classes == {"bird": 1, "dog": 2, "": 1} and not notes.counts


def test_joints_in_a_box_of_another_class_are_not_taken():
    notes = Notes(wanted="bird")
    joints = [("top", 3, 3, None), ("end", 5, 5, None), ("top", 23, 3, None), ("end", 25, 5, None)]
    boxes = [LEFT, (20, 0, 30, 10, "dog", None)]
    assert drawn(joints, boxes, notes) == {(3, 5): 0}
    assert notes.counts == {"persons of the class 'dog' left out (--class)": 1}


def test_of_two_boxes_in_a_group_that_of_the_class_counts():
    joints = [("top", 3, 3, 1), ("end", 5, 5, 1)]
    boxes = [(0, 0, 10, 10, "bird", 1), (1, 1, 9, 9, "helmet", 1)]
    assert drawn(joints, boxes, Notes(wanted="bird")) == {(3, 5): 0}
