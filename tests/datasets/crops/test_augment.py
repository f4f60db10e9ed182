"""Views are drawn by the official distributions; half body equals the official numbers."""
import random

import numpy as np
import pytest

from configs.schema import AugmentConfig
from datasets.annotations.skeleton import load_skeleton
from datasets.crops.augment import (
    Subject,
    View,
    draw_rotation,
    draw_scale,
    draw_view,
    half_body,
    jitter_box,
    sample_generator,
    weakened,
)
from utils.geometry import CropGeometry

COCO = load_skeleton("coco")
DRAWS = 20000


def test_scale_is_a_clipped_normal():
    rng = random.Random(0)
    scales = np.array([draw_scale(rng, 0.3) for _ in range(DRAWS)])
    assert scales.min() == 0.7 and scales.max() == 1.3
    assert abs((scales == 0.7).mean() - 0.1587) < 0.01      # all of the normal below -1 sigma
    assert abs((scales == 1.3).mean() - 0.1587) < 0.01
    assert abs(scales.mean() - 1) < 0.005
    assert abs(((scales > 0.85) & (scales < 1.15)).mean() - 0.3829) < 0.015    # +- 0.5 sigma


def test_rotation_is_a_clipped_normal_or_none():
    rng, config = random.Random(0), AugmentConfig(rotation=40, rotation_prob=0.6)
    angles = np.array([draw_rotation(rng, config) for _ in range(DRAWS)])
    assert abs((angles == 0).mean() - 0.4) < 0.015
    turned = angles[angles != 0]
    assert np.abs(turned).max() == 80
    assert abs((np.abs(turned) == 80).mean() - 0.0455) < 0.006
    assert abs((np.abs(turned) < 40).mean() - 0.6827) < 0.015
    assert abs(turned.mean()) < 1.5


def person(seed: int = 0) -> Subject:
    points = np.random.default_rng(seed).uniform(50, 150, (17, 2)).astype(np.float32)
    view = View(np.array([100, 100], np.float32), np.array([0.75, 1], np.float32))
    return Subject(np.array([40.0, 20, 120, 160]), view, points, np.ones(17), np.array([200, 200]))


def views(config: AugmentConfig, count: int = 4000) -> list[View]:
    rng = random.Random(1)
    return [draw_view(rng, person(), COCO, CropGeometry(), config) for _ in range(count)]


def test_flip_and_half_body_come_as_often_as_asked():
    drawn = views(AugmentConfig(flip=0.5, half_body=0.3))
    assert abs(np.mean([view.flip for view in drawn]) - 0.5) < 0.03
    halves = [view for view in drawn if view.center[0] != 100]
    assert abs(len(halves) / len(drawn) - 0.3) < 0.03
    upper = half_body(person().keypoints, np.ones(17), COCO, True, CropGeometry()).center
    share = np.mean([np.array_equal(view.center, upper) for view in halves])
    assert abs(share - 0.6915) < 0.05      # a normal draw below 0.5, not an even one


def test_everything_off_shows_the_person_as_it_is():
    off = AugmentConfig(flip=0, rotation=0, scale=0, half_body=0)
    view = person().view
    for drawn in views(off, 50):
        assert drawn.rotation == 0 and not drawn.flip
        assert np.array_equal(drawn.center, view.center) and np.array_equal(drawn.scale, view.scale)


def test_one_setting_leaves_the_draws_of_the_others():
    both, no_half = views(AugmentConfig(half_body=0.5), 50), views(AugmentConfig(), 50)
    assert [(v.rotation, v.flip) for v in both] == [(v.rotation, v.flip) for v in no_half]


@pytest.mark.parametrize("alignment", ["hrnet", "dark"])
@pytest.mark.parametrize("half", ["upper", "lower"])
def test_half_body_equals_the_official_code(shared, alignment, half):
    golden = np.load(shared / "golden" / "augment.npz")
    centers, scales = (golden[f"{alignment}_{half}_draw_{name}"] for name in ("center", "scale"))
    applied = 0
    for joints, visible, center, scale in zip(golden["joints"], golden["vis"], centers, scales,
                                              strict=True):
        view = half_body(joints[:, :2], visible[:, 0], COCO, half == "upper",
                         CropGeometry(alignment=alignment))
        if np.isnan(center).any() or scale[0] == 0:     # 0: all joints on one spot, no use
            assert view is None
            continue
        applied += 1
        np.testing.assert_allclose(view.center, center, rtol=1e-5)
        np.testing.assert_allclose(view.scale, scale, rtol=1e-5)
    assert applied > 5


def test_half_body_takes_the_other_half_if_it_must():
    points, no_legs = person().keypoints, np.ones(17)
    no_legs[11:15] = 0      # two lower joints left, one too few
    view = half_body(points, no_legs, COCO, False, CropGeometry())
    np.testing.assert_allclose(view.center, points[:11].mean(axis=0), rtol=1e-6)
    assert view.scale[0] / view.scale[1] == pytest.approx(0.75)


