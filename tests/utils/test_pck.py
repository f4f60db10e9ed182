import numpy as np
import pytest
import torch

from utils.pck import heatmap_accuracy


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
