import warnings

import numpy as np
import pytest

from processors.evaluation.joint_error import (
    UNDEFINED,
    head_size,
    joint_distances,
    longer_side,
    mean_error,
    mean_of_defined,
    mean_side,
    torso_size,
)

ALL = np.ones((2, 2), bool)


@pytest.fixture(autouse=True)
def no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def test_distances_by_hand_and_infinite_without_a_prediction():
    predicted = np.array([[[3.0, 4.0], [10.0, 0.0]], [[np.nan, 1.0], [np.inf, 0.0]]])
    distances = joint_distances(predicted, np.zeros((2, 2, 2)))
    np.testing.assert_array_equal(distances, [[5, 10], [np.inf, np.inf]])


def test_mean_errors_by_hand():
    distances = np.array([[5.0, 10.0], [1.0, np.inf]])
    np.testing.assert_allclose(mean_error(distances, ALL), [3, 10])
    np.testing.assert_allclose(mean_error(distances, ALL, np.array([10.0, 4.0])), [0.375, 1])
    # a person without a size is left out
    np.testing.assert_allclose(mean_error(distances, ALL, np.array([10.0, np.nan])), [0.5, 1])
    np.testing.assert_allclose(mean_error(distances, ALL, np.array([0.0, 4.0])), [0.25, -1])


def test_nothing_to_count_is_undefined_and_never_nan():
    none = np.zeros((2, 2), bool)
    assert (mean_error(np.ones((2, 2)), none) == UNDEFINED).all()
    assert (mean_error(np.empty((0, 3)), np.empty((0, 3), bool), np.empty(0)) == UNDEFINED).all()
    assert mean_of_defined(np.full(3, UNDEFINED)) == UNDEFINED
    assert mean_of_defined(np.array([0.5, UNDEFINED]), np.array([0, 4])) == UNDEFINED


def test_the_mean_of_joints_leaves_out_those_without_a_number():
    shares = np.array([0.5, 1.0, UNDEFINED])
    assert mean_of_defined(shares) == 0.75
    assert mean_of_defined(shares, np.array([3, 1, 9])) == 0.625


def test_sizes_of_people_by_hand():
    boxes = np.array([[7.0, 7, 30, 40], [0, 0, 9, 4], [0, 0, 0, 0], [np.nan] * 4])
    np.testing.assert_array_equal(longer_side(boxes), [40, 9, np.nan, np.nan])
    np.testing.assert_allclose(mean_side(boxes), [np.sqrt(1200), 6, np.nan, np.nan])
    np.testing.assert_allclose(head_size(boxes), [30, 0.6 * np.sqrt(97), np.nan, np.nan])


def test_the_torso_is_measured_along_the_first_diagonal_that_is_labelled():
    truth = np.array([[[0.0, 0.0], [3, 4], [10, 0], [10, 12]]] * 3)
    labelled = np.array([[1, 1, 1, 1], [0, 1, 1, 1], [0, 1, 0, 1]], bool)
    np.testing.assert_array_equal(torso_size(truth, labelled, [(0, 1), (2, 3)]), [5, 12, np.nan])
