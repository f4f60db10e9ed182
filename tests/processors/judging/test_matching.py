"""OKS of pairs, bit for bit, and who is paired with whom."""
import copy

import numpy as np
import pytest

from datasets.annotations.skeleton import load_skeleton
from processors.evaluation.ground_truth import GroundTruth, as_coco, read_ground_truth
from processors.evaluation.results_file import usable_results
from processors.judging import matching
from processors.judging.arrays import Results
from processors.judging.matching import judged_poses, oks_of_pairs, pairs_of_images
from tests.processors.judging.crowded_set import by_pycocotools_alone, crowded_set


def oks_by_image(truth: GroundTruth, results: Results, sigmas) -> dict[int, np.ndarray]:
    """(poses, people) of each image with both, as pycocotools keeps it."""
    arrays = truth.arrays
    poses, image, _ = judged_poses(arrays, results)
    pose, person = pairs_of_images(arrays, image)
    oks = oks_of_pairs(results.keypoints[poses], arrays, pose, person, sigmas)
    return {int(arrays.images[n]): oks[image[pose] == n].reshape(np.count_nonzero(image == n), -1)
            for n in np.unique(image[pose])}


@pytest.mark.parametrize("joints, at_once", [(1, 2 ** 16), (7, 50), (17, 2 ** 16), (17, 50),
                                             (133, 2 ** 16)])
def test_oks_is_that_of_pycocotools_bit_for_bit(joints, at_once, monkeypatch):
    monkeypatch.setattr(matching, "ELEMENTS_AT_ONCE", at_once)
    content, results = crowded_set(joints, joints, ties=False)
    sigmas = np.random.default_rng(0).uniform(0.02, 0.12, joints)
    people = [row for row in content["annotations"] if row["category_id"] == 7]
    truth = read_ground_truth(as_coco(content["images"], copy.deepcopy(people), 7), joints)
    ours = oks_by_image(truth, usable_results(results, truth, joints)[0], sigmas)
    theirs = {image: oks for (image, _), oks in by_pycocotools_alone(
        content, results, sigmas).ious.items() if len(oks)}
    assert ours.keys() == theirs.keys() and max(map(len, ours.values())) > 16
    assert all(np.array_equal(ours[image], theirs[image]) for image in ours)


def test_oks_of_real_results(shared):
    """The largest OKS in each image, as pycocotools said for the official code's results."""
    golden = np.load(shared / "golden/evaluate.npz")
    path = shared / "data/coco/annotations/person_keypoints_val2017.json"
    truth, compared = read_ground_truth(path, 17), 0
    for case, source in (("gt", "gt"), ("det", "det"), ("det_soft", "det")):
        kept = golden[f"{case}_kept_index"]
        results = Results(golden[f"{source}_image_id"][kept].astype(np.int64),
                          golden[f"{source}_preds"][kept].astype(float),
                          golden[f"{case}_kept_score"], 1)
        found = oks_by_image(truth, usable_results(results, truth, 17)[0],
                             load_skeleton("coco").sigmas)
        for image_id, largest in golden[f"{case}_coco_maxoks_per_image"]:
            if int(image_id) in found and not np.isnan(largest):
                assert found[int(image_id)].max() == pytest.approx(largest, abs=1e-9)
                compared += 1
    assert compared > 50
