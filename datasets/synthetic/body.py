"""One synthetic person: a random 3-D pose and the coloured shapes that show it.

Body units: a standing person is about 1 tall. Axes: x to the right of the image, y down, z towards
the viewer, pelvis at the origin; yaw 0 faces the viewer, so the person's left is at +x.

Left and right are told apart as in photographs, by where the face, the toes and the front of the
clothes point and by which limb is nearer. A fixed colour per side would be easier to learn, but
it would be wrong in every mirrored crop, in training as in the flip test.
"""
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

SKIN = ((250, 215, 190), (232, 185, 150), (205, 150, 115), (160, 108, 76), (110, 72, 52))
HAIR = ((38, 30, 26), (84, 52, 32), (140, 92, 48), (212, 174, 104), (150, 60, 30), (150, 150, 150))

# Everybody wears these, at the joints: what a net sees first, and learns from few pictures.
# name of the joint -> (colour, radius)
GEAR = {"shoulder": ((240, 200, 40), 0.036), "elbow": ((40, 190, 215), 0.032),
        "wrist": ((35, 65, 235), 0.031), "hip": ((215, 45, 190), 0.034),
        "knee": ((245, 240, 235), 0.038), "ankle": ((60, 195, 80), 0.031)}
# (yaw, share): towards the viewer, away, to the right, to the left
VIEWS = ((0.0, 0.82), (np.pi, 0.08), (np.pi / 2, 0.05), (-np.pi / 2, 0.05))
# ranges in radians: thigh forwards, knee bent, trunk bent forwards; share
LEG_POSES = {
    "standing": ((-0.10, 0.15), (0.0, 0.2), (-0.05, 0.15), 0.50),
    "walking": ((-0.50, 0.70), (0.0, 0.8), (-0.05, 0.20), 0.24),
    "sitting": ((1.15, 1.60), (1.1, 1.7), (-0.10, 0.30), 0.14),
    "crouching": ((1.60, 2.20), (1.9, 2.4), (0.20, 0.60), 0.04),
    "leaning": ((-0.10, 0.40), (0.0, 0.5), (0.30, 0.90), 0.08),
}
# ranges in radians: arm away from the body, arm forwards, elbow bent; share
ARM_POSES = {
    "hanging": ((0.20, 0.55), (-0.3, 0.3), (0.0, 0.4), 0.48),
    "raised": ((2.10, 2.80), (-0.2, 0.2), (0.0, 0.6), 0.20),
    "sideways": ((1.10, 1.80), (-0.2, 0.2), (0.0, 0.9), 0.16),
    "forwards": ((0.05, 0.30), (0.7, 1.6), (0.0, 0.6), 0.06),
    "bent": ((0.30, 0.90), (-0.4, 0.3), (1.2, 1.9), 0.10),
}
# parts of a limb: from, to, radius at either end, whether it is thicker on stout people, and how
# much nearer it is painted than its depth says (arms over the trunk, trousers under the shirt)
SEGMENTS = (
    ("ankle", "toe", 0.024, 0.018, False, -0.032), ("knee", "ankle", 0.032, 0.020, True, -0.030),
    ("hip", "knee", 0.046, 0.033, True, -0.025), ("shoulder", "elbow", 0.033, 0.025, True, 0.030),
    ("elbow", "wrist", 0.023, 0.016, True, 0.034), ("wrist", "hand", 0.017, 0.021, False, 0.036))
LIMB_OF = {"shoulder": "arm", "elbow": "arm", "wrist": "arm", "hip": "leg", "knee": "leg",
           "ankle": "leg"}
SIDES = {"left": 1.0, "right": -1.0}
# (x to the person's left, y down, z forwards) from the middle of the head; ears and eyes: left one
FACE = {"nose": (0.0, 0.018, 0.088), "eye": (0.033, -0.016, 0.062), "ear": (0.068, 0.0, -0.004)}
# how far behind the middle of the head a joint of the face can be and still be seen
FACE_MARGINS = {"nose": 0.0, "left_eye": 0.0, "right_eye": 0.0, "left_ear": 0.03,
                "right_ear": 0.03}


@dataclass
class Blob:
    """A filled convex hull of discs, which is what every part of the body is."""
    points: np.ndarray                  # (N, 3) float64, body units
    radii: np.ndarray                   # (N,) float64, body units
    colour: tuple[int, int, int]        # RGB
    region: str                         # trunk, head, left_arm, right_arm, left_leg, right_leg
    depth: float                        # painted from low (far) to high (near)
    outline: bool = True


@dataclass
class DrawnPerson:
    joints: dict[str, np.ndarray]       # name -> (3,) float64, body units
    blobs: list[Blob]                   # in painting order
    turned_away: frozenset[str]         # joints of the face that are behind the head


