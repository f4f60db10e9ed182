"""Skeleton: what a set of joints is called, how it mirrors, and how exactly it is labelled.

A skeleton is a YAML file; configs/skeletons/coco.yaml shows all there is to say, and
`joints: [nose, tail]` is all that must be said.
"""
import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from configs.schema import MOST_JOINTS
from configs.strict_yaml import read_yaml
from datasets.annotations.joint_names import same_joints
from utils.errors import UserError
from utils.files import ROOT
from utils.shown import is_plain, most_like, shortened, shown
from utils.user_path import user_path

SKELETON_DIR = ROOT / "configs" / "skeletons"
KEYS = ("name", "joints", "flip_pairs", "limbs", "parts")
BODIES = ("upper", "lower", "neither")
MOST_LIMBS = 10 * MOST_JOINTS
LONGEST_NAME = 100          # characters of a joint's name
LARGEST = 1000              # of sigmas and weights
MOST_PARTS = 50
PART_NAME = re.compile("[A-Za-z][A-Za-z0-9_]{0,39}")    # begins the names of its scores
DEFAULT_SIGMA = 0.067       # of a joint without one: the mean of COCO's seventeen


@dataclass(frozen=True, kw_only=True)
class Skeleton:
    """K joints in annotation order; every other field refers to them by index."""
    name: str
    joint_names: tuple[str, ...]
    sigmas: tuple[float, ...]                   # OKS falloff per joint (COCO's "sigmas")
    joint_weights: tuple[float, ...]            # optional per-joint loss weights
    upper_body: tuple[int, ...]                 # for half-body augmentation
    lower_body: tuple[int, ...]
    flip_pairs: tuple[tuple[int, int], ...]     # joints that change places in a mirror
    limbs: tuple[tuple[int, int], ...]          # lines to draw
    limb_colours: tuple[tuple[int, int, int] | None, ...] = ()  # RGB, None: as the sides say
    guessed_sigmas: tuple[str, ...] = ()        # joints whose sigma is only DEFAULT_SIGMA
    parts: Mapping[str, tuple[int, ...]] = field(default_factory=dict)      # joints of each, rising

    @property
    def num_joints(self) -> int:
        return len(self.joint_names)

    @property
    def flip_order(self) -> tuple[int, ...]:
        """Permutation p with mirrored[j] = original[p[j]]."""
        order = list(range(self.num_joints))
        for left, right in self.flip_pairs:
            order[left], order[right] = right, left
        return tuple(order)

    def notes(self) -> tuple[str, ...]:
        """What a number that was computed with this skeleton must be read with."""
        if not self.guessed_sigmas:
            return ()
        return (f"the skeleton {self.name} gives no sigma for {', '.join(self.guessed_sigmas)}; "
                f"{DEFAULT_SIGMA} is used, so AP is comparable only with the same rule",)


def load_skeleton(name_or_path: str) -> Skeleton:
    """Read `configs/skeletons/NAME.yaml`, or the YAML file at a path.

    Raises FileNotFoundError or UserError that name the file and the wrong entry.
    """
    path = Path(user_path(name_or_path))
    if path.name == name_or_path and not path.suffix:
        path = SKELETON_DIR / f"{name_or_path}.yaml"
    if not path.is_file():
        known = ", ".join(sorted(p.stem for p in SKELETON_DIR.glob("*.yaml")))
        there = "is no file" if path.exists() else "does not exist"
        raise FileNotFoundError(f"skeleton file {path} {there}: give a path to a YAML or one of: "
                                f"{known}")
    return skeleton_from_dict(read_yaml(path), path, path.stem)


