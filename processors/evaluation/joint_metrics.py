"""The metrics beside COCO's that `val.metrics` can name.

All but CrowdPose's AP and those of parts look at joints of people and not at ranked poses: scores
and false poses do not count. With ground-truth boxes a person is compared with what was predicted
in the box of that annotation, before NMS; with detected ones as `match_by_oks` says. A person who
was not found has no joint right in PCK and AUC, and is left out of EPE and NME.
"""
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from configs.scores import SCORES
from datasets.annotations.skeleton import Skeleton
from processors.evaluation.coco_metrics import COCO_METRICS, CocoMetrics, columns
from processors.evaluation.ground_truth import HEAD_KEY, GroundTruth
from processors.evaluation.joint_error import (
    area_under_pck,
    head_size,
    joint_distances,
    longer_side,
    mean_error,
    mean_of_defined,
    mean_side,
    pck,
    torso_size,
)
from processors.evaluation.matched_people import MatchedPeople, labelled_people
from processors.evaluation.results_file import usable_results
from processors.judging.arrays import Results
from processors.judging.part_numbers import part_numbers
from processors.judging.ten_numbers import ten_numbers
from processors.judging.visibility_scores import VisibilityScores, visibility_scores
from utils.codecs.visibility_codec import CLASSES
from utils.errors import UserError
from utils.log import log
from utils.oks import AREA_OF_BOX

PCK_AT, PCKH_AT = (0.05, 0.1, 0.2), (0.5, 0.1)      # parts of the box or the torso, of the head
NOT_IN_PCKH = ("pelvis", "thorax")                  # as in MPII's own evaluation
TORSO = (("left_shoulder", "right_hip"), ("right_shoulder", "left_hip"))
CROWDING = {"AP easy": (-np.inf, 0.01), "AP medium": (0.01, 0.85), "AP hard": (0.85, np.inf)}


@dataclass(frozen=True)
class Evaluated:
    """What a metric may look at."""
    people: MatchedPeople
    skeleton: Skeleton
    truth: GroundTruth          # only the images and people to judge
    results: Results            # ranked and suppressed

    @property
    def distances(self) -> np.ndarray:
        return joint_distances(self.people.predicted, self.people.truth)


@dataclass(frozen=True)
class Score:
    value: float                # UNDEFINED where nobody could be judged
    joints: np.ndarray | None   # (K,) the same of each joint, None where there is no such thing


# ---- the metrics ---------------------------------------------------------------------------------

def pck_of_box(found: Evaluated) -> dict[str, Score]:
    """PCK@t: share of joints within t * the longer side of the annotated box, 0 to 1; the mean
    over the joints' shares. Yang and Ramanan, TPAMI 2013."""
    return _pck("PCK", found, longer_side(found.people.boxes))


def pck_of_torso(found: Evaluated) -> dict[str, Score]:
    """torso PCK@t: as PCK, but within t * the distance from the left shoulder to the right hip, or
    from the right to the left where one of those is not labelled; people with neither are not
    counted. PDJ of Toshev and Szegedy, CVPR 2014."""
    people, names = found.people, found.skeleton.joint_names
    diagonals = [(names.index(a), names.index(b)) for a, b in TORSO]
    return _pck("torso PCK", found, torso_size(people.truth, people.labelled, diagonals))


def _pck(name: str, found: Evaluated, sizes: np.ndarray, thresholds: Sequence[float] = PCK_AT,
         counts: np.ndarray | None = None) -> dict[str, Score]:
    shares = {f"{name}@{at:g}": pck(found.distances, found.people.labelled, sizes, at)
              for at in thresholds}
    return {name: Score(mean_of_defined(joints, counts), joints) for name, joints in shares.items()}


def pckh(found: Evaluated) -> dict[str, Score]:
    """PCKh@t: share of joints within t * 0.6 * the diagonal of the head box, 0 to 1; over all
    joints of all people but pelvis and thorax. Andriluka et al., CVPR 2014, as MPII's code and
    HRNet's count it."""
    people = found.people
    sizes = head_size(people.head_boxes)
    judged = np.array([name not in NOT_IN_PCKH for name in found.skeleton.joint_names])
    counts = (people.labelled & np.isfinite(sizes)[:, None]).sum(axis=0) * judged
    return _pck("PCKh", found, sizes, PCKH_AT, counts)


