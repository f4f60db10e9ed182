"""A drawn image: clutter, people and things in front of them, with COCO annotations."""
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from datasets.annotations.skeleton import Skeleton
from datasets.synthetic.body import LIMB_OF, DrawnPerson, random_colour, random_person
from utils.draw import SUBPIXEL
from utils.oks import AREA_OF_BOX

REGIONS = ("trunk", "head", "left_arm", "right_arm", "left_leg", "right_leg")
FIRST_OF_PERSON = len(REGIONS)      # labels of person i: 1 + i * FIRST_OF_PERSON + region
OCCLUDER = 255
MAX_PEOPLE = 5
PEOPLE_SHARES = (0.52, 0.29, 0.11, 0.05, 0.03)     # of images with 1, 2, ... people
DISC = np.stack([np.cos(angles := np.arange(16) * np.pi / 8), np.sin(angles)], axis=1)


@dataclass
class Scene:
    """An image while it is being drawn."""
    image: np.ndarray          # (H, W, 3) uint8, RGB
    labels: np.ndarray         # (H, W) uint8, who is seen in a pixel: see FIRST_OF_PERSON
    annotations: list[dict]    # COCO annotations without their ids


def draw_scene(rng: np.random.Generator, skeleton: Skeleton) -> Scene:
    """One image of clutter, people and things in front of them, with its annotations."""
    size = (int(rng.integers(320, 481)), int(rng.integers(240, 361)))
    width, height = size if rng.random() < 0.7 else size[::-1]
    scene = Scene(_background(rng, width, height), np.zeros((height, width), np.uint8), [])
    _draw_bystanders(rng, scene, skeleton)
    figures = _place_people(rng, width, height)
    boxes, silhouettes = [], []
    for i, (person, scale, offset) in enumerate(figures):
        mask = paint_person(scene.image, person, scale, offset, 1 + i * FIRST_OF_PERSON)
        np.copyto(scene.labels, mask, where=mask > 0)
        silhouettes.append(mask > 0)
        boxes.append(cv2.boundingRect(mask))
    _draw_occluders(rng, scene, boxes)
    _finish(rng, scene.image)
    for i, (person, scale, offset) in enumerate(figures):
        keypoints = _keypoints(scene.labels, person, scale, offset, i, skeleton)
        # unsigned: the labels of others, and of nobody, wrap around to large numbers
        seen = np.count_nonzero((scene.labels - 1 - i * FIRST_OF_PERSON) < FIRST_OF_PERSON)
        area = np.count_nonzero(silhouettes[i])
        if area == 0:
            continue
        if seen < 0.5 * area or (
                np.count_nonzero(keypoints[:, 2]) < 0.25 * skeleton.num_joints):
            keypoints[:] = 0               # too little is seen: a person without keypoints
        scene.annotations.append(_annotation(silhouettes[i], keypoints))
    return scene


def _place_people(rng: np.random.Generator, width: int, height: int
                  ) -> list[tuple[DrawnPerson, float, np.ndarray]]:
    """Who stands where: (person, pixels per body unit, position of the pelvis), far to near."""
    count = 1 + rng.choice(MAX_PEOPLE, p=PEOPLE_SHARES)
    figures = []
    for slot in rng.permutation(count):
        person = random_person(rng)
        points = np.concatenate([blob.points for blob in person.blobs])[:, :2]
        low, high = points.min(axis=0) - 0.06, points.max(axis=0) + 0.06
        extent = high - low
        fit = min(width / extent[0], height / extent[1])
        share = rng.uniform(0.45, 1.0) if count == 1 else rng.uniform(0.32, 0.90)
        if rng.random() < 0.12:
            share *= 1.6                   # a close-up, cut off by the border
        scale = max(fit * share, 60 / extent.max())
        room = np.array((width, height)) - scale * extent
        where = np.array(((slot + rng.uniform(0.1, 0.9)) / count, rng.uniform(0.0, 1.0)))
        corner = where * room
        corner[1] = max(corner[1], -0.05 * height)     # close-ups lose the legs, not the head
        if rng.random() < 0.1:
            corner[0] += rng.choice((-0.4, 0.4)) * scale * extent[0]
        figures.append((person, scale, corner - scale * low))
    return sorted(figures, key=lambda figure: figure[1])