def skeleton_from_dict(raw: Any, where: str | Path, name: str = "skeleton") -> Skeleton:
    """The Skeleton of a YAML's content. where: for messages. name: if `raw` says none."""
    if not isinstance(raw, dict) or not isinstance(raw.get("joints"), list) or not raw["joints"]:
        raise UserError(f"{where}: a skeleton needs a list of joints, and may have the keys "
                         f"name, flip_pairs, limbs and parts")

    def fail(key: str, entry: Any, what: str) -> NoReturn:
        raise UserError(f"{where}: {key} has the entry {shown(entry)}; {what}")

    for key in raw:
        if key not in KEYS:
            key = shortened(key) if isinstance(key, str) else shown(key)
            near = most_like(key, KEYS)
            raise UserError(f"{where}: there is no key {key}; " + (
                f"did you mean {near[0]}?" if near else f"the keys are {', '.join(KEYS)}"))
    if "name" in raw and not _is_name(raw["name"]):
        fail("name", raw["name"], f"write one word of at most {LONGEST_NAME} characters")
    if len(raw["joints"]) > MOST_JOINTS:
        raise UserError(f"{where}: joints has {len(raw['joints'])} entries; at most {MOST_JOINTS} "
                        f"are possible")
    joints = [_joint(entry, fail) for entry in raw["joints"]]
    names = tuple(joint[0] for joint in joints)
    double = sorted(name for name, count in Counter(names).items() if count > 1)
    if double:
        raise UserError(f"{where}: joints has {shortened(', '.join(double))} twice; every joint "
                        f"needs its own name")
    places = {name: place for place, name in enumerate(names)}
    limbs = _entries(raw, "limbs", fail)
    return Skeleton(
        name=str(raw.get("name", name)), joint_names=names,
        sigmas=tuple(DEFAULT_SIGMA if sigma is None else sigma for _, sigma, _, _ in joints),
        joint_weights=tuple(weight for _, _, weight, _ in joints),
        upper_body=tuple(i for i, joint in enumerate(joints) if joint[3] == "upper"),
        lower_body=tuple(i for i, joint in enumerate(joints) if joint[3] == "lower"),
        flip_pairs=_flip_pairs(_entries(raw, "flip_pairs", fail), places, fail),
        limbs=tuple(_pair("limbs", limb[:2], places, fail) for limb in limbs),
        limb_colours=tuple(_colour(limb, fail) for limb in limbs),
        guessed_sigmas=tuple(name for name, sigma, _, _ in joints if sigma is None),
        parts=_parts(raw.get("parts"), places, fail))


def skeleton_to_dict(skeleton: Skeleton) -> dict[str, Any]:
    """What `skeleton_from_dict` reads; goes into checkpoints, for the YAML may get lost."""
    names = skeleton.joint_names
    bodies = {i: body for body, rows in (("upper", skeleton.upper_body),
                                         ("lower", skeleton.lower_body)) for i in rows}
    joints = [[name, None if name in skeleton.guessed_sigmas else sigma, weight,
               bodies.get(i, "neither")]
              for i, (name, sigma, weight) in enumerate(zip(
                  names, skeleton.sigmas, skeleton.joint_weights, strict=True))]
    colours = skeleton.limb_colours or (None,) * len(skeleton.limbs)
    limbs = [[names[a], names[b], *([list(colour)] if colour else [])]
             for (a, b), colour in zip(skeleton.limbs, colours, strict=True)]
    parts = {part: [names[i] for i in rows] for part, rows in skeleton.parts.items()}
    return {"name": skeleton.name, "joints": joints, "limbs": limbs,
            "flip_pairs": [[names[a], names[b]] for a, b in skeleton.flip_pairs],
            **({"parts": parts} if parts else {})}      # which version 0.1.0 does not know


def _joint(entry: Any, fail: Callable) -> tuple[str, float | None, float, str]:
    """Name, sigma or None, weight and body of an entry of `joints`."""
    form = (f"write a name, or [name, sigma, weight, {', '.join(BODIES[:-1])} or {BODIES[-1]}], "
            f"where an empty sigma means {DEFAULT_SIGMA}")
    row = entry if isinstance(entry, list) else [entry, None, 1.0, "neither"]
    if len(row) != 4 or row[3] not in BODIES:
        fail("joints", entry, form)
    name, sigma, weight, body = row
    if not _is_name(name):
        fail("joints", entry, f"the name must be text of at most {LONGEST_NAME} characters; put "
             f"quotes around words such as on and no")
    if not (sigma is None or _number(sigma) and sigma > 0):
        fail("joints", entry, f"the sigma must be a number above 0 and at most {LARGEST} (YAML "
             f"takes 5e-2 for text, write 0.05), or ~ for the default")
    if not (_number(weight) and weight >= 0):
        fail("joints", entry, f"the weight must be a number of at least 0 and at most {LARGEST}")
    return str(name), None if sigma is None else float(sigma), float(weight), body


def _is_name(value: Any) -> bool:
    """Whether it can be a name, and stand in a message."""
    if isinstance(value, int) and not isinstance(value, bool):
        return abs(value) < 10 ** LONGEST_NAME
    return (isinstance(value, str) and len(value) <= LONGEST_NAME and bool(value.strip())
            and is_plain(value))


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value <= LARGEST