def random_person(rng: np.random.Generator) -> DrawnPerson:
    """Draw lots for build, pose, view and clothes."""
    build = _random_build(rng)
    whole, trunk, head = _random_frames(rng, leg_pose := _choose(rng, LEG_POSES))
    joints = _trunk_joints(build, whole, trunk)
    for side in SIDES:
        _add_leg(rng, joints, build, whole, side, leg_pose)
        _add_arm(rng, joints, build, trunk, side, _choose(rng, ARM_POSES))
    _add_head(joints, build, trunk, head)
    away = {name for name, margin in FACE_MARGINS.items()
            if joints[name][2] < joints["head"][2] - margin * build["head"]}
    blobs = _clothed(joints, build, trunk) + _head(joints, build, head, away)
    return DrawnPerson(joints, sorted(blobs, key=lambda blob: blob.depth), frozenset(away))


def _choose(rng: np.random.Generator, table: dict) -> tuple:
    rows = list(table.values())
    return rows[rng.choice(len(rows), p=[row[-1] for row in rows])]


def random_colour(rng: np.random.Generator, calm: float) -> np.ndarray:
    """(3,) float64 RGB; calm 0 keeps all of the colour, 1 leaves grey."""
    colour = rng.uniform(15, 245, 3)
    return calm * colour.mean() + (1 - calm) * colour


def _random_build(rng: np.random.Generator) -> dict:
    """Lengths as factors of the average, and the colours."""
    skin = np.array(SKIN[rng.integers(len(SKIN))]) * rng.uniform(0.9, 1.05)
    return {
        "shoulders": rng.uniform(0.85, 1.15), "hips": rng.uniform(0.85, 1.2),
        "trunk": rng.uniform(0.92, 1.08), "arm": rng.uniform(0.9, 1.12),
        "leg": rng.uniform(0.85, 1.1), "width": rng.uniform(1.1, 1.5),
        "head": rng.uniform(1.3, 1.55), "skin": skin,
        "hair": np.array(HAIR[rng.integers(len(HAIR))]),
        "shirt": random_colour(rng, 0.5), "trousers": random_colour(rng, 0.5),
        "shoes": random_colour(rng, 0.6), "trim": random_colour(rng, 0.1),
        "gear": rng.uniform(0.85, 1.1, 3), "long_sleeves": rng.random() < 0.5,
        "long_trousers": rng.random() < 0.65, "long_hair": rng.random() < 0.4,
        "striped": rng.random() < 0.35,
    }


def _turn(x: float = 0.0, y: float = 0.0, z: float = 0.0) -> np.ndarray:
    """3x3 rotation: x nods forwards, y turns to the right of the image, z rolls clockwise.

    The nod comes first, the roll last.
    """
    (sx, sy, sz), (cx, cy, cz) = np.sin((x, y, z)), np.cos((x, y, z))
    nod = np.array([[1, 0, 0], [0, cx, sx], [0, -sx, cx]])
    yaw = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    roll = np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]])
    return roll @ yaw @ nod


def _random_frames(rng: np.random.Generator, leg_pose: tuple) -> tuple[np.ndarray, ...]:
    """Rotations body -> image of the pelvis, the trunk and the head."""
    yaw = rng.choice([view[0] for view in VIEWS], p=[view[1] for view in VIEWS])
    yaw += rng.normal(0.0, 0.30)
    roll = rng.normal(0.0, 0.09)
    if rng.random() < 0.03:                      # lying, seen from above or from the side
        roll += rng.choice((-1.0, 1.0)) * rng.uniform(1.0, 1.9)
    whole = _turn(x=rng.normal(0.0, 0.08), z=roll) @ _turn(y=yaw)
    bend = rng.uniform(*leg_pose[2])
    trunk = whole @ _turn(x=bend, z=rng.normal(0.0, 0.10))
    head = trunk @ _turn(x=rng.normal(-0.6 * bend, 0.15), y=rng.normal(0.0, 0.25),
                         z=rng.normal(0.0, 0.10))
    return whole, trunk, head


def _trunk_joints(build: dict, whole: np.ndarray, trunk: np.ndarray) -> dict[str, np.ndarray]:
    joints = {"pelvis": np.zeros(3), "neck": trunk @ (0.0, -0.30 * build["trunk"], 0.0)}
    for side, sign in SIDES.items():
        joints[f"{side}_hip"] = whole @ (sign * 0.058 * build["hips"], 0.0, 0.0)
        joints[f"{side}_shoulder"] = joints["neck"] + trunk @ (
            sign * 0.108 * build["shoulders"], 0.022, 0.0)
    return joints


