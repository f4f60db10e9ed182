"""What is odd about a label is said in words, and the oddest people come first."""
import numpy as np
import pytest

from processors.ranking.calibrated import calibrated
from processors.ranking.disagreement import Opinion
from tests.processors.ranking.made_people import SKELETON, made_people, seen

NAMES = SKELETON.joint_names
ROW = 6


def opinion_of(people) -> Opinion:
    return Opinion(seen(people), calibrated(made_people(200, seed=1), SKELETON), SKELETON)


def first_finding(people):
    """What is found first, which must be the person at ROW."""
    finding, *others = opinion_of(people).findings()
    assert finding.row == ROW
    assert not any(other.words for other in others)
    return finding


def test_changed_sides_are_found_as_such():
    people = made_people()
    people.labels[ROW] = people.labels[ROW, list(SKELETON.flip_order)]
    finding = first_finding(people)
    assert finding.words == "left and right are changed"
    assert NAMES.index("nose") not in finding.joints and len(finding.joints) > 8


def test_one_joint_far_off_is_named_with_its_distance():
    people = made_people()
    wrist = NAMES.index("left_wrist")
    people.labels[ROW, wrist] = people.looks.keypoints[ROW, wrist] + (27, -36)
    finding = first_finding(people)
    assert finding.joints == (wrist,)
    assert finding.words == "left wrist 45 px from where the network is sure it is"
    people.looks.heights[ROW, wrist] = 0.3
    assert "left wrist 45 px from where the network sees it" in first_finding(people).words


def test_the_label_of_a_neighbour():
    people = made_people()
    people.labels[ROW] = people.labels[ROW + 1]
    assert first_finding(people).words == "the label fits another person"


@pytest.mark.parametrize("shift, words", [
    ((40, 0), "all joints lie 40 px off, right"),
    ((-30, -40), "all joints lie 50 px off, up and left"),
    ((0, 50), "all joints lie 50 px off, down")])
def test_a_shifted_label(shift, words):
    people = made_people(noise=0.2)
    people.labels[ROW] += shift
    assert first_finding(people).words == words


def test_joints_in_another_order_and_two_that_changed_places():
    people = made_people()
    nose, ankle = NAMES.index("nose"), NAMES.index("left_ankle")
    people.labels[ROW, [nose, ankle]] = people.labels[ROW, [ankle, nose]]
    words = first_finding(people).words
    assert "on the left ankle" in words and "on the nose" in words
    people.labels[ROW] = np.roll(people.labels[ROW], 5, axis=0)
    assert "joints lie where others should" in first_finding(people).words


def test_what_is_not_labelled_is_not_odd():
    people = made_people()
    people.labels[ROW, 3:], people.labelled[ROW, 3:] = 0, False
    people.labelled[ROW + 1] = False
    people.labels[ROW, 0] += 60
    found = opinion_of(people).findings()
    assert found[0].row == ROW and found[0].joints == (0,)
    assert len(found) == len(people) - 1


def test_a_network_that_is_unsure_blames_nobody():
    people = made_people()
    wrist = NAMES.index("left_wrist")
    people.labels[ROW, wrist] += (20, 0)
    sure = first_finding(people).score
    by_distance = opinion_of(people).by_distance[ROW, wrist]
    agreed = people.looks.flips[ROW, wrist].copy()
    people.looks.flips[ROW, wrist] = (100, 0)       # the mirror image says otherwise
    assert opinion_of(people).by_distance[ROW, wrist] < by_distance / 2
    people.looks.flips[ROW, wrist] = agreed
    assert opinion_of(people).scores[ROW] == pytest.approx(sure)
    # a lower peak where the label is: the network may be wrong
    people = seen(people)
    people.looks.at_labels[ROW, wrist] = 0.4
    worth = calibrated(made_people(200, seed=1), SKELETON)
    assert Opinion(people, worth, SKELETON).scores[ROW] < sure - 0.5


def test_changed_sides_are_named_also_where_no_single_joint_is_odd():
    """The network is half sure only: the mirror image and its second peaks say otherwise."""
    people = made_people(noise=6)
    people.labels[ROW] = people.labels[ROW, list(SKELETON.flip_order)]
    people.looks.flips[ROW] = (50, 0)
    people = seen(people)
    people.looks.at_labels[ROW] = people.looks.heights[ROW]
    worth = calibrated(made_people(200, seed=1, noise=6), SKELETON)
    opinion = Opinion(people, worth, SKELETON)
    finding = next(one for one in opinion.findings() if one.row == ROW)
    assert finding.words == "left and right are changed" and not finding.joints
    people.labels[ROW] = people.labels[ROW, list(SKELETON.flip_order)]
    good = Opinion(seen(people), worth, SKELETON)
    assert not next(one for one in good.findings() if one.row == ROW).words