def end_point_error(found: Evaluated) -> dict[str, Score]:
    """EPE: mean distance of predicted and labelled joints, pixels of the image; over all joints of
    all people who were found."""
    return _error("EPE", found, None)


def normalised_error(found: Evaluated) -> dict[str, Score]:
    """NME: mean of distance / sqrt(width * height of the annotated box), a number without unit;
    over all joints of all people who were found. Bulat and Tzimiropoulos, ICCV 2017."""
    return _error("NME", found, mean_side(found.people.boxes))


def _error(name: str, found: Evaluated, sizes: np.ndarray | None) -> dict[str, Score]:
    distances = found.distances
    joints = mean_error(distances, found.people.labelled, sizes)
    counted = found.people.labelled & np.isfinite(distances)
    if sizes is not None:
        counted &= np.isfinite(sizes)[:, None]
    return {name: Score(mean_of_defined(joints, counted.sum(axis=0)), joints)}


def pixel_auc(found: Evaluated) -> dict[str, Score]:
    """AUC: area under the curve of the share of joints within 0 to 30 pixels of the image, 0 to 1;
    the mean over the joints' areas. Zimmermann and Brox, ICCV 2017."""
    joints = area_under_pck(found.distances, found.people.labelled)
    return {"AUC": Score(mean_of_defined(joints), joints)}


def crowdpose_ap(found: Evaluated) -> dict[str, Score]:
    """AP easy, medium and hard: COCO's AP on the images of a crowdIndex below 0.01, below 0.85 and
    above, 0 to 1. Li et al., "CrowdPose", CVPR 2019.

    The limits are those of its evaluation code, which the published numbers come from (the paper
    speaks of 0.1 and 0.8), and so is the area of a person, 0.53 * that of the box.
    """
    people = [{**row, "area": AREA_OF_BOX * row["bbox"][2] * row["bbox"][3]}
              for row in found.truth.annotations]
    truth, scores = replace(found.truth, annotations=people), {}
    for name, (low, high) in CROWDING.items():
        crowded = truth.on(row["id"] for row in truth.images if low <= row["crowdIndex"] < high)
        used, _ = usable_results(found.results, crowded, found.skeleton.num_joints)
        ap = ten_numbers(crowded.arrays, used, found.skeleton.sigmas).stats[0]
        scores[name] = Score(float(ap), None)
    return scores


def whole_body(found: Evaluated) -> dict[str, Score]:
    """COCO's ten numbers of each part of the skeleton, such as "foot AP"; see `part_numbers`."""
    used, _ = usable_results(found.results, found.truth, found.skeleton.num_joints)
    numbers = part_numbers(found.truth.arrays, used, found.skeleton.sigmas, found.skeleton.parts)
    return {f"{part} {name}": Score(float(value), None) for part, ten in numbers.items()
            for name, value in zip(COCO_METRICS, ten.stats, strict=True)}


JOINT_METRICS: dict[str, Callable[[Evaluated], dict[str, Score]]] = {
    "pck": pck_of_box, "pck_torso": pck_of_torso, "pckh": pckh, "epe": end_point_error,
    "nme": normalised_error, "auc": pixel_auc, "crowdpose": crowdpose_ap,
    "wholebody": whole_body,
    "coco": lambda found: {}}       # its ten numbers are there always


# ---- what they need ------------------------------------------------------------------------------

