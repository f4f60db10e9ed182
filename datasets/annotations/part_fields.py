"""Part fields: the joints that COCO-WholeBody keeps beside `keypoints`, in one row with those.

Its annotations and results (Jin et al., "Whole-Body Human Pose Estimation in the Wild", ECCV 2020)
have feet, face and hands in fields of their own. In this order, behind those of `keypoints`, they
are the joints of the skeleton coco_wholebody.
"""
from collections.abc import Mapping, Sequence
from itertools import islice

from datasets.annotations.skeleton import load_skeleton

PART_FIELDS = {"foot_kpts": 6, "face_kpts": 68, "lefthand_kpts": 21, "righthand_kpts": 21}
IN_PARTS = sum(PART_FIELDS.values())


def joint_fields(rows: Sequence[Mapping], num_joints: int) -> dict[str, int]:
    """In which fields of the rows how many joints of a skeleton stand, in its order: all in
    `keypoints`, unless that is too short for them and other fields are there."""
    body = num_joints - IN_PARTS
    parted = body > 0 and any(_is_parted(row, num_joints) for row in rows)
    return {"keypoints": body, **PART_FIELDS} if parted else {"keypoints": num_joints}


def part_names() -> dict[str, tuple[str, ...]]:
    """The joints of PART_FIELDS, which no file names."""
    names = iter(load_skeleton("coco_wholebody").joint_names[-IN_PARTS:])
    return {field: tuple(islice(names, count)) for field, count in PART_FIELDS.items()}


def names_in_parts() -> list[str]:
    """The same in one row, as they stand behind those of `keypoints`."""
    return [name for part in part_names().values() for name in part]


def has_parts(rows: Sequence) -> bool:
    """Whether any row of a file has one of PART_FIELDS."""
    return any(isinstance(row, dict) and not PART_FIELDS.keys().isdisjoint(row) for row in rows)


def _is_parted(row: Mapping, num_joints: int) -> bool:
    keypoints = row.get("keypoints")
    whole = isinstance(keypoints, list) and len(keypoints) == 3 * num_joints
    return not whole and not PART_FIELDS.keys().isdisjoint(row)