def _entries(raw: dict[str, Any], key: str, fail: Callable) -> list[list]:
    """The lists under a key that may be missing or empty."""
    entries = [] if raw.get(key) is None else raw[key]
    if not isinstance(entries, list):
        fail(key, entries, "write a list of pairs of joints")
    if len(entries) > MOST_LIMBS:
        fail(key, entries, f"write at most {MOST_LIMBS} of them")
    for entry in entries:
        if not isinstance(entry, list) or len(entry) < 2:
            fail(key, entry, "each entry is two names out of joints")
    return entries


def _pair(key: str, pair: list, places: Mapping[str, int], fail: Callable) -> tuple[int, int]:
    if not all(map(_is_name, pair)):
        fail(key, pair, "each entry is two names out of joints")
    one, other = (_place(key, pair, name, places, fail) for name in pair)
    if one == other:
        fail(key, pair, "each entry is two different joints")
    return one, other


def _place(key: str, entry: list, name: Any, places: Mapping[str, int], fail: Callable) -> int:
    """The index of a joint in an entry, by its name."""
    if str(name) not in places:
        near = most_like(str(name), places)
        fail(key, entry, f"{shortened(str(name))} is none of the joints" + (
            f"; did you mean {near[0]}?" if near else f" {shortened(', '.join(places))}"))
    return places[str(name)]


def _flip_pairs(entries: list[list], places: Mapping[str, int], fail: Callable,
                ) -> tuple[tuple[int, int], ...]:
    """Pairs in which no joint comes twice: it can change its place with one other only."""
    seen: set[int] = set()
    pairs = []
    for entry in entries:
        if len(entry) != 2:
            fail("flip_pairs", entry, "each entry is two names out of joints")
        pair = _pair("flip_pairs", entry, places, fail)
        again = seen & set(pair)
        if again:
            fail("flip_pairs", entry, f"{list(places)[again.pop()]} stands in another pair already")
        seen |= set(pair)
        pairs.append(pair)
    return tuple(pairs)


def _parts(parts: Any, places: Mapping[str, int], fail: Callable) -> dict[str, tuple[int, ...]]:
    """The joints of each part: names, and pairs of names for all joints from one to the other."""
    parts = {} if parts is None else parts
    if not isinstance(parts, dict) or len(parts) > MOST_PARTS:
        fail("parts", parts, f"write at most {MOST_PARTS} names of parts, and the joints of each")
    found = {}
    for part, entries in parts.items():
        if not (isinstance(part, str) and PART_NAME.fullmatch(part)):
            fail("parts", part, "the name of a part is a word of at most 40 letters a to z, digits "
                                "and _")
        if not isinstance(entries, list) or not 0 < len(entries) <= MOST_JOINTS:
            fail("parts", {part: entries}, "write the list of its joints, [first, last] in it for "
                                           "all from one to another")
        found[part] = tuple(sorted({row for entry in entries
                                    for row in _run(part, entry, places, fail)}))
    return found


def _run(part: str, entry: Any, places: Mapping[str, int], fail: Callable) -> range:
    """The joints of an entry of a part."""
    if not isinstance(entry, list):
        if not _is_name(entry):
            fail("parts", {part: entry}, "each entry is a joint, or [first, last]")
        first = last = _place("parts", [entry], entry, places, fail)
    elif len(entry) != 2:
        fail("parts", entry, "a run of joints is [first, last]")
    else:
        first, last = _pair("parts", entry, places, fail)
    if first > last:
        fail("parts", entry, "the first joint stands behind the last one")
    return range(first, last + 1)


def _colour(limb: list, fail: Callable) -> tuple[int, int, int] | None:
    if len(limb) == 2:
        return None
    colour = limb[2]
    if (len(limb) > 3 or not isinstance(colour, list) or len(colour) != 3
            or not all(type(value) is int and 0 <= value <= 255 for value in colour)):
        fail("limbs", limb, "after the two joints may stand a colour, [red, green, blue] of 0 "
                            "to 255")
    return tuple(colour)


def published_joints() -> dict[int, tuple[str, ...]]:
    """The joint names of published checkpoints by their number, which is all they tell of it."""
    skeletons = [load_skeleton(name) for name in ("coco", "mpii", "crowdpose", "halpe26",
                                                       "coco_wholebody")]
    return {skeleton.num_joints: skeleton.joint_names for skeleton in skeletons}


def joint_map(source: Skeleton, target: Skeleton) -> tuple[int, ...]:
    """For each joint of `target` the index of the joint with its name, however spelled, in
    `source`, -1 without.

    Raises UserError if they share no name.
    """
    found = tuple(same_joints(target.joint_names, source.joint_names))
    if max(found) < 0:
        raise UserError(f"the skeletons {source.name} and {target.name} have no joint name in "
                         f"common: rename the joints in one of them")
    return found
