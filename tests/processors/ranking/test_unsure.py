"""Who is unsure: by the spread of the joints that people would label."""
import numpy as np
import pytest

from processors.ranking.calibrated import calibrated
from processors.ranking.disagreement import Opinion
from processors.ranking.unsure import expected_similarity, unsure_images, unsure_people
from tests.processors.ranking.made_people import SKELETON, made_people


def opinion_of(people):
    return Opinion(people, calibrated(made_people(200, seed=1), SKELETON), SKELETON)


def test_the_oks_to_be_expected_is_that_of_labels_as_far_away_as_the_calibration_says():
    people = made_people(400, seed=2, noise=6)
    opinion = Opinion(people, calibrated(people, SKELETON), SKELETON)
    found = opinion.similarity(people.labels)
    assert expected_similarity(opinion).mean() == pytest.approx(found.mean(), abs=0.02)
    assert 1 - unsure_people(opinion).mean() == pytest.approx(found.mean(), abs=0.02)


def test_wide_peaks_and_other_places_in_the_mirror_image_are_unsure():
    people = made_people()
    before = unsure_people(opinion_of(people))
    people.looks.covariance[3] *= 100
    people.looks.flips[8, :5] = 40
    people.looks.covariance[12, 2] = np.nan
    after = unsure_people(opinion_of(people))
    assert np.flatnonzero(after > before + 0.01).tolist() == [3, 8, 12]


def test_joints_count_as_often_as_people_label_such():
    """Half of the joints with the lowest peaks are labelled, and all others; bins are not exact."""
    calibrating, people = made_people(200, seed=1), made_people()
    low, high = [1, 3, 5, 7], [2, 4, 6, 8]
    calibrating.looks.heights[:, low] = people.looks.heights[:, low] = 0.1
    calibrating.labelled[::2, low] = False
    opinion = Opinion(people, calibrated(calibrating, SKELETON), SKELETON)
    share = opinion.calibration.labelled[opinion.calibration.bins(np.array([0.1, 0.9]))]
    assert share == pytest.approx([0.5, 1], abs=0.06)
    weights = np.full(17, 1.0)
    weights[low] = 0.5
    wanted = (1 - expected_similarity(opinion)) @ weights / weights.sum()
    assert unsure_people(opinion) == pytest.approx(wanted, rel=0.05)
    assert unsure_people(opinion).mean() != pytest.approx(
        1 - expected_similarity(opinion).mean(), rel=0.001)
    assert expected_similarity(opinion)[:, low].mean() == pytest.approx(
        expected_similarity(opinion)[:, high].mean(), abs=0.05)


def test_images_are_ranked_by_the_mean_of_their_people():
    people = made_people()
    wrist = SKELETON.joint_names.index("right_wrist")
    people.looks.covariance[7, wrist] = 400 * np.eye(2)
    people.looks.covariance[[10, 11], wrist] = 400 * np.eye(2)
    images = unsure_images(opinion_of(people))
    assert [image.image for image in images[:2]] == [5, 3] and len(images) == 20
    assert images[1].rows == (7, 6) and images[1].words.startswith("right wrist within ")
