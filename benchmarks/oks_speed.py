"""How much faster suppression of a whole set is than the textbook rule, pair by pair.

    python benchmarks/oks_speed.py [--images 1000] [--persons 10] [--repeats 5]

One thread, CPU seconds of this process, medians of runs that take turns. One JSON line per
measurement. Bar: rescoring and OKS-NMS together at least 10 times as fast as the loop below;
soft OKS-NMS is compared with a loop of its own. The tests use both loops as the reference.
"""
import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.common import medians, say
from datasets.annotations.skeleton import load_skeleton
from utils.oks import MAX_SOFT_KEPT, nms_per_image, rescore

BAR = 10.0
THRESHOLD = 0.9


def textbook_rescore(box_scores: np.ndarray, joint_scores: np.ndarray, threshold: float = 0.2,
                     ) -> np.ndarray:
    """Box score times the mean of the joint scores above the threshold, pose by pose."""
    scores = np.zeros(len(box_scores))
    for i, (box_score, joints) in enumerate(zip(box_scores, joint_scores, strict=True)):
        counted = joints[joints > threshold]
        scores[i] = box_score * counted.mean() if len(counted) else 0.0
    return scores


def textbook_oks(a: np.ndarray, b: np.ndarray, area_a: float, area_b: float, sigmas: np.ndarray,
                 ) -> float:
    """OKS of two poses (K, 2)."""
    distance = (a[:, 0] - b[:, 0]) ** 2 + (a[:, 1] - b[:, 1]) ** 2
    area = (area_a + area_b) / 2 + np.spacing(1)
    return float(np.mean(np.exp(-distance / (2 * sigmas) ** 2 / area / 2)))


def textbook_nms(image_ids: np.ndarray, keypoints: np.ndarray, scores: np.ndarray,
                 areas: np.ndarray, sigmas: Sequence[float], threshold: float = THRESHOLD,
                 ) -> np.ndarray:
    """OKS-NMS image by image and pair by pair; arguments and result as in `nms_per_image`."""
    sigmas = np.asarray(sigmas)
    kept = []
    for poses in poses_of_images(image_ids):
        left = sorted(poses, key=lambda i: (scores[i], i), reverse=True)
        while left:
            best = left.pop(0)
            kept.append(best)
            left = [i for i in left
                    if textbook_oks(keypoints[best], keypoints[i], areas[best], areas[i],
                                    sigmas) <= threshold]
    return np.array(kept, np.int64)


def textbook_soft_nms(image_ids: np.ndarray, keypoints: np.ndarray, scores: np.ndarray,
                      areas: np.ndarray, sigmas: Sequence[float], threshold: float = THRESHOLD,
                      ) -> np.ndarray:
    """Soft OKS-NMS image by image and pair by pair; the later of equal scores first."""
    sigmas = np.asarray(sigmas)
    kept, lowered = [], np.array(scores, np.float64)
    for left in poses_of_images(image_ids):
        for _ in range(min(len(left), MAX_SOFT_KEPT)):
            best = max(left, key=lambda i: (lowered[i], i))
            kept.append(best)
            left.remove(best)
            for i in left:
                oks = textbook_oks(keypoints[best], keypoints[i], areas[best], areas[i], sigmas)
                lowered[i] *= np.exp(-oks ** 2 / threshold)
    return np.array(kept, np.int64)


def poses_of_images(image_ids: np.ndarray) -> list[list[int]]:
    """The poses of each image, images in the order they first appear."""
    images: dict[int, list[int]] = {}
    for i, image_id in enumerate(image_ids.tolist()):
        images.setdefault(image_id, []).append(i)
    return list(images.values())


def random_poses(images: int, persons: int, seed: int = 0) -> dict[str, np.ndarray]:
    """Poses in shuffled order; a third of them are near copies of another of their image."""
    rng = np.random.default_rng(seed)
    shape = (images, persons, 17, 2)
    keypoints = rng.uniform(0, 500, (images, persons, 1, 2)) + rng.uniform(0, 100, shape)
    copies = persons // 3
    keypoints[:, persons - copies:] = keypoints[:, :copies] + rng.normal(
        0, rng.choice([0.5, 2, 8], (images, copies, 1, 1)), (images, copies, 17, 2))
    order = rng.permutation(images * persons)
    joint_scores = rng.uniform(0, 1, (images * persons, 17))
    joint_scores[::7] *= 0.2                # no joint counts
    return {"image_ids": np.repeat(rng.permutation(images), persons)[order],
            "keypoints": keypoints.reshape(-1, 17, 2).astype(np.float32)[order],
            "areas": rng.uniform(1e4, 3e4, images * persons)[order],
            "box_scores": rng.uniform(0, 1, images * persons),
            "joint_scores": joint_scores.astype(np.float32)}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--persons", type=int, default=10)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    sigmas = load_skeleton("coco").sigmas
    data = random_poses(options.images, options.persons)
    scores = rescore(data["box_scores"], data["joint_scores"])
    poses = data["image_ids"], data["keypoints"], scores, data["areas"], sigmas
    loops = {"oks": textbook_nms, "soft_oks": textbook_soft_nms}

    def textbook(kind: str):
        scores = textbook_rescore(data["box_scores"], data["joint_scores"])
        return loops[kind](data["image_ids"], data["keypoints"], scores, data["areas"], sigmas)

    def vectorised(kind: str):
        scores = rescore(data["box_scores"], data["joint_scores"])
        return nms_per_image(data["image_ids"], data["keypoints"], scores, data["areas"], sigmas,
                             THRESHOLD, kind)

    for kind, loop in loops.items():
        assert np.array_equal(loop(*poses), nms_per_image(*poses, kind=kind)), "the results differ"
    seconds = medians({"textbook oks": lambda: textbook("oks"),
                       "textbook soft_oks": lambda: textbook("soft_oks"),
                       "oks": lambda: vectorised("oks"),
                       "soft_oks": lambda: vectorised("soft_oks")}, options.repeats)
    good = True
    for kind in loops:
        textbook_seconds = seconds[f"textbook {kind}"]
        good &= say("oks_speed", f"times as fast as the loop, {kind}",
                    textbook_seconds / seconds[kind], at_least=BAR if kind == "oks" else None,
                    images=options.images, persons_per_image=options.persons,
                    milliseconds=round(seconds[kind] * 1e3, 2),
                    textbook_milliseconds=round(textbook_seconds * 1e3, 1))
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
