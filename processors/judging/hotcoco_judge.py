"""COCO's keypoint evaluation by hotcoco, an implementation in Rust, where it is installed."""
import contextlib
import io
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from processors.judging.arrays import Results, TruthArrays
from processors.judging.ten_numbers import TenNumbers
from utils.errors import UserError


def by_hotcoco(truth: TruthArrays, results: Results, sigmas: Sequence[float]) -> TenNumbers:
    """Its evaluate, accumulate and summarize, without its prints. Raises UserError where it is not
    installed."""
    try:
        import hotcoco
    except ImportError:
        raise UserError("val.judge is hotcoco, which is not installed: pip install hotcoco, or "
                        "write auto, which gives the same numbers") from None
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")     # it says that other sigmas than COCO's are others
        labelled = hotcoco.COCO(_content(truth, results.category))
        evaluation = hotcoco.COCOeval(labelled, labelled.load_res(results.rows()), "keypoints")
        evaluation.params.kpt_oks_sigmas = [float(sigma) for sigma in sigmas]
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    accumulated: Any = evaluation.eval      # None only before accumulate
    return TenNumbers(np.array(evaluation.stats), accumulated["precision"][:, :, 0, :, 0])


def _content(truth: TruthArrays, category: int) -> dict[str, list[dict[str, Any]]]:
    """As a file of annotations has it."""
    joints = np.concatenate([truth.keypoints, 2.0 * truth.labelled[..., None]], axis=2)
    people = zip(truth.images[truth.image].tolist(), [row.ravel().tolist() for row in joints],
                 truth.boxes.tolist(), truth.areas.tolist(), truth.crowd.tolist(),
                 truth.ignored.tolist(), strict=True)
    return {"images": [{"id": image_id, "file_name": "", "width": 1, "height": 1}
                       for image_id in truth.images.tolist()],
            "annotations": [
                {"id": number, "image_id": image_id, "category_id": category, "keypoints": row,
                 "bbox": box, "area": area, "iscrowd": int(crowd),
                 "num_keypoints": 0 if ignored else 1}
                for number, (image_id, row, box, area, crowd, ignored) in enumerate(people, 1)],
            "categories": [{"id": category, "name": "person"}]}