def paint_person(image: np.ndarray, person: DrawnPerson, scale: float, offset: np.ndarray,
                 first_label: int) -> np.ndarray:
    """Paint a person into `image` (H, W, 3).

    `scale` is in pixels per body unit, `offset` (2,) is the pelvis in image pixels. Returns the
    silhouette (H, W) uint8: 0, or first_label + index of the region (REGIONS) that is on top.
    """
    mask = np.zeros(image.shape[:2], np.uint8)
    for blob in person.blobs:
        centres, radii = blob.points[:, :2] * scale + offset, blob.radii * scale
        outline = tuple(int(0.45 * value) for value in blob.colour) if blob.outline else None
        hull = _hull(centres, radii)
        _fill(image, hull, blob.colour, outline)
        cv2.fillConvexPoly(mask, hull, first_label + REGIONS.index(blob.region), shift=SUBPIXEL)
    return mask


def _hull(centres: np.ndarray, radii: np.ndarray) -> np.ndarray:
    """Convex hull of discs: centres (N, 2) and radii (N,) in pixels -> (M, 1, 2) fixed point."""
    points = centres[:, None] + radii[:, None, None] * DISC
    return cv2.convexHull(np.rint(points.reshape(-1, 2) * 2**SUBPIXEL).astype(np.int32))


def _fill(image: np.ndarray, hull: np.ndarray, colour: tuple, outline: tuple | None) -> None:
    cv2.fillConvexPoly(image, hull, colour, cv2.LINE_AA, SUBPIXEL)
    if outline is not None:
        cv2.polylines(image, [hull], True, outline, 1, cv2.LINE_AA, SUBPIXEL)


def _keypoints(labels: np.ndarray, person: DrawnPerson, scale: float, offset: np.ndarray,
               index: int, skeleton: Skeleton) -> np.ndarray:
    """(K, 3) float64: x, y, v; v is 2 seen, 1 hidden, 0 (with x = y = 0) not labelled.

    As in COCO, joints outside the image and those of a face turned away have no label.
    """
    height, width = labels.shape
    keypoints = np.zeros((skeleton.num_joints, 3))
    for k, name in enumerate(skeleton.joint_names):
        x, y = np.round(person.joints[name][:2] * scale + offset, 2)
        column, row = round(x), round(y)
        inside = 0 <= x and 0 <= y and column < width and row < height
        if inside and name not in person.turned_away:
            region = int(labels[row, column]) - 1 - index * FIRST_OF_PERSON
            keypoints[k] = x, y, 2 if region in _own_regions(name) else 1
    return keypoints


def _own_regions(joint: str) -> tuple[int, ...]:
    """Parts of the body under which a joint counts as seen."""
    side, _, name = joint.rpartition("_")
    regions = {"neck": ("trunk", "head"), "pelvis": ("trunk", "left_leg", "right_leg")}
    for part, limb in LIMB_OF.items():
        regions[part] = (f"{side}_{limb}",)
    return tuple(REGIONS.index(region) for region in regions.get(name, ("head",)))


def _annotation(silhouette: np.ndarray, keypoints: np.ndarray) -> dict:
    """COCO annotation of a silhouette (H, W) bool, whatever hides it, and keypoints (K, 3).

    The area is that of a COCO person with such a box, since OKS is measured by it: drawn people
    are thinner, and by their own area the same error in pixels would count for more.
    """
    mask = silhouette.astype(np.uint8)
    outlines = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_TC89_L1)[0]
    x, y, w, h = cv2.boundingRect(mask)
    polygons = [outline.ravel().tolist() for outline in outlines if len(outline) >= 3]
    return {"category_id": 1, "iscrowd": 0, "area": AREA_OF_BOX * w * h, "bbox": [x, y, w, h],
            "segmentation": polygons or [[x, y, x + w, y, x + w, y + h, x, y + h]],
            "keypoints": [int(value) if value == int(value) else float(value)
                          for value in keypoints.ravel()],
            "num_keypoints": int(np.count_nonzero(keypoints[:, 2]))}


def _draw_bystanders(rng: np.random.Generator, scene: Scene, skeleton: Skeleton) -> None:
    """Now and then somebody too small to label, or a crowd, both as COCO annotates them."""
    height, width = scene.labels.shape
    nothing = np.zeros((skeleton.num_joints, 3))
    if rng.random() < 0.10:
        offset = rng.uniform((0.1 * width, 0.2 * height), (0.9 * width, 0.8 * height))
        mask = paint_person(scene.image, random_person(rng), rng.uniform(24, 40), offset, 1)
        scene.annotations.append(_annotation(mask > 0, nothing))
    if rng.random() < 0.05:
        corner = rng.uniform((0, 0.2 * height), (0.5 * width, 0.5 * height))
        crowd = np.zeros((height, width), bool)
        for i in range(8):
            offset = corner + (0.05 * width * i, rng.uniform(0, 12))
            size = rng.uniform(35, 50)
            crowd |= paint_person(scene.image, random_person(rng), size, offset, 1) > 0
        scene.annotations.append(_annotation(crowd, nothing) | {
            "iscrowd": 1, "segmentation": {"counts": _run_lengths(crowd), "size": [height, width]}})


