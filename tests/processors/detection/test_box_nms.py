"""The choice of boxes against YOLOv5's own lists and against a plain loop."""
import json

import numpy as np
import pytest
import torch

from processors.detection.box_nms import select_boxes

NAMES = {"conf_thres": "confidence", "iou_thres": "iou", "classes": "classes",
         "max_det": "max_detections", "agnostic": "agnostic", "multi_label": "multi_label"}


def sorted_rows(rows):
    """Rows in an order that does not depend on ties of the score."""
    return rows[np.lexsort(rows.T[[0, 1, 2, 3, 5, 4]])]


def test_the_official_cases(shared):
    folder = shared / "golden" / "networks"
    cases = json.loads((folder / "yolo_nms_letterbox.json").read_text())["nms"]
    predictions, lists = np.load(folder / "yolo_pred.npz"), np.load(folder / "yolo_nms.npz")
    for name, case in cases.items():
        settings = {NAMES[key]: value for key, value in case.items() if key in NAMES}
        array = torch.from_numpy(predictions[name.split("__")[0]][0])
        found = select_boxes(array, **settings).numpy()
        assert found.shape == (case["n_out"], 6), name
        gap = case["min_score_gap"]
        if gap:     # without ties the order counts
            assert np.array_equal(found[:, 4:], lists[name][:, 4:])
            assert found == pytest.approx(lists[name], abs=1e-3)
        elif len(found) < case.get("max_detections", case.get("max_det", 300)):
            assert sorted_rows(found) == pytest.approx(sorted_rows(lists[name]), abs=1e-3)
        else:       # ties at the cut: whatever is above the last score
            above = [rows[rows[:, 4] > rows[-1, 4]] for rows in (found, lists[name])]
            assert sorted_rows(above[0]) == pytest.approx(sorted_rows(above[1]), abs=1e-3)
    assert len(cases) == 20


def overlap(a, b):
    sides = np.minimum(a[2:4], b[2:4]) - np.maximum(a[:2], b[:2])
    both = np.prod(np.maximum(sides, 0))
    return both / (np.prod(a[2:4] - a[:2]) + np.prod(b[2:4] - b[:2]) - both)


def by_a_loop(predictions, confidence, iou, classes):
    kept = []
    rows = []
    for x, y, w, h, objectness, *chances in predictions.astype(np.float64):
        label = int(np.argmax(chances))
        score = objectness * chances[label]
        if score > confidence and (classes is None or label in classes):
            rows.append(np.array([x - w / 2, y - h / 2, x + w / 2, y + h / 2, score, label]))
    for row in sorted(rows, key=lambda row: -row[4]):
        if all(row[5] != other[5] or overlap(row, other) <= iou for other in kept):
            kept.append(row)
    return np.array(kept).reshape(-1, 6)


@pytest.mark.parametrize("classes", [None, [0], [1, 2]])
def test_like_a_plain_loop(classes):
    generator = np.random.default_rng(3)
    predictions = generator.random((400, 8)).astype(np.float32)
    predictions[:, :2] *= 200
    predictions[:, 2:4] = 20 + 60 * predictions[:, 2:4]
    found = select_boxes(torch.from_numpy(predictions), 0.25, 0.45, classes, max_detections=1000)
    expected = by_a_loop(predictions, 0.25, 0.45, classes)
    assert 10 < len(expected) < 300 and found.numpy() == pytest.approx(expected, abs=1e-3)


def test_a_person_under_a_better_class_is_lost():
    rows = torch.tensor([[50, 50, 20, 40, 0.9, 0.80, 0.81], [90, 50, 20, 40, 0.9, 0.7, 0.6]])
    assert select_boxes(rows, 0.25, 0.45, classes=[0])[:, 0].tolist() == [80]
    both = select_boxes(rows, 0.25, 0.45, classes=[0], multi_label=True)
    assert both[:, 0].tolist() == [40, 80]


def test_nothing_and_too_much():
    nothing = select_boxes(torch.zeros(0, 85), 0.25, 0.45)
    assert nothing.shape == (0, 6)
    assert select_boxes(torch.zeros(50, 85), 0.25, 0.45).shape == (0, 6)
    rows = torch.rand(2000, 6, generator=torch.Generator().manual_seed(0))
    rows[:, :2] *= 10000
    best = select_boxes(rows, 0.0, 0.45, max_detections=7)
    assert len(best) == 7 and best[0, 4] == (rows[:, 4] * rows[:, 5]).max()
    assert (best[:-1, 4] >= best[1:, 4]).all()