def _swing(abduction: float, flexion: float, sign: float) -> np.ndarray:
    """Unit vector of a limb that hangs down, lifted sideways and then swung forwards."""
    return np.array([sign * np.sin(abduction), np.cos(abduction) * np.cos(flexion),
                     np.cos(abduction) * np.sin(flexion)])


def _add_leg(rng: np.random.Generator, joints: dict, build: dict, frame: np.ndarray, side: str,
             pose: tuple) -> None:
    sign, spread = SIDES[side], rng.uniform(0.0, 0.3)
    flexion, knee = rng.uniform(*pose[0]), rng.uniform(*pose[1])
    shin = frame @ _swing(0.5 * spread, flexion - knee, sign)
    foot = frame @ _swing(0.3, flexion - knee + 1.25, sign)
    length = 0.235 * build["leg"]
    joints[f"{side}_knee"] = joints[f"{side}_hip"] + length * (
        frame @ _swing(spread, flexion, sign))
    joints[f"{side}_ankle"] = joints[f"{side}_knee"] + length * shin
    joints[f"{side}_toe"] = joints[f"{side}_ankle"] + 0.015 * shin + 0.07 * foot


def _add_arm(rng: np.random.Generator, joints: dict, build: dict, frame: np.ndarray, side: str,
             pose: tuple) -> None:
    sign = SIDES[side]
    upper = _swing(rng.uniform(*pose[0]), rng.uniform(*pose[1]), sign)
    # An elbow bends forwards, inwards or upwards, in the plane that the lots decide.
    towards = rng.uniform(0.05, 1.0, 3) * (-sign, -1.0, 1.0)
    towards -= upper * (towards @ upper)
    bend = rng.uniform(*pose[2])
    lower = np.cos(bend) * upper + np.sin(bend) * towards / np.linalg.norm(towards)
    joints[f"{side}_elbow"] = joints[f"{side}_shoulder"] + 0.165 * build["arm"] * (frame @ upper)
    joints[f"{side}_wrist"] = joints[f"{side}_elbow"] + 0.145 * build["arm"] * (frame @ lower)
    joints[f"{side}_hand"] = joints[f"{side}_wrist"] + 0.035 * (frame @ lower)


def _add_head(joints: dict, build: dict, trunk: np.ndarray, head: np.ndarray) -> None:
    size = build["head"]
    centre = joints["neck"] + trunk @ (0.0, -0.05, 0.0) + head @ (0.0, -0.06 * size, 0.02)
    joints["head"], joints["head_top"] = centre, centre + head @ (0.0, -0.095 * size, 0.0)
    joints["nose"] = centre + size * (head @ FACE["nose"])
    for side, sign in SIDES.items():
        for name in ("eye", "ear"):
            x, y, z = FACE[name]
            joints[f"{side}_{name}"] = centre + size * (head @ (sign * x, y, z))


def _rgb(colour: np.ndarray, factor: float = 1.0) -> tuple[int, int, int]:
    red, green, blue = (int(value) for value in np.clip(np.asarray(colour) * factor, 0, 255))
    return red, green, blue


def _clothed(joints: dict, build: dict, trunk: np.ndarray) -> list[Blob]:
    """Trunk, neck, arms and legs. What is nearer is lighter; segments meet at the joints."""
    blobs: list[Blob] = []
    wide = build["width"]

    def add(region: str, depth: float, names: tuple, radii: Sequence[float], colour, factor=1.0,
            outline=True) -> None:
        points = np.array([joints[p] if isinstance(p, str) else p for p in names])
        shade = np.clip(1.0 + 1.4 * (points[:, 2].mean() - middle[2]), 0.7, 1.15)
        blobs.append(Blob(points, np.array(radii), _rgb(colour, factor * shade), region, depth,
                          outline))

    middle = 0.5 * joints["neck"]                # of the trunk, whose depth decides what is near
    hips, shoulders = ("left_hip", "right_hip"), ("left_shoulder", "right_shoulder")
    chest, belly = 0.7 * joints["neck"], 0.25 * joints["neck"]
    add("trunk", middle[2] - 0.02, hips, (0.048 * wide,) * 2, build["trousers"])
    add("trunk", middle[2], shoulders + (chest, belly), (0.034, 0.034, 0.06 * wide, 0.058 * wide),
        build["shirt"])
    _add_trunk_details(add, joints, build, trunk, middle[2])
    neck_end = 0.75 * joints["neck"] + 0.25 * joints["head"]
    add("trunk", middle[2] + 0.004, ("neck", neck_end), (0.03, 0.03), build["skin"], 0.85)
    colours = _limb_colours(build)
    for side in SIDES:
        depths: dict[str, float] = {}
        for start, end, radius, end_radius, fat, bias in SEGMENTS:
            names = f"{side}_{start}", f"{side}_{end}"
            depth = 0.5 * (joints[names[0]][2] + joints[names[1]][2]) + bias
            girth = wide if fat else 1.0
            add(f"{side}_{LIMB_OF[start]}", depth, names, (radius * girth, end_radius * girth),
                colours[start])
            for name in (start, end):
                depths[name] = max(depths.get(name, depth), depth)
        depths["hip"] = max(depths["hip"], joints[f"{side}_hip"][2] + 0.029)
        for name, (colour, radius) in GEAR.items():
            add(f"{side}_{LIMB_OF[name]}", depths[name] + 0.0001, (f"{side}_{name}",), (radius,),
                build["gear"] * colour, np.clip(0.8 + trunk[2, 2], 0.6, 1.0), False)
    return blobs


