"""What the lost AP was lost to: jitter, inversion, swap, miss, scores, false and missed people.

After Ronchi and Perona, "Benchmarking and Error Diagnosis in Multi-Instance Pose Estimation"
(ICCV 2017). People are matched to detections as COCO does, at OKS 0.1. Each labelled joint of a
matched person is judged by its keypoint similarity ks = exp(-d^2 / (8 sigma^2 area)) to the same
joint and the mirrored joint of every person of the image, each with its own area:

    good       the right place is the most similar one, ks >= 0.85
    jitter     the right place is the most similar one, 0.5 <= ks < 0.85
    inversion  the mirrored joint of the same person is, ks >= 0.5
    swap       a joint of another person is, ks >= 0.5
    miss       nothing is as similar as 0.5

A detection is false if it is right for nobody, neither at OKS 0.1 nor at those that AP looks at.

AP lost to a class is the AP gained when its errors, and only those, are corrected: joints are
put on the ground truth (the paper moves them just to the edge of the better class), scores become
the OKS, false detections and missed people are taken out. Gains of several classes do not add
up; `steps` corrects one class after the other, in the paper's order, and does add up.
"""
import contextlib
import io
from collections.abc import Iterable, Set
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from pycocotools.coco import COCO

from datasets.annotations.skeleton import Skeleton
from processors.evaluation.ground_truth import GroundTruth, as_ground_truth
from processors.evaluation.pycocotools_eval import MATCH, start_evaluation
from processors.evaluation.results_file import usable_results
from processors.judging.arrays import Results
from processors.judging.ten_numbers import SIZES, ten_numbers

CLASSES = ("good", "jitter", "inversion", "swap", "miss")
ERRORS = ("miss", "swap", "inversion", "jitter", "score", "false positive", "missed person")
JOINT_ERRORS = frozenset(CLASSES[1:])
JITTER, GOOD = 0.5, 0.85      # keypoint similarity from which a joint is jittered, good
MEDIUM, LARGE = 32 ** 2, 96 ** 2
UNLABELLED = -1


@dataclass(frozen=True)
class Case:
    """One matched person, for a contact sheet."""
    image_id: int
    keypoints: np.ndarray   # (K, 3) predicted x, y in image pixels, joint score
    truth: np.ndarray       # (K, 3) labelled x, y, visibility; 0 = not labelled
    box: tuple[float, float, float, float]  # of the annotation, xywh
    oks: float
    score: float


@dataclass(frozen=True)
class ErrorAnalysis:
    """Counts, lost AP and examples. A dict by size has the keys SIZES (of the labelled person).

    AP and lost AP are NaN where nobody of a size is labelled.
    """
    joint_names: tuple[str, ...]
    ap: dict[str, float]                 # by size
    people: dict[str, int]               # labelled and evaluated, by size
    missed: dict[str, int]               # of them without a detection, by size
    detections: int                      # at most 20 an image are judged
    false_positives: int                 # of them, right for nobody
    duplicates: int                      # of those, with an OKS of at least MATCH to somebody
    joints: np.ndarray                   # (3, K, 5) int, SIZES x joints x CLASSES
    lost: dict[str, dict[str, float]]    # AP by class of ERRORS, by size
    lost_by_joint: np.ndarray            # (K, 3) AP to all errors of a joint, SIZES
    steps: tuple[tuple[str, float], ...]  # (class, AP after correcting it and all before it)
    worst: tuple[Case, ...]
    best: tuple[Case, ...]


def analyse(ground_truth: GroundTruth | COCO | str | Path, results: list[dict],
            skeleton: Skeleton, cases: int = 12) -> ErrorAnalysis:
    """Diagnose COCO keypoint results; arguments as of `coco_metrics`.

    cases: how many of the worst and of the best to keep. Evaluates about 14 + K times.
    """
    truth = as_ground_truth(ground_truth, skeleton.num_joints)
    usable, _ = usable_results(results, truth, skeleton.num_joints)
    diagnosis = _Diagnosis(truth, usable, skeleton)
    start = diagnosis.ap()
    lost = {error: diagnosis.ap({error}) - start for error in ERRORS}
    steps = [(error, diagnosis.ap(set(ERRORS[:i]))[0]) for i, error in enumerate(ERRORS, 1)]
    by_joint = [diagnosis.ap(set(CLASSES), joint) - start for joint in range(skeleton.num_joints)]
    found = diagnosis.cases()
    return ErrorAnalysis(
        joint_names=skeleton.joint_names, ap=_by_size(start),
        people=diagnosis.count_by_size([*(p for _, p in diagnosis.pairs), *diagnosis.missing]),
        missed=diagnosis.count_by_size(diagnosis.missing), detections=diagnosis.judged,
        false_positives=len(diagnosis.false),
        duplicates=sum(diagnosis.alone[d] >= MATCH for d in diagnosis.false),
        joints=diagnosis.count_joints(),
        lost={error: _by_size(gain) for error, gain in lost.items()},
        lost_by_joint=np.stack(by_joint), steps=tuple((e, float(ap)) for e, ap in steps),
        worst=tuple(found[:cases]), best=tuple(found[::-1][:cases]))