def ensure_metrics(names: Sequence[str], truth: GroundTruth, skeleton: Skeleton,
                   best: str = "AP") -> None:
    """Raise UserError, before a network runs, where a metric, or `best` of them, cannot be
    computed."""
    people, where = labelled_people(truth.annotations), truth.name
    if "wholebody" in names and not skeleton.parts:
        raise UserError(f"val.metrics names wholebody, but the skeleton {skeleton.name} has no "
                        f"parts: set data.skeleton to coco_wholebody, or give yours parts "
                        f"(docs/wholebody.md)")
    if best in SCORES["wholebody"] and best.split()[0] not in skeleton.parts:
        raise UserError(f"val.best is {best}, but the skeleton {skeleton.name} has no such "
                        f"part, only {', '.join(skeleton.parts)}")
    if "pck_torso" in names:
        missing = {joint for pair in TORSO for joint in pair} - set(skeleton.joint_names)
        if missing:
            raise UserError(f"val.metrics names pck_torso, but the skeleton {skeleton.name} has "
                             f"no joint {', '.join(sorted(missing))}: use pck, which measures by "
                             f"the box")
    headless = sum(not row.get(HEAD_KEY) for row in people)
    if "pckh" in names and 0 < headless < len(people):
        log.warning("%d of %d people in %s have no %s; PCKh does not count them", headless,
                    len(people), where, HEAD_KEY)
    if "pckh" in names and people and headless == len(people):
        raise UserError(f"val.metrics names pckh, but no person in {where} has a head box: give "
                         f"the annotations {HEAD_KEY}: [x, y, width, height] (for MPII import a "
                         f"list whose persons have head_rect), or use pck, which measures by the "
                         f"whole box")
    lacking = [row for row in truth.images if not _is_number(row.get("crowdIndex"))]
    if "crowdpose" in names and lacking:
        raise UserError(f"val.metrics names crowdpose, but {len(lacking)} of "
                         f"{len(truth.images)} images in {where} have no crowdIndex: use "
                         f"CrowdPose's own annotation file, or leave crowdpose out")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and np.isfinite(value)


# ---- in words ------------------------------------------------------------------------------------

def scores_of(names: Sequence[str], found: Evaluated) -> dict[str, Score]:
    """All numbers of the named metrics, in their order."""
    return {name: score for metric in names for name, score in JOINT_METRICS[metric](found).items()}


def with_metrics(coco: CocoMetrics, names: Sequence[str], found: Evaluated) -> CocoMetrics:
    """`coco` with the numbers of the named metrics behind its ten."""
    scores = scores_of(names, found)
    return replace(coco, values=coco.values | {name: s.value for name, s in scores.items()},
                   parts=tuple(found.skeleton.parts) if "wholebody" in names else (),
                   by_joint={name: s.joints for name, s in scores.items() if s.joints is not None})


def with_visibility(metrics: CocoMetrics, people: MatchedPeople, answers: np.ndarray | None,
                    ) -> CocoMetrics:
    """`metrics` with how right the answers are, (M, K, 3) of the poses that `people` were matched
    with; those who were not found are left out."""
    found = people.places >= 0
    nobody = np.zeros((0, people.v.shape[1], 3))
    scores = visibility_scores(nobody if answers is None or not len(answers) else
                               answers[people.places[found]], people.v[found])
    log.info("%s", scores)
    numbers = {"visibility": scores.right, "temperature": scores.temperature}
    return replace(metrics, values=metrics.values | numbers, visibility=scores)


def visibility_table(scores: VisibilityScores, skeleton: Skeleton) -> str:
    """A line for each joint: how often its answer is right, by chance, and for each labelled v."""
    rows = {}
    for joint, (right, chance, counts) in zip(skeleton.joint_names, scores.rows(), strict=True):
        labelled = counts.sum(axis=1)
        rows[joint] = [right, chance, *np.where(labelled > 0, counts.diagonal() / np.maximum(
            labelled, 1), -1.0).tolist()]
    return "\n".join(columns(["right", "chance", *(f"of {name}" for name in CLASSES)], rows))


def joint_table(metrics: CocoMetrics, skeleton: Skeleton) -> str:
    """A line for each joint with its part of the numbers, if there are any."""
    return "\n".join(columns(list(metrics.by_joint), {
        joint: [values[number] for values in metrics.by_joint.values()]
        for number, joint in enumerate(skeleton.joint_names)}))
