"""A report of an evaluation: one HTML file that needs no network and nothing beside it."""
from pathlib import Path

import numpy as np
from pycocotools.coco import COCO

from datasets.annotations.skeleton import Skeleton
from datasets.crops.images import ImageError, read_image
from processors.evaluation.coco_metrics import COCO_METRICS, CocoMetrics
from processors.evaluation.error_analysis import CLASSES, Case, ErrorAnalysis, analyse, as_text
from processors.evaluation.ground_truth import GroundTruth, as_ground_truth
from processors.reports import evaluation_charts as charts
from processors.reports.html_page import rows_of, write_page
from utils.draw import cut_out, draw_people
from utils.log import log
from utils.outputs import marked_text, write_output
from utils.rgb import encode_image

CASE_SIZE = (220, 280)     # width, height of one of the two crops of a case, pixels
JPEG_QUALITY = 82
FILES = {"report.html": "page", "error_analysis.txt": "text"}      # of a report: keys of KINDS


def write_report(folder: str | Path, *, title: str, protocol: str, metrics: CocoMetrics,
                 results: list[dict], ground_truth: GroundTruth | COCO | str | Path,
                 img_root: str | Path, skeleton: Skeleton, exif: str = "default",
                 bits: int = 0) -> Path:
    """Analyse the results, write `report.html` and `error_analysis.txt`, return the former.

    protocol: of `protocol.protocol`. results, ground_truth: those `metrics` were computed from.
    img_root: where the files named by the ground truth are; cases whose image cannot be read are
    left out. exif, bits: how images are read, see `read_image`.
    """
    truth = as_ground_truth(ground_truth, skeleton.num_joints)
    analysis = analyse(truth, results, skeleton)
    text = as_text(analysis)
    images = {image["id"]: image for image in truth.images}

    def pictures(cases: tuple[Case, ...]) -> list[tuple[Case, bytes]]:
        return _pictures(cases, images, Path(img_root), skeleton, exif, bits)

    folder = Path(folder)
    write_output(folder / "error_analysis.txt", marked_text(text), "--report")
    write_page(folder / "report.html", "evaluation_page.html", title=title, metrics=metrics,
               ten=COCO_METRICS, analysis=analysis, protocol=rows_of(protocol), text=text,
               curves=charts.precision_recall(metrics.precision[:, :, 0]),
               ap_by_oks=charts.ap_by_oks(metrics.precision[:, :, 0]),
               lost_ap=None if np.isnan(analysis.ap["all"]) else charts.lost_ap(analysis),
               joints=charts.joints(analysis), classes=CLASSES, joint_rows=_joint_rows(analysis),
               visibility_rows=_visibility_rows(metrics, analysis.joint_names),
               worst=pictures(analysis.worst), best=pictures(analysis.best))
    return folder / "report.html"


def _joint_rows(analysis: ErrorAnalysis) -> list[tuple[str, np.ndarray, float]]:
    """Name, counts by CLASSES and AP lost, of each joint and of all together."""
    names = [name.replace("_", " ") for name in analysis.joint_names]
    counts = analysis.joints[0]
    return [*zip(names, counts, analysis.lost_by_joint[:, 0].tolist(), strict=True),
            ("all", counts.sum(axis=0), np.nan)]


def _visibility_rows(metrics: CocoMetrics, joint_names: tuple[str, ...],
                     ) -> list[tuple[str, float, float, list[int]]]:
    """Name, share of right answers, the same by chance, and how many joints of each labelled v had
    each answer; of no joint where the network does not tell."""
    rows = metrics.visibility.rows() if metrics.visibility else []
    return [(name.replace("_", " "), right, chance, counts.ravel().tolist())
            for name, (right, chance, counts) in zip(joint_names, rows, strict=False)]


def _pictures(cases: tuple[Case, ...], images: dict[int, dict], img_root: Path, skeleton: Skeleton,
              exif: str, bits: int) -> list[tuple[Case, bytes]]:
    """The cases whose image can be read, each with a JPEG."""
    pictures = []
    for case in cases:
        try:
            row = images[case.image_id]
            stated = (row["width"], row["height"]) if {"width", "height"} <= row.keys() else None
            image = read_image(img_root / row.get("file_name", ""), stated,
                               row.get("exif") or exif, bits)
        except ImageError as error:
            log.warning("report: %s; the person is left out", error)
            continue
        picture = draw_case(image, case, skeleton)
        pictures.append((case, encode_image(picture, quality=JPEG_QUALITY)))
    return pictures


def draw_case(image: np.ndarray, case: Case, skeleton: Skeleton) -> np.ndarray:
    """The person twice, side by side: as predicted, and as labelled.

    image: (H, W, 3) uint8 RGB, the whole one. Joints that are judged are drawn whatever their
    score is. Returns (h, 2 w + gap, 3) uint8 with w and h of CASE_SIZE.
    """
    labelled = case.truth[:, 2] > 0
    x, y, w, h = case.box
    shown = np.concatenate([case.truth[labelled, :2], [[x, y], [x + w, y + h]]])
    crop, matrix = cut_out(image, shown, CASE_SIZE)
    sides = []
    for table, scores in ((case.keypoints, np.where(labelled, 1.0, case.keypoints[:, 2])),
                          (case.truth, labelled.astype(float))):
        points = table[:, :2] * matrix[0, 0] + matrix[:, 2]
        sides.append(draw_people(crop, points[None], scores[None], skeleton.limbs,
                                 skeleton.joint_names, limb_colours=skeleton.limb_colours,
                                 parts=[*skeleton.parts.values()]))
    gap = np.full((CASE_SIZE[1], 3, 3), 128, np.uint8)
    return np.concatenate([sides[0], gap, sides[1]], axis=1)
