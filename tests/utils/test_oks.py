"""OKS and its suppressions, against the official keep lists and against loops pair by pair."""
import tracemalloc

import numpy as np
import pytest

from benchmarks.oks_speed import (
    random_poses,
    textbook_nms,
    textbook_oks,
    textbook_rescore,
    textbook_soft_nms,
)
from datasets.annotations.skeleton import load_skeleton
from utils import oks
from utils.oks import nms_per_image, oks_matrix, oks_nms, rescore, soft_oks_nms

SIGMAS = load_skeleton("coco").sigmas


@pytest.fixture(scope="module")
def golden(shared):
    return dict(np.load(shared / "golden" / "oks.npz"))


def golden_set(golden: dict, i: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    n = golden["n"][i]
    return golden["kpts"][i, :n], golden["scores"][i, :n], golden["areas"][i, :n]


def test_oks_is_the_official_one(golden):
    for i in range(len(golden["n"])):
        poses, _, areas = golden_set(golden, i)
        n = len(poses)
        oks = oks_matrix(poses, poses, areas, areas, SIGMAS)
        np.testing.assert_allclose(oks, golden["oks"][i, :n, :n], atol=1e-6)
        if i < len(golden["oks_vis02_first10"]):
            oks = oks_matrix(poses, poses, areas, areas, SIGMAS, visible_above=0.2)
            np.testing.assert_allclose(oks, golden["oks_vis02_first10"][i, :n, :n], atol=1e-6)


@pytest.mark.parametrize("name, suppress, options", [
    ("oks_nms_09", oks_nms, (0.9,)), ("oks_nms_05", oks_nms, (0.5,)),
    ("oks_nms_03", oks_nms, (0.3,)), ("oks_nms_05_vis02", oks_nms, (0.5, 0.2)),
    ("soft_09", soft_oks_nms, (0.9,)), ("soft_05", soft_oks_nms, (0.5,))])
def test_suppression_keeps_what_the_official_code_keeps(golden, name, suppress, options):
    for i, expected in enumerate(golden[name]):
        poses, scores, areas = golden_set(golden, i)
        kept = suppress(poses, scores, areas, SIGMAS, *options)
        np.testing.assert_array_equal(kept, expected[expected >= 0])


@pytest.mark.parametrize("case, kind", [
    ("gt", "oks"), ("det", "oks"), ("perfect", "oks"), ("det_soft", "soft_oks")])
def test_whole_sets_are_rescored_and_suppressed_as_in_the_official_evaluation(
        shared, case, kind):
    golden = np.load(shared / "golden" / "evaluate.npz")
    inputs = case.removesuffix("_soft")
    poses, boxes = golden[f"{inputs}_preds"], golden[f"{inputs}_boxes"]
    scores = rescore(boxes[:, 5], poses[..., 2])
    kept = nms_per_image(golden[f"{inputs}_image_id"], poses, scores, boxes[:, 4], SIGMAS, 0.9,
                         kind)
    np.testing.assert_array_equal(kept, golden[f"{case}_kept_index"])
    np.testing.assert_allclose(scores[kept], golden[f"{case}_kept_score"], atol=1e-6)


def test_oks_is_the_textbook_formula():
    data = random_poses(1, 6)
    poses, areas = data["keypoints"], data["areas"]
    oks = oks_matrix(poses[:4], poses[2:], areas[:4], areas[2:], SIGMAS)
    assert oks.shape == (4, 4)
    for i in range(4):
        for j in range(4):
            expected = textbook_oks(poses[i], poses[2 + j], areas[i], areas[2 + j],
                                    np.asarray(SIGMAS))
            assert abs(oks[i, j] - expected) < 1e-6
    np.testing.assert_allclose(oks[2:, :2].diagonal(), 1.0)


@pytest.mark.parametrize("threshold", [0.3, 0.6, 0.9])
def test_a_set_of_images_is_suppressed_as_pair_by_pair(threshold):
    """Images with 1 to 30 poses in any order, a third of the poses near copies of others."""
    rng = np.random.default_rng(0)
    sets = [random_poses(1, persons, seed) for seed, persons in enumerate([1, 3, 3, 9, 12, 30, 1])]
    for i, data in enumerate(sets):
        data["image_ids"] = np.full(len(data["areas"]), 1000 - 7 * i)
    order = rng.permutation(sum(len(data["areas"]) for data in sets))
    image_ids, poses, areas = (np.concatenate([data[key] for data in sets])[order]
                               for key in ("image_ids", "keypoints", "areas"))
    scores = rng.uniform(0, 1, len(order)).round(1)      # many equal ones
    kept = nms_per_image(image_ids, poses, scores, areas, SIGMAS, threshold)
    expected = textbook_nms(image_ids, poses, scores, areas, SIGMAS, threshold)
    np.testing.assert_array_equal(kept, expected)
    assert len(kept) < len(order)
    one = image_ids == image_ids[0]
    kept = oks_nms(poses[one], scores[one], areas[one], SIGMAS, threshold)
    np.testing.assert_array_equal(np.flatnonzero(one)[kept], expected[one[expected]])


def test_poses_exactly_at_the_threshold_are_kept():
    twice = np.zeros((2, 17, 2))
    assert len(oks_nms(twice, [0.9, 0.8], [100.0, 100.0], SIGMAS, threshold=1.0)) == 2
    assert len(oks_nms(twice, [0.9, 0.8], [100.0, 100.0], SIGMAS, threshold=0.99)) == 1


def test_large_sets_are_computed_in_portions(monkeypatch):
    data = random_poses(20, 8)
    poses = data["image_ids"], data["keypoints"], data["box_scores"], data["areas"], SIGMAS
    together = nms_per_image(*poses), nms_per_image(*poses, kind="soft_oks")
    monkeypatch.setattr("utils.oks.ELEMENTS_AT_ONCE", 3000)
    np.testing.assert_array_equal(nms_per_image(*poses), together[0])
    np.testing.assert_array_equal(nms_per_image(*poses, kind="soft_oks"), together[1])


def test_soft_suppression_reorders_and_keeps_at_most_20():
    data = random_poses(1, 30)
    poses, scores, areas = data["keypoints"], data["box_scores"], data["areas"]
    kept = soft_oks_nms(poses, scores, areas, SIGMAS, 0.5)
    expected = textbook_soft_nms(data["image_ids"], poses, scores, areas, SIGMAS, 0.5)
    np.testing.assert_array_equal(kept, expected)
    assert len(kept) == 20 and not np.array_equal(kept, np.argsort(-scores)[:20])


@pytest.mark.filterwarnings("error")
def test_soft_suppression_at_a_tiny_threshold_takes_nobody_twice():
    """Equal poses then have scores of 0. At 0 the rule has no meaning."""
    twice, scores, areas = np.zeros((3, 17, 2)), [0.9, 0.8, 0.7], [100.0] * 3
    assert sorted(soft_oks_nms(twice, scores, areas, SIGMAS, 1e-4)) == [0, 1, 2]
    for threshold in (0.0, -1.0, float("nan")):
        with pytest.raises(ValueError, match="val.nms_threshold.*above 0"):
            soft_oks_nms(twice, scores, areas, SIGMAS, threshold)
    assert len(oks_nms(twice, scores, areas, SIGMAS, 0.0)) == 1


def test_no_suppression_keeps_all_by_image_and_score():
    kept = nms_per_image([7, 3, 7], np.zeros((3, 17, 2)), [0.1, 0.9, 0.5], [1, 1, 1], SIGMAS,
                         kind="none")
    np.testing.assert_array_equal(kept, [2, 0, 1])
    with pytest.raises(ValueError, match="val.nms is 'soft'"):
        nms_per_image([7], np.zeros((1, 17, 2)), [0.1], [1], SIGMAS, kind="soft")


def test_rescoring_averages_the_joints_that_count():
    data = random_poses(10, 5)
    scores = rescore(data["box_scores"], data["joint_scores"], 0.2)
    expected = textbook_rescore(data["box_scores"], data["joint_scores"], 0.2)
    np.testing.assert_allclose(scores, expected, atol=1e-6)
    assert (scores[::7] == 0).all()
    np.testing.assert_allclose(rescore([0.5], [[0.2, 0.4, 0.8, 0.1]]), [0.3])


def test_only_visible_joints_of_the_candidate_count():
    a, b = np.zeros((1, 3, 3)), np.zeros((1, 3, 3))
    b[0, 0] = [100, 0, 0.9]
    b[0, 1:, 2] = 0.1, 0.2
    kept = (a, b, [100.0], [100.0], [0.1] * 3)
    assert oks_matrix(*kept)[0, 0] == pytest.approx(2 / 3)
    assert oks_matrix(*kept, visible_above=0.15)[0, 0] == pytest.approx(1 / 2)
    assert oks_matrix(*kept, visible_above=0.95)[0, 0] == 0
    with pytest.raises(ValueError, match="joint scores"):
        oks_matrix(a[..., :2], b[..., :2], [1.0], [1.0], [0.1] * 3, visible_above=0.2)


@pytest.mark.parametrize("kind", ["oks", "soft_oks", "none"])
def test_no_poses_keep_none(kind):
    kept = nms_per_image(np.zeros(0, int), np.zeros((0, 17, 2)), np.zeros(0), np.zeros(0), SIGMAS,
                         kind=kind)
    assert kept.shape == (0,) and kept.dtype == np.int64


@pytest.mark.parametrize("kind", ["oks", "soft_oks"])
def test_many_poses_of_one_image_are_compared_in_parts(kind, monkeypatch):
    rng = np.random.default_rng(0)
    poses = np.repeat(rng.uniform(0, 400, (40, 17, 2)), 3, axis=0) + rng.normal(0, 2, (120, 17, 2))
    arguments = (np.zeros(120, int), poses, rng.uniform(0, 1, 120), np.full(120, 9000.0),
                 np.full(17, 0.08), 0.5, kind)
    whole = nms_per_image(*arguments)
    monkeypatch.setattr(oks, "ELEMENTS_AT_ONCE", 7 * 120 * 17)
    assert 15 < len(whole) < 60
    np.testing.assert_array_equal(nms_per_image(*arguments), whole)


@pytest.mark.parametrize("kind", ["oks", "soft_oks"])
def test_thousands_of_poses_need_no_memory_for_their_pairs(kind):
    poses = np.random.default_rng(0).uniform(0, 4000, (1000, 17, 2))
    tracemalloc.start()
    nms_per_image(np.zeros(1000, int), poses, np.linspace(1, 0, 1000), np.full(1000, 9000.0),
                  np.full(17, 0.08), 0.9, kind)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20e6      # 400e6 with all pairs of joints at once