def test_half_body_needs_joints_in_different_places():
    points, visible = person().keypoints, np.ones(17)
    assert half_body(np.full_like(points, 50), visible, COCO, True, CropGeometry()) is None
    assert half_body(points, visible * 0, COCO, True, CropGeometry()) is None


@pytest.mark.parametrize("count, tried", [(8, False), (9, True)])
def test_half_body_is_tried_on_persons_with_more_than_8_joints(count, tried):
    subject = person()
    subject.visibility[count:] = 0
    drawn = draw_view(random.Random(0), subject, COCO, CropGeometry(), AugmentConfig(half_body=1))
    assert np.array_equal(drawn.center, subject.view.center) != tried


# ---- box errors, perspective, weaker epochs

def test_box_errors_have_the_published_shifts():
    size = np.array([1000, 1000])
    box = np.array([300.0, 400, 100, 200])
    mean = jitter_box(box, size, 1.0, [0.0, 0, 0], [0.0] * 4)
    np.testing.assert_allclose(mean, [300 - 1.42, 400 + 0.86, 100 + 1.42 + 1.54, 200 - 0.26 - 0.86])
    wide = jitter_box(box, size, 1.0, [0.0, 0, 0], [-1.0, -1, 1, 1])
    edges = wide[0], wide[1], wide[0] + wide[2], wide[1] + wide[3]
    np.testing.assert_allclose(edges, [300 - 13.0, 400 - 12.74, 400 + 14.91, 600 + 13.96])
    half = jitter_box(box, size, 0.5, [0.0, 0, 0], [-1.0, -1, 1, 1])
    np.testing.assert_allclose(half - box, (wide - box) / 2)


def test_a_part_of_a_box_keeps_its_aspect_and_stays_inside():
    box = np.array([300.0, 400, 100, 200])
    for place in ([0.0, 0.0], [1.0, 1.0], [0.3, 0.8]):
        part = jitter_box(box, np.array([1000, 1000]), 1.0, [0.9, *place], [9.0] * 4)
        np.testing.assert_allclose(part[2:], [90, 180])
        np.testing.assert_allclose(part[:2], box[:2] + np.multiply(place, [10, 20]))


def test_shifted_boxes_stay_in_the_image_and_have_a_size():
    rng = np.random.default_rng(0)
    for _ in range(300):
        box = np.concatenate([rng.uniform(0, 90, 2), rng.uniform(1, 60, 2)])
        x, y, w, h = jitter_box(box, np.array([100, 100]), 2.0, [0.0, 0, 0], rng.normal(0, 3, 4))
        assert x >= 0 and y >= 0 and x + w <= 99 and y + h <= 99 and min(w, h) >= 2 - 1e-9


def test_box_errors_come_only_if_asked_for():
    off, on = views(AugmentConfig(), 200), views(AugmentConfig(box_jitter=1), 200)
    assert all(np.array_equal(view.center, [100, 100]) for view in off)
    assert len({tuple(view.center.tolist()) for view in on}) == 200
    assert [(v.rotation, v.flip) for v in on] == [(v.rotation, v.flip) for v in off]


def test_perspective_is_uniform_within_its_strength():
    tilts = np.array([view.tilt for view in views(AugmentConfig(perspective=0.2))])
    assert np.abs(tilts).max() <= 0.2 and np.abs(tilts).max() > 0.199
    np.testing.assert_allclose(tilts.mean(axis=0), 0, atol=0.01)
    np.testing.assert_allclose(tilts.std(axis=0), 0.2 / 3 ** 0.5, rtol=0.05)
    assert {view.tilt for view in views(AugmentConfig(), 20)} == {(0.0, 0.0)}


def test_weaker_augmentation():
    strong = AugmentConfig(rotation=40, scale=0.3, half_body=0.4, perspective=0.2, hue=8, weak=0.25)
    weak = weakened(strong)
    assert (weak.rotation, weak.scale, weak.half_body) == (10, 0.075, 0.1)
    assert (weak.perspective, weak.hue) == (0.05, 2)
    assert (weak.flip, weak.rotation_prob, weak.dropout_size) == (0.5, 0.6, 0.4)


def test_generators_of_different_samples_differ():
    keys = [(seed, epoch, index) for seed in (0, 1, 2 ** 40) for epoch in range(30)
            for index in range(30)]
    first = [sample_generator(*key).random() for key in keys]
    assert len(set(first)) == len(keys)
    assert abs(np.mean(first) - 0.5) < 0.02 and abs(np.corrcoef(first[:-1], first[1:])[0, 1]) < 0.06
    assert first == [sample_generator(*key).random() for key in keys]
