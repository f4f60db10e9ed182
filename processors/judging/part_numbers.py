"""COCO's ten numbers of each part of the people, such as their hands, by COCO-WholeBody's rules.

Jin et al., "Whole-Body Human Pose Estimation in the Wild", ECCV 2020, as the evaluation that comes
with its annotations (xtcocotools) has them: each part is judged alone, over its joints, with the
score of the pose, unless the results have one of the part, and with the area of the whole person.
Who has no labelled joint in a part is ignored there. Which poses are medium or large their body
tells, in every part.
"""
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from processors.judging.arrays import Results, TruthArrays
from processors.judging.matching import box_areas
from processors.judging.ten_numbers import TenNumbers, ten_numbers

BODY = "body"       # the box around its joints has the area of a pose; without it, that around all


def part_numbers(truth: TruthArrays, results: Results, sigmas: Sequence[float],
                 parts: Mapping[str, Sequence[int]]) -> dict[str, TenNumbers]:
    """results: of images of `truth`, all numbers finite. sigmas: (K,). parts: joints of each."""
    falloff = np.asarray(sigmas, np.float64)
    body = list(parts.get(BODY, range(len(falloff))))
    areas = box_areas(results.keypoints[:, body])
    return {part: ten_numbers(_people_of(truth, rows), _poses_of(results, part, rows),
                              falloff[rows].tolist(), areas)
            for part, rows in ((part, list(joints)) for part, joints in parts.items())}


def _people_of(truth: TruthArrays, joints: list[int]) -> TruthArrays:
    labelled = truth.labelled[:, joints]
    return replace(truth, keypoints=truth.keypoints[:, joints], labelled=labelled,
                   ignored=truth.ignored | ~labelled.any(axis=1))


def _poses_of(results: Results, part: str, joints: list[int]) -> Results:
    return replace(results, keypoints=results.keypoints[:, joints],
                   scores=results.part_scores.get(part, results.scores))