def _limb_colours(build: dict) -> dict[str, np.ndarray]:
    """Colour of the segment that begins at a joint."""
    sleeve, leg, skin = build["shirt"] * 0.9, build["trousers"], build["skin"]
    return {"shoulder": sleeve, "elbow": sleeve * 0.8 if build["long_sleeves"] else skin,
            "wrist": skin * 1.05, "hip": leg,
            "knee": leg * 0.78 if build["long_trousers"] else skin, "ankle": build["shoes"]}


def _add_trunk_details(add, joints: dict, build: dict, trunk: np.ndarray, depth: float) -> None:
    """Stripes all around; collar and zip only on the front, so that it differs from the back."""
    sides = [(joints[f"{s}_shoulder"], joints[f"{s}_hip"]) for s in SIDES]
    if build["striped"]:
        for t in (0.3, 0.5, 0.7):
            ends = tuple(top + t * (bottom - top) for top, bottom in sides)
            add("trunk", depth + 0.001, ends, (0.01, 0.01), build["trim"], outline=False)
    ahead = trunk[:, 2]
    if ahead[2] > 0.15:
        surface = 0.055 * build["width"] * ahead
        collar, buckle = joints["neck"] + 0.5 * surface, surface
        tip = 0.8 * joints["neck"] + surface
        add("trunk", depth + 0.002, (tip, buckle), (0.007, 0.007), build["trim"], 0.9, False)
        across = 0.035 * trunk[:, 0]
        add("trunk", depth + 0.003, (collar - across, collar + across, tip), (0.008, 0.008, 0.004),
            build["skin"], 0.9, False)


def _head(joints: dict, build: dict, head: np.ndarray, away: set[str]) -> list[Blob]:
    size, ahead, centre = build["head"], head[:, 2], joints["head"]
    base = centre[2] + 0.012
    skin, hair = build["skin"], build["hair"]

    def blob(depth: float, offsets: tuple, radii: tuple, colour, outline=False) -> Blob:
        points = centre + size * np.array(offsets) @ head.T
        return Blob(points, size * np.array(radii), _rgb(colour), "head", base + depth, outline)

    def towards(distance: float) -> float:
        """Depth of something that far in front of the middle of the head."""
        return distance * ahead[2]

    blobs = [blob(towards(0.004), ((0, -0.012, 0.014), (0, 0.050, 0.022)), (0.058, 0.038),
                  skin, True),
             blob(towards(-0.004), ((0, -0.028, -0.014), (0, -0.008, -0.018)), (0.070, 0.064), hair,
                  True)]
    if build["long_hair"]:
        blobs.append(blob(towards(-0.09), ((0, 0.0, -0.04), (0, 0.11, -0.045)), (0.055, 0.035),
                          hair, True))
    for sign, side in ((1, "left"), (-1, "right")):
        if f"{side}_ear" not in away:
            x, y, z = FACE["ear"]
            blobs += [blob(0.007, ((sign * x, y - 0.006, z), (sign * x, y + 0.006, z)),
                           (0.019, 0.017), skin * 0.9, True),
                      blob(0.0071, ((sign * x, y, z),), (0.009,), skin * 0.55)]
        if f"{side}_eye" not in away:
            eye = ((sign * FACE["eye"][0], *FACE["eye"][1:]),)
            blobs += [blob(0.008, eye, (0.0155,), np.array((240, 240, 240))),
                      blob(0.009, eye, (0.0105,), np.array((25, 25, 35)))]
    if "nose" not in away:
        blobs += [blob(0.009, ((0, -0.008, 0.080), FACE["nose"]), (0.006, 0.016),
                       np.array((235, 90, 60))),
                  blob(0.008, ((-0.018, 0.052, 0.06), (0.018, 0.052, 0.06)), (0.006, 0.006),
                       np.array((150, 50, 50)))]
    return blobs