def _by_size(values: np.ndarray) -> dict[str, float]:
    return dict(zip(SIZES, map(float, values), strict=True))


class _Diagnosis:
    """Matches, joint classes, and AP with chosen errors corrected."""

    def __init__(self, truth: GroundTruth, results: Results, skeleton: Skeleton):
        self.truth, self.results, self.skeleton = truth, results, skeleton
        self.falloff = 8 * np.asarray(skeleton.sigmas, np.float64) ** 2
        self.people = truth.annotations
        self.tables = [np.asarray(p["keypoints"], np.float64).reshape(-1, 3) for p in self.people]
        self.found = results.keypoints
        self.in_image: dict[int, set[int]] = {}
        for number, row in enumerate(self.people):
            self.in_image.setdefault(row["image_id"], set()).add(number)
        self._match()
        self.classes = {d: self._classify(d, p) for d, p in self.pairs}

    def _match(self) -> None:
        """COCO's greedy matching at OKS MATCH: pairs (result, person) and who is left over."""
        evaluation = start_evaluation(self.truth.coco(), self.results, self.skeleton.sigmas)
        params = evaluation.params
        params.iouThrs = np.array([MATCH, *params.iouThrs])
        params.areaRng, params.areaRngLbl = [[0, 1e10]], ["all"]
        with contextlib.redirect_stdout(io.StringIO()):
            evaluation.evaluate()
        self.pairs: list[tuple[int, int]] = []
        self.alone: dict[int, float] = {}       # results without a person, their best OKS
        self.false: set[int] = set()            # of them those that are right at no threshold
        self.missing: set[int] = set()
        self.judged = 0
        place = {row["id"]: number for number, row in enumerate(self.people)}
        for image in filter(None, evaluation.evalImgs):
            ignored = dict(zip(image["gtIds"], image["gtIgnore"], strict=True))
            oks = evaluation.ious[image["image_id"], image["category_id"]]
            for row, (d, matches) in enumerate(zip(image["dtIds"], image["dtMatches"].T,
                                                   strict=True)):
                self.judged += 1
                person = int(matches[0])
                if not person:
                    self.alone[d - 1] = oks[row].max() if len(oks) else 0.0
                elif not ignored[person]:
                    self.pairs.append((d - 1, place[person]))
                if not matches.any():
                    self.false.add(d - 1)
            self.missing |= {place[p] for p, d in zip(image["gtIds"], image["gtMatches"][0],
                                                      strict=True) if d == 0 and not ignored[p]}

    def _similarity(self, points: np.ndarray, person: int) -> np.ndarray:
        """ks of (K, 2) points to the joints of a person: (K,), 0 where not labelled."""
        table = self.tables[person]
        distance = ((points - table[:, :2]) ** 2).sum(axis=1)
        area = self.people[person]["area"] + np.spacing(1)
        return np.exp(-distance / self.falloff / area) * (table[:, 2] > 0)

    def _classify(self, result: int, person: int) -> np.ndarray:
        """(K,) index into CLASSES of every joint, UNLABELLED where the person has none."""
        points, mirror = self.found[result][:, :2], list(self.skeleton.flip_order)
        others = self.in_image[self.people[person]["image_id"]] - {person}
        own = self._similarity(points, person)
        flipped = self._similarity(points[mirror], person)[mirror]
        other = np.zeros_like(own)
        for p in others:
            other = np.maximum(other, self._similarity(points, p))
            other = np.maximum(other, self._similarity(points[mirror], p)[mirror])
        best = np.stack([own, flipped, other])
        right = np.where(own >= GOOD, CLASSES.index("good"), CLASSES.index("jitter"))
        place = np.array([0, CLASSES.index("inversion"), CLASSES.index("swap")])
        place = np.where(best.argmax(axis=0) == 0, right, place[best.argmax(axis=0)])
        place[best.max(axis=0) < JITTER] = CLASSES.index("miss")
        place[self.tables[person][:, 2] == 0] = UNLABELLED
        return place

    def ap(self, corrected: Set[str] = frozenset(), joint: int | None = None) -> np.ndarray:
        """(3,) AP by SIZES with the named errors corrected, of one joint or of all."""
        keypoints, scores = self.found.copy(), self.results.scores.copy()
        for d, p in self.pairs:
            wrong = np.isin(self.classes[d], [i for i, c in enumerate(CLASSES) if c in corrected])
            if joint is not None:
                wrong &= np.arange(len(wrong)) == joint
            keypoints[d, wrong] = self.tables[p][wrong]
            if "score" in corrected:
                scores[d] = self._oks(keypoints[d], p)
        # beside a person whose joints are all corrected, no other detection of it is right
        false = set(self.alone) if JOINT_ERRORS <= corrected else self.false
        if "score" in corrected:
            for d, oks in self.alone.items():
                scores[d] = 0.0 if d in false else oks
        results = replace(self.results, keypoints=keypoints, scores=scores)
        if "false positive" in corrected:
            results = results.take(np.setdiff1d(np.arange(len(results)), list(false)))
        truth = self.truth
        if "missed person" in corrected:
            truth = truth.on(rows=[row["row"] for number, row in enumerate(self.people)
                                   if number not in self.missing])
        stats = ten_numbers(truth.arrays, results, self.skeleton.sigmas).stats[[0, 3, 4]]
        return np.where(stats < 0, np.nan, stats)

    def _oks(self, keypoints: np.ndarray, person: int) -> float:
        labelled = max(np.count_nonzero(self.tables[person][:, 2] > 0), 1)
        return float(self._similarity(keypoints[:, :2], person).sum() / labelled)

    def _sizes(self, person: int) -> list[int]:
        """The SIZES a person counts for, as indices."""
        area = self.people[person]["area"]
        return [0] + [1] * (MEDIUM <= area <= LARGE) + [2] * (area >= LARGE)

    def count_by_size(self, people: Iterable[int]) -> dict[str, int]:
        """How many of these people are of each size."""
        sizes = [size for person in people for size in self._sizes(person)]
        return {name: sizes.count(size) for size, name in enumerate(SIZES)}

    def count_joints(self) -> np.ndarray:
        """(3, K, 5) how many joints are of each class, by SIZES."""
        counts = np.zeros((len(SIZES), self.skeleton.num_joints, len(CLASSES)), int)
        for d, p in self.pairs:
            labelled = np.flatnonzero(self.classes[d] != UNLABELLED)
            for size in self._sizes(p):
                counts[size, labelled, self.classes[d][labelled]] += 1
        return counts

    def cases(self) -> list[Case]:
        """Matched people by rising OKS; only well labelled ones if there are any, because a
        person with one labelled joint is nearly always a best or a worst case."""
        half = self.skeleton.num_joints / 2
        well = [(d, p) for d, p in self.pairs if np.count_nonzero(self.tables[p][:, 2]) >= half]
        found = [Case(image_id=self.people[p]["image_id"], keypoints=self.found[d],
                      truth=self.tables[p], box=tuple(self.people[p]["bbox"]),
                      oks=self._oks(self.found[d], p), score=float(self.results.scores[d]))
                 for d, p in well or self.pairs]
        return sorted(found, key=lambda case: (case.oks, case.image_id))


