"""From predicted keypoints to COCO results and the ten numbers people compare.

predictions -> `to_results` (score, NMS) -> `write_results` -> `coco_metrics`. Results are written
before AP is computed, so an evaluation that fails afterwards has lost nothing; AP is computed from
the arrays, not from the rows of the file.
"""
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from pycocotools.coco import COCO

from configs.scores import SCORES
from processors.evaluation.ground_truth import GroundTruth, as_ground_truth
from processors.evaluation.pycocotools_eval import by_pycocotools
from processors.evaluation.results_file import usable_results
from processors.judging.arrays import Results
from processors.judging.hotcoco_judge import by_hotcoco
from processors.judging.ten_numbers import TenNumbers, ten_numbers
from processors.judging.visibility_scores import VisibilityScores
from utils.log import log

COCO_METRICS = SCORES["coco"]
JUDGES: dict[str, Callable[[GroundTruth, Results, Sequence[float]], TenNumbers]] = {
    "auto": lambda truth, results, sigmas: ten_numbers(truth.arrays, results, sigmas),
    "pycocotools": lambda truth, results, sigmas: by_pycocotools(truth.coco(), results, sigmas),
    "hotcoco": lambda truth, results, sigmas: by_hotcoco(truth.arrays, results, sigmas)}


@dataclass(frozen=True)
class CocoMetrics:
    """The ten numbers in official order, then those of `val.metrics`, and what they were computed
    from.

    A number is -1 where it is undefined: no person of that size is labelled.
    """
    values: dict[str, float]
    precision: np.ndarray      # (10, 101, 3) OKS .50:.05:.95, recall 0:.01:1, SIZES; -1 undefined
    images: int                # evaluated
    people: int                # labelled and evaluated
    detections: int
    notes: tuple[str, ...]     # what was missing or left out, one sentence each
    by_joint: dict[str, np.ndarray] = field(default_factory=dict)   # (K,), joint_metrics.py
    parts: tuple[str, ...] = ()     # which have ten numbers of their own in `values`, "foot AP"
    visibility: VisibilityScores | None = None      # of networks with model.visibility

    def __getitem__(self, name: str) -> float:
        return self.values[name]

    @property
    def names_of_parts(self) -> list[str]:
        """Of the numbers in `values` those of a part."""
        return [f"{part} {name}" for part in self.parts for name in COCO_METRICS]

    @property
    def by_part(self) -> dict[str, list[float]]:
        """The ten numbers of each part."""
        return {part: [self.values[f"{part} {name}"] for name in COCO_METRICS]
                for part in self.parts}


def coco_metrics(ground_truth: GroundTruth | COCO | str | Path, results: Results | list[dict],
                 sigmas: Sequence[float], image_ids: Iterable[int] | None = None,
                 judge: str = "auto") -> CocoMetrics:
    """The ten numbers of pycocotools for `results`.

    ground_truth: what was read, or a COCO keypoints JSON, or a COCO object of one. results: arrays,
    or the rows of a file. sigmas: of the skeleton's K joints. image_ids: evaluate on these images
    only (default: all that the file names). judge: one of JUDGES, which give the same. Results for
    other images are left out and counted in `notes`; an empty list gives zeros. Raises
    FileNotFoundError or UserError for a file that is none, another number of joints, results that
    are no numbers, or a judge that is not installed.
    """
    truth = as_ground_truth(ground_truth, len(sigmas), image_ids)
    used, more = usable_results(results, truth, len(sigmas))
    notes = (*truth.notes, *more)
    for note in notes:
        log.warning("evaluation: %s", note)
    done = JUDGES[judge](truth, used, sigmas)
    return CocoMetrics(
        values=dict(zip(COCO_METRICS, map(float, done.stats), strict=True)),
        precision=done.precision, images=len(truth.images), people=truth.people,
        detections=len(used), notes=notes)


# ---- in words ----------------------------------------------------------------------------------


def table(metrics: CocoMetrics | dict[str, CocoMetrics]) -> str:
    """All numbers, a line for each named evaluation and one for each part of the people; "-" where
    a number is undefined.

    Others of `val.metrics` follow below.
    """
    rows = {"": metrics} if isinstance(metrics, CocoMetrics) else metrics
    ten = {}
    for title, row in rows.items():
        ten[title] = [row[name] for name in COCO_METRICS]
        ten |= {f"{title}, {part}".removeprefix(", "): numbers
                for part, numbers in row.by_part.items()}
    first = next(iter(rows.values()))
    more = [name for name in first.values if name not in {*COCO_METRICS, *first.names_of_parts}]
    others = {title: [row[name] for name in more] for title, row in rows.items()}
    return "\n".join([*columns(COCO_METRICS, ten), *(columns(more, others) if more else ())])


def columns(names: Sequence[str], rows: dict[str, list[float]]) -> list[str]:
    """The line of the names, and one for each row, whose numbers are "-" where undefined (-1)."""
    cells = {title: [f"{value:.4f}" if value >= 0 else "-" for value in row]
             for title, row in rows.items()}
    widths = [max(8, *(len(text) + 2 for text in column))
              for column in zip(names, *cells.values(), strict=True)]
    left = max(map(len, rows), default=0)
    return [f"{title:<{left}}" + "".join(f"{text:>{width}}" for text, width in
                                         zip(row, widths, strict=True))
            for title, row in [("", names), *cells.items()]]
