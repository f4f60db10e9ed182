"""Joints: the skeleton of labels, from their names, from known skeletons and from the people."""
import re
from collections.abc import Sequence
from typing import Any

from datasets.annotations.joint_names import partners, same_joints, without_partner
from datasets.annotations.skeleton import (
    DEFAULT_SIGMA,
    Skeleton,
    load_skeleton,
    skeleton_to_dict,
)
from datasets.doctor.check_left_right import mended_order
from datasets.doctor.mirror import mirror_of
from datasets.doctor.raw_labels import RawLabels
from processors.proposal.facts import spanning_tree
from utils.shown import first_few

KNOWN = ("coco", "mpii", "crowdpose", "halpe26", "ap10k", "hand21", "coco_wholebody")
DOUBTFUL = 1e-9     # certainty of pairs that are to be had at all
MANY = 100          # people, from which on pairs of numbered joints are theirs to tell
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
                    ) -> tuple[dict[str, Any], str, str]:
    """The skeleton with the pairs that the people show, and with limbs if it has none; in words
    what tells its pairs; and, in words, why people are not to be mirrored by these, "" if they may
    be. told: who tells the pairs in `raw`.

    Shapes alone would make a pair of the head and the tail of an eel, so where names have no sides
    the people tell only of joints that are numbered, such as p1 and p2, and only MANY of them: 30
    people of COCO showed wrong pairs in three draws of eight.
    """
    names, before = labels.part.skeleton.joint_names, list(labels.part.skeleton.flip_order)
    by_name, (shown, level) = partners(names), mended_order(labels, least=DOUBTFUL)
    order, alone = before if level == DOUBTFUL else shown, [*range(len(names))]
    if by_name == before == alone:
        order = [other if _letters(names[place]) == _letters(names[other]) else place
                 for place, other in enumerate(order)]
        order = order if labels.persons.sum() >= MANY else alone
    how = f"{told} tell" if order == before else "names tell" if order == by_name else (
        "the people's shapes tell")
    how += ", against the labels" * (told == "the labels" and order != before)
    how += ", against their names" * (by_name not in (order, alone))
    limbs = raw["limbs"] or [[names[a], names[b]] for a, b in spanning_tree(labels)]
    doubt = _doubt(names, order, mirror_of(labels, turning=True).better(order, [DOUBTFUL])[0])
    return {**raw, "limbs": limbs, "flip_pairs": _pairs(names, order)}, how, doubt


def _doubt(names: Sequence[str], order: list[int], shown: list[int]) -> str:
    """Why a flip order may lack pairs: those that the people show, however unsurely, of joints
    without one; a side without the other; or numbers, which people seen from both sides equally
    often do not settle. One pair of named joints may be the ends of an eel."""
    alone = {name for place, name in enumerate(names) if order[place] == place}
    pairs = [" and ".join(pair) for pair in _pairs(names, shown) if alone.issuperset(pair)]
    numbered = len(set(map(_letters, names))) == 1 < len(names)
    if len(pairs) == 1 and not numbered:
        pairs = []
    if numbered and not pairs and len(alone) == len(names):
        pairs = ["numbered joints"]
    if pairs:
        return (f"{first_few(pairs, 3)} may be left and right of each other, which names do not "
                f"say")
    lone = [name for name in without_partner(names) if name in alone]
    return f"nothing is the other side of {first_few(lone, 6)}" if lone else ""


def _pairs(names: Sequence[str], order: list[int]) -> list[list[str]]:
    return [[names[place], names[other]] for place, other in enumerate(order) if place < other]


def _letters(name: str) -> str:
    return re.sub(r"\d", "", name)


def is_upright_body(skeleton: Skeleton) -> bool:
    """Whether there are halves of a body to crop to."""
    return min(len(skeleton.upper_body), len(skeleton.lower_body)) >= 4