def _run_lengths(mask: np.ndarray) -> list[int]:
    """COCO's uncompressed RLE of (H, W) bool: column-major runs, beginning with the zeros."""
    flat = np.concatenate(([0], mask.T.ravel(), [0])).astype(np.int8)
    changes = np.flatnonzero(np.diff(flat))
    return np.diff(np.concatenate(([0], changes, [mask.size]))).tolist()


def _draw_occluders(rng: np.random.Generator, scene: Scene, boxes: list[Sequence[int]]) -> None:
    """Things in front of people. They hide less than half of a person's width and height."""
    for x, y, w, h in boxes:
        if rng.random() < 0.10 and w > 0:
            centre = (x, y) + rng.uniform(0.0, 1.0, 2) * (w, h)
            half = rng.uniform(0.06, 0.20, 2) * (w, h)
            hull = _random_shape(rng, centre, half)
            _fill(scene.image, hull, *_random_colours(rng))
            cv2.fillConvexPoly(scene.labels, hull, OCCLUDER, shift=SUBPIXEL)


def _random_shape(rng: np.random.Generator, centre: np.ndarray, half: np.ndarray) -> np.ndarray:
    """Hull of a box, an ellipse, a triangle or a bar with half extents `half` (2,) in pixels."""
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]])
    shape = (corners, DISC, rng.uniform(-1, 1, (3, 2)), corners * (1.0, 0.15))[rng.integers(4)]
    angle = rng.normal(0.0, 0.4)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    return _hull(centre + (shape * half) @ turn, np.full(len(shape), rng.uniform(0, 4)))


def _random_colours(rng: np.random.Generator) -> tuple[tuple[int, int, int], tuple | None]:
    """(fill, outline or None)"""
    red, green, blue = (int(value) for value in random_colour(rng, rng.uniform(0.3, 0.9)))
    outline = (red // 2, green // 2, blue // 2) if rng.random() < 0.5 else None
    return (red, green, blue), outline


def _background(rng: np.random.Generator, width: int, height: int) -> np.ndarray:
    """(H, W, 3) uint8: soft colours, perhaps a texture, and clutter in shapes like limbs too."""
    calm = rng.uniform(0.5, 0.95)
    patches = [[random_colour(rng, calm) for _ in range(3)] for _ in range(3)]
    image = cv2.resize(np.array(patches, np.uint8), (width, height), interpolation=cv2.INTER_CUBIC)
    if rng.random() < 0.5:
        tile = rng.integers(0, 70, (rng.integers(2, 24), rng.integers(2, 24), 1), np.uint8)
        tile = cv2.resize(tile, None, fx=(zoom := rng.uniform(1, 8)), fy=zoom)
        repeats = (height // tile.shape[0] + 1, width // tile.shape[1] + 1)
        texture = np.tile(tile, repeats)[:height, :width]
        image = cv2.subtract(image, cv2.cvtColor(texture, cv2.COLOR_GRAY2RGB))
    for _ in range(rng.integers(3, 13)):
        centre = rng.uniform(0.0, 1.0, 2) * (width, height)
        half = np.exp(rng.uniform(np.log(4.0), np.log(0.3 * width), 2))
        _fill(image, _random_shape(rng, centre, half), *_random_colours(rng))
    for _ in range(rng.integers(0, 6)):
        centre, step = rng.uniform(0.0, 1.0, 2) * (width, height), rng.normal(0.0, 40.0, 2)
        hull = _hull(np.stack([centre, centre + step]), rng.uniform(3, 10, 2))
        _fill(image, hull, *_random_colours(rng))
    return image


def _finish(rng: np.random.Generator, image: np.ndarray) -> None:
    """Light, blur and grain of the whole picture, in place."""
    if rng.random() < 0.1:
        cv2.GaussianBlur(image, (3, 3), 0, dst=image)
    cv2.convertScaleAbs(image, image, alpha=rng.uniform(0.7, 1.1), beta=rng.uniform(0, 20))
    grain = np.frombuffer(rng.bytes(image.size), np.uint8).reshape(image.shape)
    cv2.add(image, grain & (7, 15)[rng.integers(2)], dst=image)
