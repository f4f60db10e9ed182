"""From a detector's raw predictions to the boxes that count, by the rules of YOLOv5."""
from collections.abc import Sequence

import torch
from torchvision.ops import box_convert, nms

CLASS_OFFSET = 7680     # pixels; boxes of two classes are moved apart by this and never meet
MOST_CANDIDATES = 30000


def select_boxes(predictions: torch.Tensor, confidence: float, iou: float,
                 classes: Sequence[int] | None = None, max_detections: int = 300,
                 agnostic: bool = False, multi_label: bool = False) -> torch.Tensor:
    """Predictions of one image (N, 5 + C) float32, as `YOLOv5` gives them -> (M, 6)
    x1, y1, x2, y2, score, class, best first, in the pixels of the predictions.

    score = probability of an object times that of the class, above `confidence`. A box counts
    for its best class only, and `classes` are picked after that: a person under a better class
    is lost. multi_label: it counts for every class above `confidence`. Of two boxes of a class
    (agnostic: of any) that overlap by more than `iou` the better one stays.
    """
    rows = predictions[predictions[:, 4] > confidence]
    scores = rows[:, 5:] * rows[:, 4:5]
    boxes = box_convert(rows[:, :4], "cxcywh", "xyxy")
    if multi_label:
        places, labels = (scores > confidence).nonzero(as_tuple=True)
        boxes, scores = boxes[places], scores[places, labels]
    else:
        scores, labels = scores.max(1)
    found = torch.cat((boxes, scores[:, None], labels[:, None].to(boxes)), 1)[scores > confidence]
    if classes is not None:
        found = found[torch.isin(found[:, 5], torch.tensor(list(classes)).to(found))]
    if len(found) > MOST_CANDIDATES:
        found = found[found[:, 4].topk(MOST_CANDIDATES).indices]
    # float32 rounds these sums to 1/16 pixel and less, which decides some of the closest pairs;
    # done the same way here so that published detections come out equal
    apart = found[:, :4] if agnostic else found[:, :4] + found[:, 5:] * CLASS_OFFSET
    return found[nms(apart, found[:, 4], iou)[:max_detections]]
