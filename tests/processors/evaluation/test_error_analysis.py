"""The classes of errors, and the AP that each of them costs."""
import json

import numpy as np
import pytest

from datasets.annotations.skeleton import load_skeleton
from processors.evaluation.coco_metrics import coco_metrics
from processors.evaluation.error_analysis import CLASSES, ERRORS, analyse, as_text
from processors.evaluation.ground_truth import as_coco, read_ground_truth

SKELETON = load_skeleton("coco")
SIGMAS = np.array(SKELETON.sigmas)
AREA = 100.0 ** 2       # large


def body(x: float, seed: int = 0) -> np.ndarray:
    """(17, 2) joints on a grid 60 px wide, all far apart in keypoint similarity."""
    order = np.random.default_rng(seed).permutation(17)
    return np.stack([x + 500 * (order % 5), 500 * (order // 5)], axis=1).astype(float)


def coco_of(people: list[dict]):
    annotations = []
    for number, p in enumerate(people, 1):
        visible = np.asarray(p.get("visible", np.full(17, 2)))
        keypoints = np.concatenate([p["points"] * (visible > 0)[:, None], visible[:, None]], 1)
        annotations.append({
            "id": number, "image_id": p.get("image_id", 1), "category_id": 1, "iscrowd": 0,
            "keypoints": keypoints.ravel().tolist(), "num_keypoints": int((visible > 0).sum()),
            "area": p.get("area", AREA), "bbox": [0, 0, 100, 100]})
    images = sorted({a["image_id"] for a in annotations}) or [1]
    return as_coco([{"id": i, "file_name": f"{i}.jpg"} for i in images], annotations, 1)


def result(points: np.ndarray, score: float = 0.9, image_id: int = 1) -> dict:
    keypoints = np.concatenate([points, np.full((17, 1), 0.5)], axis=1)
    return {"image_id": image_id, "category_id": 1, "keypoints": keypoints.ravel().tolist(),
            "score": score}


def away(joint: int, similarity: float) -> float:
    """Pixels at which a joint has this keypoint similarity."""
    return float(np.sqrt(-np.log(similarity) * 8 * SIGMAS[joint] ** 2 * AREA))


def classes_of(analysis, joint: int) -> dict[str, int]:
    return {name: n for name, n in zip(CLASSES, analysis.joints[0, joint], strict=True) if n}


def test_each_class_is_told_apart():
    me, other = body(0), body(4000, seed=1)
    found = me.copy()
    found[0] += [away(0, 0.9), 0]            # nose: good
    found[1] += [0, away(1, 0.84)]           # left_eye: jitter
    found[2] += [away(2, 0.51), 0]           # right_eye: jitter
    found[3] += [away(3, 0.49), 0]           # left_ear: miss
    found[5], found[6] = me[6], me[5]        # shoulders: inversion
    found[7] = other[7]                      # left_elbow: swap
    found[8] = other[7]                      # right_elbow: swap, the other one's mirrored joint
    found[9] = [-9000, -9000]                # left_wrist: miss
    visible = np.full(17, 2)
    visible[16] = 0                          # right_ankle: not labelled
    analysis = analyse(coco_of([{"points": me, "visible": visible}, {"points": other}]),
                       [result(found)], SKELETON)
    expected = ["good", "jitter", "jitter", "miss", "good", "inversion", "inversion", "swap",
                "swap", "miss"] + ["good"] * 6
    for joint, name in enumerate(expected):
        assert classes_of(analysis, joint) == {name: 1}, SKELETON.joint_names[joint]
    assert classes_of(analysis, 16) == {}
    assert analysis.people["all"] == 2 and analysis.missed["all"] == 1


def test_classes_are_those_of_a_plain_loop():
    rng = np.random.default_rng(11)
    people = [{"points": rng.uniform(0, 120, (17, 2)), "visible": 2 * (rng.random(17) < 0.8),
               "area": area, "image_id": image} for image in range(1, 9)
              for area in (900.0, 5000.0, 40000.0)]
    results = [result(p["points"] + rng.normal(0, 0.05 * np.sqrt(p["area"]), (17, 2)), score,
                      p["image_id"]) for p, score in zip(people, rng.random(24), strict=True)]
    for r in results[::2]:      # some joints at the places of others
        r["keypoints"] = np.roll(np.reshape(r["keypoints"], (17, 3)), 1, axis=0).ravel().tolist()
    analysis = analyse(coco_of(people), results, SKELETON, cases=99)
    expected = np.zeros((17, 5), int)
    for case in analysis.best:
        [me] = [p for p in people if p["image_id"] == case.image_id and np.allclose(
            p["points"] * (p["visible"] > 0)[:, None], case.truth[:, :2])]
        for joint in np.flatnonzero(me["visible"]):
            candidates = []
            for p in people:
                if p["image_id"] == case.image_id:
                    for same in (True, False):
                        target = joint if same else SKELETON.flip_order[joint]
                        if p["visible"][target]:
                            d2 = ((case.keypoints[joint, :2] - p["points"][target]) ** 2).sum()
                            ks = np.exp(-d2 / (8 * SIGMAS[joint] ** 2 * p["area"]))
                            kind = ("right" if same else "inversion") if p is me else "swap"
                            if kind != "inversion" or target != joint:
                                candidates.append((ks, kind))
            ks, kind = max(candidates, key=lambda c: c[0])
            if kind == "right":
                kind = "good" if ks >= 0.85 else "jitter"
            expected[joint, CLASSES.index(kind if ks >= 0.5 else "miss")] += 1
    assert len(analysis.best) > 12 and all(expected.sum(axis=0))
    assert np.array_equal(analysis.joints[0], expected)


def test_a_part_of_a_file_is_diagnosed_as_if_it_were_all():
    """As with data.debug, which judges some people only."""
    people = [{"points": body(0), "image_id": image} for image in (3, 1, 2, 3)]
    people[3]["points"] = body(4000, seed=1)
    results = [result(body(0) + [away(0, 0.4), 0], image_id=3), result(body(0), image_id=2)]
    whole = analyse(coco_of([people[0], people[2]]), results, SKELETON)
    part = read_ground_truth(coco_of(people), 17).on([2, 3], rows=[0, 2])
    found = analyse(part, results, SKELETON)
    assert as_text(found) == as_text(whole) and found.people["all"] == 2
    assert [case.image_id for case in found.worst] == [case.image_id for case in whole.worst]


def test_lost_ap_is_the_gain_of_correcting_the_class():
    people = [{"points": body(0), "image_id": i} for i in range(1, 7)]
    results = []
    for i in range(1, 7):
        found = body(0)
        if i <= 3:
            found += [away(0, 0.6), 0] * (SIGMAS / SIGMAS[0])[:, None]      # all joints jittered
        results.append(result(found, image_id=i))
    truth = coco_of(people)
    analysis = analyse(truth, results, SKELETON)
    start = coco_metrics(truth, results, SIGMAS)["AP"]
    assert analysis.ap["all"] == start < 1
    assert analysis.lost["jitter"]["all"] == pytest.approx(1 - start)
    assert analysis.lost["jitter"]["large"] == pytest.approx(1 - start)
    assert np.isnan(analysis.lost["jitter"]["medium"])
    for error in ("miss", "swap", "inversion", "false positive", "missed person"):
        assert analysis.lost[error]["all"] == 0
    assert [name for name, _ in analysis.steps] == list(ERRORS)
    assert analysis.steps[2][1] == start and analysis.steps[3][1] == 1


def planted(error: str, people: list[dict]) -> tuple[list[dict], int]:
    """Perfect results with one kind of error in every third person, and how many there are.

    People number 0 and 1, 2 and 3, ... share an image."""
    results, count = [], 0
    for number, person in enumerate(people):
        found, image_id = person["points"].copy(), person["image_id"]
        hit = number % 3 == 0
        for joint in range(5, 11) if hit else ():       # shoulders, elbows, wrists
            if error == "jitter":
                found[joint] += [0, away(joint, 0.6)]
            elif error == "miss":
                found[joint] -= 9000
            elif error == "inversion":
                found[joint] = person["points"][SKELETON.flip_order[joint]]
            elif error == "swap":
                found[joint] = people[number ^ 1]["points"][joint]
        if not (hit and error == "missed person"):
            results.append(result(found, image_id=image_id))
        if hit and error == "false positive":
            results.append(result(found - 70000, 0.95, image_id))
        count += hit * (6 if error in CLASSES else 1)
    return results, count


@pytest.mark.parametrize("error", [error for error in ERRORS if error != "score"])
def test_planted_errors_are_found_and_all_lost_ap_is_theirs(error):
    people = [{"points": body(4000 * (n % 2), seed=n), "image_id": 1 + n // 2} for n in range(24)]
    results, count = planted(error, people)
    analysis = analyse(coco_of(people), results, SKELETON)
    found = dict(zip(CLASSES, analysis.joints[0].sum(axis=0), strict=True))
    found |= {"missed person": analysis.missed["all"], "false positive": analysis.false_positives}
    assert {name: n for name, n in found.items() if n and name != "good"} == {error: count}
    lost = 1 - analysis.ap["all"]
    assert lost > 0.1 and analysis.lost[error]["all"] == pytest.approx(lost)
    for other in set(ERRORS) - {error, "score"}:
        assert analysis.lost[other]["all"] == 0
    assert analysis.steps[ERRORS.index(error)][1] == pytest.approx(1)
    for other, ap in analysis.steps[:min(ERRORS.index(error), ERRORS.index("score"))]:
        assert ap == analysis.ap["all"], other


def test_ap_lost_to_a_joint():
    found = body(0)
    found[[9, 10]] = -9000
    analysis = analyse(coco_of([{"points": body(0)}]), [result(found)], SKELETON)
    assert np.all(np.delete(analysis.lost_by_joint[:, 0], [9, 10]) == 0)
    assert np.all(analysis.lost_by_joint[[9, 10], 0] > 0)
    assert analysis.lost["miss"]["all"] > analysis.lost_by_joint[9, 0]


def test_people_found_twice_falsely_and_not_at_all():
    people = [{"points": body(0)}, {"points": body(9000)}, {"points": body(0), "image_id": 2}]
    results = [result(body(0), 0.9), result(body(0) + 3, 0.85), result(body(-70000), 0.99),
               result(body(0), 0.5, image_id=2)]
    analysis = analyse(coco_of(people), results, SKELETON)
    assert (analysis.detections, analysis.false_positives, analysis.duplicates) == (4, 2, 1)
    assert analysis.people["all"] == 3 and analysis.missed["all"] == 1
    assert analysis.lost["false positive"]["all"] > 0
    assert analysis.lost["score"]["all"] > 0        # the false one has the highest score
    assert analysis.lost["missed person"]["all"] > 0
    assert analysis.lost["miss"]["all"] == 0
    assert analysis.steps[-1][1] == 1


def test_a_better_double_is_not_false():
    """It is the one that is right where the first one is not exact enough."""
    jittered = body(0) + [away(0, 0.7), 0] * (SIGMAS / SIGMAS[0])[:, None]
    analysis = analyse(coco_of([{"points": body(0)}]),
                       [result(jittered, 0.9), result(body(0), 0.8)], SKELETON)
    assert analysis.false_positives == 0 and analysis.lost["false positive"]["all"] == 0
    assert analysis.lost["score"]["all"] > 0 and analysis.lost["jitter"]["all"] > 0
    assert analysis.steps[-1][1] == pytest.approx(1)


def test_beside_a_corrected_person_its_double_is_false():
    """Otherwise it would stand before the second person, whose OKS is lower."""
    jittered = body(0) + [away(0, 0.7), 0] * (SIGMAS / SIGMAS[0])[:, None]
    nearly = body(0) + [away(0, 0.97), 0] * (SIGMAS / SIGMAS[0])[:, None]
    analysis = analyse(coco_of([{"points": body(0)}, {"points": body(0), "image_id": 2}]),
                       [result(body(0), 0.8), result(jittered, 0.9), result(nearly, 0.9, 2)],
                       SKELETON)
    assert analysis.false_positives == 0
    assert dict(analysis.steps)["false positive"] == pytest.approx(1)


def test_crowds_and_people_without_joints_are_nobody():
    truth = coco_of([{"points": body(0)}, {"points": body(9000), "visible": np.zeros(17)}])
    truth.dataset["annotations"].append(
        {**truth.dataset["annotations"][0], "id": 3, "iscrowd": 1, "num_keypoints": 3})
    analysis = analyse(truth, [result(body(0)), result(body(0) + 2, 0.5)], SKELETON)
    assert analysis.joints[0].sum() == 17       # the second one is of the crowd
    assert analysis.people["all"] == 1 and analysis.missed["all"] == 0
    assert analysis.false_positives == 0 and analysis.ap["all"] == pytest.approx(1)


def test_sizes_are_kept_apart():
    people = [{"points": body(0) / 10, "area": area, "image_id": i}
              for i, area in enumerate((500.0, 2000.0, 2000.0, 20000.0), 1)]
    results = [result(p["points"], image_id=p["image_id"]) for p in people[:3]]
    analysis = analyse(coco_of(people), results, SKELETON)
    assert analysis.people == {"all": 4, "medium": 2, "large": 1}
    assert analysis.missed == {"all": 1, "medium": 0, "large": 1}
    assert analysis.joints.sum(axis=(1, 2)).tolist() == [3 * 17, 2 * 17, 0]
    assert analysis.ap["medium"] == 1 and analysis.ap["large"] == 0


def test_worst_and_best_people():
    people = [{"points": body(0), "image_id": i} for i in range(1, 6)]
    results = []
    for i in range(1, 6):
        found = body(0)
        found[:i] = -9000
        results.append(result(found, image_id=i))
    analysis = analyse(coco_of(people), results, SKELETON, cases=2)
    assert [case.image_id for case in analysis.best] == [1, 2]
    assert [case.image_id for case in analysis.worst] == [5, 4]
    assert analysis.worst[0].oks == pytest.approx(12 / 17, abs=1e-6)
    assert np.array_equal(analysis.worst[0].truth[:, :2], body(0))
    assert np.all(analysis.worst[0].keypoints[:5, :2] == -9000)


@pytest.mark.parametrize("people, found", [(0, 0), (0, 2), (2, 0)])
def test_nothing_to_analyse_is_no_crash(people, found):
    truth = coco_of([{"points": body(0)}] * people)
    analysis = analyse(truth, [result(body(0))] * found, SKELETON)
    assert analysis.joints.sum() == 0 and analysis.worst == analysis.best == ()
    assert (analysis.people["all"], analysis.missed["all"]) == (people, people)
    assert np.isnan(analysis.ap["all"]) == (people == 0)
    assert "AP lost to" in as_text(analysis)


def test_text_names_every_joint_and_class():
    truth = coco_of([{"points": body(0)}])
    text = as_text(analyse(truth, [result(body(0) + 4)], SKELETON))
    for word in (*SKELETON.joint_names, *CLASSES, *ERRORS, "medium", "1 people, 0 missed"):
        assert word in text


def test_real_results(shared):
    """On real results all lost AP is explained, but for the small errors of good joints."""
    file = shared / "data/golden/simplepose_coco_val_gtboxes_flip_dark_results.json"
    truth = shared / "data/coco/annotations/person_keypoints_val2017.json"
    analysis = analyse(truth, json.loads(file.read_text()), SKELETON)
    assert analysis.ap["all"] == pytest.approx(0.5133, abs=1e-4)
    assert analysis.people["all"] == 323 and analysis.missed["all"] < 20
    steps = [analysis.ap["all"]] + [ap for _, ap in analysis.steps]
    assert steps[-1] > 0.97 and np.all(np.diff(steps) > -1e-3)
    shares = analysis.joints[0].sum(axis=0) / analysis.joints[0].sum()
    assert 0.5 < shares[0] < 0.75 and shares[1] > shares[4] > shares[2] > shares[3] > 0
    assert [case.oks for case in analysis.worst] == sorted(case.oks for case in analysis.worst)
