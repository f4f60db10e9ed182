"""COCO-WholeBody annotations of made-up people, in the fields of the official files."""
import numpy as np

from datasets.annotations.part_fields import PART_FIELDS

FIELDS = {"keypoints": 17, **PART_FIELDS}
PERSON = {"id": 1, "name": "person", "keypoints": [
    "nose", "left_eye", "right_eye", "left_ear", "right_ear", "left_shoulder", "right_shoulder",
    "left_elbow", "right_elbow", "left_wrist", "right_wrist", "left_hip", "right_hip", "left_knee",
    "right_knee", "left_ankle", "right_ankle"]}


def person(rng: np.random.Generator, number: int, image_id: int, box=(20.0, 10.0, 60.0, 80.0),
           unseen=()) -> dict:
    """Somebody with joints anywhere in the box, but for those of the fields `unseen`."""
    corner, size, row = np.array(box[:2]), np.array(box[2:]), {}
    for field, count in FIELDS.items():
        table = np.column_stack([corner + rng.random((count, 2)) * size, np.full(count, 2)])
        seen = field not in unseen
        row[field] = (table.round(1) * seen).ravel().tolist()
        if field != "keypoints":
            row[field.replace("kpts", "valid")] = seen
    return {"id": number, "image_id": image_id, "category_id": 1, "iscrowd": 0,
            "area": float(0.5 * size.prod()), "bbox": list(box),
            "num_keypoints": 0 if "keypoints" in unseen else 17, **row}


def annotations(people: list[dict], size=(100, 100)) -> dict:
    """A whole file. size: width and height of all images."""
    return {"images": [{"id": one, "file_name": f"{one}.jpg", "width": size[0], "height": size[1]}
                       for one in sorted({row["image_id"] for row in people})],
            "annotations": people, "categories": [PERSON]}