def as_text(analysis: ErrorAnalysis) -> str:
    """Three tables: people, AP lost to each class by size, joints by class."""
    a = analysis
    lines = [f"{a.people['all']} people, {a.missed['all']} missed; {a.detections} detections, "
             f"{a.false_positives} false ({a.duplicates} of them a second one of a person)", "",
             f"{'AP lost to':<16}" + "".join(f"{size:>9}" for size in SIZES)
             + f"{'in turn':>11}"]
    for (error, ap), row in zip(a.steps, a.lost.values(), strict=True):
        lines.append(f"{error:<16}" + "".join(_number(row[size], 9) for size in SIZES)
                     + _number(ap, 11))
    lines += [f"{'AP as it is':<16}" + "".join(_number(a.ap[size], 9) for size in SIZES), "",
              f"{'joint':<16}{'labelled':>9}" + "".join(f"{c:>11}" for c in CLASSES)
              + f"{'AP lost':>9}"]
    for name, row, lost in zip(a.joint_names, a.joints[0], a.lost_by_joint[:, 0], strict=True):
        lines.append(_joint_line(name, row) + _number(lost, 9))
    for size, rows in zip(SIZES, a.joints, strict=True):
        lines.append(_joint_line(f"all, {size}" if size != "all" else "all", rows.sum(axis=0)))
    return "\n".join(lines)


def _joint_line(name: str, counts: np.ndarray) -> str:
    shares = counts / max(counts.sum(), 1)
    return f"{name:<16}{counts.sum():>9}" + "".join(f"{share:>11.1%}" for share in shares)


def _number(value: float, width: int) -> str:
    return f"{'-':>{width}}" if np.isnan(value) else f"{value:>{width}.4f}"
