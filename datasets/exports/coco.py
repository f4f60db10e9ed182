"""COCO keypoints: one file for all pictures, with the scores of people and joints besides."""
import json
from collections.abc import Iterable
from typing import Any

import numpy as np

from datasets.annotations.skeleton import Skeleton
from datasets.exports.labelled import LabelledImage, LabelledPerson, rounded
from utils.oks import AREA_OF_BOX


def coco_json(images: Iterable[LabelledImage], skeleton: Skeleton, category: str) -> bytes:
    """Content of a file. Not labelled joints are 0 0 0, as COCO's are; pictures with an EXIF
    orientation are upright, which COCO's are not."""
    images = list(images)
    rows = [(image.id, person) for image in images for person in image.persons]
    return json.dumps({
        "info": {"description": f"{category}, predicted by SimplePose, to be corrected"},
        "images": [{"id": image.id, "file_name": image.name, "width": image.size[0],
                    "height": image.size[1], "exif": "obey"} for image in images],
        "annotations": [{"id": number, "image_id": image_id, "category_id": 1, **_fields(person)}
                        for number, (image_id, person) in enumerate(rows, 1)],
        "categories": [{"id": 1, "name": category, "supercategory": category,
                        "keypoints": list(skeleton.joint_names),
                        "skeleton": [[a + 1, b + 1] for a, b in skeleton.limbs]}]}).encode()


def _fields(person: LabelledPerson) -> dict[str, Any]:
    labelled = person.joints[:, 2] > 0
    box = rounded(person.box)
    return {"iscrowd": 0, "bbox": box, "area": rounded(AREA_OF_BOX * box[2] * box[3]),
            "segmentation": [], "num_keypoints": int(labelled.sum()),
            "keypoints": rounded(np.where(labelled[:, None], person.joints, 0).ravel()),
            "score": rounded(person.score, 4), "keypoint_scores": rounded(person.scores, 4)}
