"""From predicted keypoints to COCO results and the ten numbers people compare.

predictions -> `to_results` (score, NMS) -> `write_results` -> `coco_metrics`. Results are written
before AP is computed, so an evaluation that fails afterwards has lost nothing.
"""
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from pycocotools.coco import COCO

from configs.schema import Config, ValConfig
from processors.keypoint_eval import read_ground_truth, run_evaluation, usable_results
from processors.pose_ranking import Predictions, rank_poses
from utils.alignment import get_alignment
from utils.decoders import kernel_for
from utils.files import write_atomically
from utils.log import log

METRICS = ("AP", "AP50", "AP75", "AP(M)", "AP(L)", "AR", "AR50", "AR75", "AR(M)", "AR(L)")
MATCH = 0.1             # OKS from which a pose is one of a person at all, where joints are compared
SIZES = ("all", "medium", "large")      # pycocotools' area ranges for keypoints, in its order


# ---- from predictions to results ---------------------------------------------------------------

def to_results(people: Predictions, val: ValConfig, sigmas: Sequence[float],
               category_id: int = 1) -> list[dict]:
    """`rank_poses` as COCO keypoint results, ready for JSON; in its order. The third column of
    `keypoints` is the joint's score."""
    rows, scores = rank_poses(people, val, sigmas)
    people = people.take(rows)
    joints = np.concatenate([people.keypoints, people.joint_scores[..., None]], axis=2)
    table = joints.reshape(len(people), np.prod(joints.shape[1:])).astype(np.float64).tolist()
    return [{"image_id": image_id, "category_id": category_id, "keypoints": row, "score": score}
            for image_id, row, score in zip(people.image_ids.tolist(), table, scores.tolist(),
                                            strict=True)]


def ensure_writable(path: str | Path) -> None:
    """Raise OSError where `write_results` could not write `path`: asked before a network runs for
    an hour. Makes the folder; writes and removes a file beside it."""
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise NotADirectoryError(f"{error.filename} is a file, and the folder of the results is to "
                                 f"be there: choose another one") from error
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder: the results are to be a file of that name; "
                                f"move the folder away or choose another model_name")
    probe = path.with_name(f"{path.name}.probe")
    write_atomically(probe, lambda file: file.write(b"[]"))
    probe.unlink()


def write_results(results: list[dict], path: str | Path) -> Path:
    """Write COCO results JSON, whole or not at all; what the test-dev server takes."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(results, allow_nan=False, separators=(",", ":"))
    write_atomically(path, lambda file: file.write(text.encode()))
    return path


# ---- from results to numbers -------------------------------------------------------------------

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
    by_joint: dict[str, np.ndarray] = field(default_factory=dict)   # (K,) of processors/metrics.py

    def __getitem__(self, name: str) -> float:
        return self.values[name]


def coco_metrics(ground_truth: COCO | str | Path, results: list[dict], sigmas: Sequence[float],
                 image_ids: Iterable[int] | None = None) -> CocoMetrics:
    """The ten numbers of pycocotools for `results`.

    ground_truth: a COCO keypoints JSON, or a COCO object of one. sigmas: of the skeleton's K
    joints. image_ids: evaluate on these images only (default: all that the file names).
    Results for other images are left out and counted in `notes`; an empty list gives zeros.
    Raises FileNotFoundError or ValueError for a file that is none, or another number of joints.
    """
    truth, notes = read_ground_truth(ground_truth, len(sigmas), image_ids)
    used, more = usable_results(results, truth, len(sigmas))
    notes = (*notes, *more)
    for note in notes:
        log.warning("evaluation: %s", note)
    done = run_evaluation(truth, used, sigmas)
    return CocoMetrics(
        values=dict(zip(METRICS, map(float, done.stats), strict=True)),
        precision=done.eval["precision"][:, :, 0, :, 0], images=len(truth.getImgIds()),
        people=sum(a["num_keypoints"] > 0 and not a["iscrowd"]
                   for a in truth.dataset["annotations"]),
        detections=len(used), notes=notes)


# ---- in words ----------------------------------------------------------------------------------

def protocol(config: Config, weights: str = "", sweep: bool = False) -> str:
    """Everything AP depends on, in words: belongs beside every AP that is shown.

    sweep: what is common to all decoders, with and without flip test.
    """
    codec, val, data = config.codec, config.val, config.data
    alignment = get_alignment(codec.alignment)
    decoder = alignment.decoders[0] if codec.decoder == "default" else codec.decoder
    kernel = codec.blur_kernel or kernel_for(codec.sigma)
    if sweep:
        decoder = f"each one (gauss_taylor with kernel {kernel})"
    elif decoder == "gauss_taylor":
        decoder += f" (kernel {kernel})"
    mirrored = ("heatmaps averaged with those of the mirror image, shifted by "
                f"{alignment.flip_shift} px")
    encoding = alignment.encodings[0] if codec.encoding == "default" else codec.encoding
    boxes = ("ground truth" if val.boxes == "gt" else
             f"detections of {val.boxes} with a score of at least {val.box_score:g}"
             + (", on the images it names only" if val.only_images_with_boxes else ""))
    nms = {"oks": f"OKS-NMS at {val.nms_threshold:g}", "none": "none",
           "soft_oks": f"soft OKS-NMS at {val.nms_threshold:g}"}[val.nms]
    lines = {
        "annotations": data.val_ann_path or "synthetic",
        "boxes": boxes,
        "input": f"{codec.input_size[0]}x{codec.input_size[1]} (width x height), "
                 f"{config.model.input_format}",
        "network": ("that of the ONNX file" if weights.lower().endswith(".onnx")
                    else str(config.model)),
        "weights": weights or "not stated",
        "flip test": (f"with and without; with: {mirrored}" if sweep else
                      mirrored if val.flip_test else "no"),
        "decoder": decoder,
        "alignment": f"{codec.alignment}, encoding {encoding}, sigma {codec.sigma:g}",
        "pose score": f"{val.score_rule}: {_score_in_words(val)}",
        "NMS": nms,
    }
    if set(val.metrics) - {"coco", "crowdpose"}:
        lines["joints"] = (
            "compared in each annotated box, before NMS" if val.boxes == "gt" else
            f"compared in pairs of person and pose, by falling OKS down to {MATCH:g}")
    if data.debug:
        lines["people"] = f"only the first {int(data.debug)} (data.debug)"
    return "\n".join(f"{name + ':':<13}{text}" for name, text in lines.items())


def _score_in_words(val: ValConfig) -> str:
    if val.score_rule == "alphapose":
        return ("" if val.boxes == "gt" else "box score + ") + "mean + 1.25 * max of joint scores"
    if val.score_rule == "simplepose" and val.boxes == "gt":
        return "mean + max of joint scores"
    return f"box score * mean of the joint scores above {val.joint_score:g}"


def table(metrics: CocoMetrics | dict[str, CocoMetrics]) -> str:
    """All numbers, a line for each named evaluation; "-" where a number is undefined.

    Those of `val.metrics` follow below the ten.
    """
    rows = {"": metrics} if isinstance(metrics, CocoMetrics) else metrics
    more = [name for row in list(rows.values())[:1] for name in row.values if name not in METRICS]
    return "\n".join(_lines(rows, METRICS) + (_lines(rows, more) if more else []))


def _lines(rows: dict[str, CocoMetrics], names: Sequence[str]) -> list[str]:
    return columns(names, {title: [row[name] for name in names] for title, row in rows.items()})


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
