"""Joints: the skeleton of labels, from their names, from known skeletons and from the people."""
import re
from typing import Any

from datasets.annotations.joint_names import partners, same_joints
from datasets.annotations.skeleton import (
    DEFAULT_SIGMA,
    Skeleton,
    load_skeleton,
    skeleton_to_dict,
)
from datasets.doctor.check_left_right import mended_order
from datasets.doctor.mirror import POSSIBLE
from datasets.doctor.raw_labels import RawLabels
from processors.proposal.facts import spanning_tree

KNOWN = ("coco", "mpii", "crowdpose", "halpe26", "ap10k", "hand21", "coco_wholebody")
BODIED = 8      # joints of a known skeleton, from which on labels have its upper and lower body


def known_skeleton(names: list[str]) -> str:
    """Which skeleton of configs/skeletons has these joints in this order, in whatever spelling."""
    return next((name for name in KNOWN if same_joints(
        names, load_skeleton(name).joint_names) == [*range(load_skeleton(name).num_joints)]), "")


def with_known_sigmas(raw: dict[str, Any]) -> tuple[dict[str, Any], str]:
    """The content of a skeleton with the sigmas of joints that a known one has, too, their weights
    and bodies; and in words where they come from."""
    names = list(map(str, raw["joints"]))
    known = max(map(load_skeleton, KNOWN), key=lambda one: sum(
        place >= 0 for place in same_joints(names, one.joint_names)))
    rows = skeleton_to_dict(known)["joints"]
    places = same_joints(names, known.joint_names)
    bodied = sum(place >= 0 for place in places) >= BODIED
    joints = [[name, rows[place][1], 1.0, rows[place][3] if bodied else "neither"]
              if place >= 0 else [name, None, 1.0, "neither"]
              for name, place in zip(names, places, strict=True)]
    found = [name for name, place in zip(names, places, strict=True) if place >= 0]
    if not found:
        return {**raw, "joints": joints}, f"nobody knows, so {DEFAULT_SIGMA} is taken for all"
    others = f", {DEFAULT_SIGMA} for the others" if len(found) < len(names) else ""
    return {**raw, "joints": joints}, f"{', '.join(found)} as in {known.name}{others}"


def mended_skeleton(raw: dict[str, Any], labels: RawLabels, told: str,
                    ) -> tuple[dict[str, Any], str]:
    """The skeleton with the pairs that the people show, and with limbs if it has none; and in words
    what tells its pairs. told: who tells those in `raw`.

    Shapes alone would make a pair of the head and the tail of an eel, so where names have no sides
    the people tell only of joints that are numbered, such as p1 and p2.
    """
    names, before = labels.part.skeleton.joint_names, list(labels.part.skeleton.flip_order)
    by_name, (order, level) = partners(names), mended_order(labels)
    if level == POSSIBLE:
        order = before      # the doctor says it
    if by_name == before == [*range(len(names))]:
        order = [other if _letters(names[place]) == _letters(names[other]) else place
                 for place, other in enumerate(order)]
    how = told if order == before else "names" if order == by_name else "the people's shapes"
    limbs = raw["limbs"] or [[names[a], names[b]] for a, b in spanning_tree(labels)]
    pairs = [[names[place], names[other]] for place, other in enumerate(order) if place < other]
    return {**raw, "limbs": limbs, "flip_pairs": pairs}, how


def _letters(name: str) -> str:
    return re.sub(r"\d", "", name)


def is_upright_body(skeleton: Skeleton) -> bool:
    """Whether there are halves of a body to crop to."""
    return min(len(skeleton.upper_body), len(skeleton.lower_body)) >= 4
