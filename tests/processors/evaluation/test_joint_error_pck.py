import numpy as np
import pytest
import torch

from losses.accuracy import heatmap_accuracy
from processors.evaluation.joint_error import (
    UNDEFINED,
    area_under_pck,
    joint_distances,
    mean_of_defined,
    pck,
)


def peaks(points: list[list[tuple[int, int]]], height: int = 64, width: int = 48) -> torch.Tensor:
    """(B, K, h, w) with a 1 at each (x, y); None for a map without a peak."""
    maps = torch.zeros(len(points), len(points[0]), height, width)
    for b, person in enumerate(points):
        for k, point in enumerate(person):
            if point:
                maps[b, k, point[1], point[0]] = 1
    return maps


def test_it_equals_the_official_accuracy(shared):
    targets = torch.tensor(np.load(shared / "golden" / "targets.npz")["hrnet_192x256_s2"][:6])
    golden = np.load(shared / "golden" / "losses.npz")
    heatmaps = torch.cat([targets[:3].roll((1, 2), (2, 3)), targets[3:].roll((9, 8), (2, 3))])
    assert heatmap_accuracy(heatmaps, targets).item() == pytest.approx(golden["acc_avg"].item())
    for joint in range(17):
        one = heatmap_accuracy(heatmaps[:, joint:joint + 1], targets[:, joint:joint + 1]).item()
        assert one == pytest.approx(golden["acc_per"][joint + 1])


@pytest.mark.parametrize("dx, dy, near", [
    (0, 0, 1), (3, 0, 1), (4, 0, 0), (0, 2, 1), (0, 3, 0), (2, 1, 1), (2, 2, 0), (-3, 0, 1)])
def test_x_is_measured_by_the_height_and_y_by_the_width(dx, dy, near):
    # 0.5 * 64 / 10 = 3.2 pixels in x, 0.5 * 48 / 10 = 2.4 pixels in y
    accuracy = heatmap_accuracy(peaks([[(20 + dx, 30 + dy)]]), peaks([[(20, 30)]]))
    assert accuracy.item() == near


@pytest.mark.parametrize("target", [(1, 30), (30, 1), (0, 0), None])
def test_targets_at_the_border_or_without_a_peak_do_not_count(target):
    good, bad = (20, 30), (40, 50)
    targets = peaks([[target, good, good], [good, good, target]])
    heatmaps = peaks([[bad, good, bad], [good, good, bad]])
    # joint 0: 1 of 1, joint 1: 2 of 2, joint 2: 0 of 1
    assert heatmap_accuracy(heatmaps, targets).item() == pytest.approx(2 / 3)
    assert heatmap_accuracy(heatmaps[:, :1], peaks([[target], [target]])).item() == 0


def test_a_prediction_without_a_peak_lies_at_the_corner():
    far, near = peaks([[(20, 30)]], 64, 64), peaks([[(2, 2)]], 64, 64)
    assert heatmap_accuracy(far - 2, far).item() == 0       # all below 0
    assert heatmap_accuracy(far - 2, near).item() == 1


# ---- PCK of coordinates

def test_pck_equals_the_official_accuracy_where_peaks_are_measured_like_it(shared):
    targets = np.load(shared / "golden" / "targets.npz")["hrnet_192x256_s2"][:6]
    golden = np.load(shared / "golden" / "losses.npz")
    heatmaps = np.concatenate([np.roll(targets[:3], (1, 2), (2, 3)),
                               np.roll(targets[3:], (9, 8), (2, 3))])

    def places(maps):
        index = maps.reshape(6, 17, -1).argmax(2)
        return np.stack([index % 48, index // 48], axis=2)

    # in tenths of the map, exchanged as in HRNet's code: every person has the size 1
    unit = np.array([6.4, 4.8])
    distances = joint_distances(places(heatmaps) / unit, places(targets) / unit)
    shares = pck(distances, (places(targets) > 1).all(2), np.ones(6), 0.5)
    np.testing.assert_allclose(shares, golden["acc_per"][1:])
    assert mean_of_defined(shares) == pytest.approx(golden["acc_avg"].item())


def test_pck_by_hand():
    distances = np.array([[1.0, 2.0], [4.0, np.inf], [0.0, 0.0]])
    counted = np.array([[True, True], [True, True], [True, False]])
    sizes = np.array([10.0, 20.0, 5.0])
    # limits at 0.1: 1, 2, 0.5; joint 0: near, far, near; joint 1: far, not found, not labelled
    np.testing.assert_allclose(pck(distances, counted, sizes, 0.1), [2 / 3, 0])
    np.testing.assert_allclose(pck(distances, counted, sizes, 0.2), [1, 0.5])
    sizes[0] = np.nan       # that person is not counted at all
    np.testing.assert_allclose(pck(distances, counted, sizes, 0.2), [1, 0])


def test_area_under_pck_by_hand():
    counted = np.ones((4, 1), bool)
    assert area_under_pck(np.zeros((4, 1)), counted)[0] == pytest.approx(1)
    assert area_under_pck(np.full((4, 1), np.inf), counted)[0] == 0
    # of 4 joints one is at 0, one at 10, one at 20, one not found: the shares at 0, 10, 20 and 30
    # are 1/4, 2/4, 3/4, 3/4, and the trapezoids (3/8 + 5/8 + 6/8) / 3
    distances = np.array([[0.0], [10.0], [20.0], [np.inf]])
    assert area_under_pck(distances, counted, 30, 4)[0] == pytest.approx(1.75 / 3)


def test_nothing_labelled_is_undefined_and_never_nan():
    none = np.zeros((2, 3), bool)
    assert (pck(np.ones((2, 3)), none, np.ones(2), 0.1) == UNDEFINED).all()
    assert (pck(np.ones((2, 3)), ~none, np.full(2, np.nan), 0.1) == UNDEFINED).all()
    assert (area_under_pck(np.ones((2, 3)), none) == UNDEFINED).all()
    assert (area_under_pck(np.empty((0, 3)), np.empty((0, 3), bool)) == UNDEFINED).all()
