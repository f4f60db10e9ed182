"""Pictures for people: skeletons on images, and many images on one sheet."""
from collections.abc import Sequence
from math import ceil

import cv2
import numpy as np

from utils.errors import UserError

# RGB; told apart also by people who see red and green alike
COLOURS = {"left": (255, 150, 20), "right": (40, 150, 255), "middle": (240, 240, 240)}
OUTLINE = (20, 20, 20)
HOLE = 0.65             # of the radius of a hollow joint
SUBPIXEL = 4            # binary places of the coordinates OpenCV draws at
FINE, FINEST = 0.15, 0.6        # width of lines as a part of the gaps between joints; pixels
FARTHEST = 1e6          # pixels; joints beyond it are not drawn, their coordinates would overflow
CAPTION_HEIGHT = 20     # pixels
FONT = cv2.FONT_HERSHEY_SIMPLEX


def draw_people(image: np.ndarray, keypoints: np.ndarray, scores: np.ndarray,
                limbs: Sequence[tuple[int, int]], joint_names: Sequence[str] = (),
                threshold: float = 0.2,
                limb_colours: Sequence[tuple[int, int, int] | None] = (),
                line_width: float = 0.0, parts: Sequence[Sequence[int]] = (),
                visibility: np.ndarray | None = None) -> np.ndarray:
    """Draw skeletons on a copy of `image` (H, W, 3) uint8, RGB.

    keypoints (N, K, 2): image pixels. scores (N, K): joints below `threshold`, and those that are
    not finite, are left out together with their limbs. limbs: pairs of joint indices.
    joint_names: K names; "left_" and "right_" give the colours of the sides. limb_colours: an RGB
    colour for each limb, None where the sides give it. line_width: pixels; 0: lines and dots
    follow the size of each person. parts: joints that lie close together, such as those of a
    hand, which are drawn as much finer as they need; a joint of several counts to the first.
    visibility (N, K): COCO's v, by which absent joints (0) are left out, too, and hidden ones (1)
    are hollow; None: nobody knows. N = 0 gives a plain copy.
    """
    canvas = np.ascontiguousarray(image).copy()
    sides = [_side(name) for name in joint_names] or ["middle"] * np.shape(keypoints)[-2]
    colours = [colour or COLOURS[sides[a] if sides[a] == sides[b] else "middle"]
               for (a, b), colour in zip(limbs, limb_colours or [None] * len(limbs), strict=True)]
    v = np.full(np.shape(scores), 2) if visibility is None else visibility
    for points, joint_scores, seen in zip(keypoints, scores, v, strict=True):
        points = np.asarray(points, np.float64)
        drawn = (np.asarray(joint_scores) >= threshold) & (np.abs(points) < FARTHEST).all(axis=1)
        drawn &= seen > 0
        if drawn.any():
            lines = [(a, b, colour) for (a, b), colour in zip(limbs, colours, strict=True)
                     if drawn[a] and drawn[b]]
            _draw_person(canvas, points, np.flatnonzero(drawn), lines, sides,
                         _widths(points, drawn, line_width, parts), seen == 1)
    return canvas


def _side(name: str) -> str:
    side = name.split("_")[0]
    return side if side in COLOURS else "middle"


def _widths(points: np.ndarray, drawn: np.ndarray, line_width: float,
            parts: Sequence[Sequence[int]]) -> np.ndarray:
    """(K,) pixels: how wide the lines at each joint of a person are."""
    size = max(np.ptp(points[drawn], axis=0).max(), 30.0)
    width = max(1, round(line_width or size / 110))
    widths = np.full(len(points), float(width))
    for part in reversed(parts):
        joints = [joint for joint in part if drawn[joint]]
        if joints:
            gap = np.ptp(points[joints], axis=0).max() / len(joints) ** 0.5
            widths[joints] = np.clip(gap * FINE, FINEST, width)
    return widths


def _draw_person(canvas: np.ndarray, points: np.ndarray, joints: np.ndarray,
                 lines: list[tuple[int, int, tuple]], sides: list[str],
                 widths: np.ndarray, hollow: np.ndarray) -> None:
    """Outlines first, so that they surround the whole figure and do not cut it up. hollow: (K,)
    bool."""
    coarse = widths >= widths.max()
    radii = np.where(coarse, 0.75 * widths + 0.8, 1.2 * widths)
    rims = np.where(coarse, np.maximum(1.0, 0.35 * widths), FINEST)
    for outline in (True, False):
        for a, b, colour in lines:
            finer = a if widths[a] < widths[b] else b
            cv2.line(canvas, _fixed(points[a]), _fixed(points[b]), OUTLINE if outline else colour,
                     round(max(1.0, widths[finer]) + 2 * rims[finer] * outline), cv2.LINE_AA,
                     SUBPIXEL)
        for joint in joints:
            lighter = tuple((value + 255) // 2 for value in COLOURS[sides[joint]])
            cv2.circle(canvas, _fixed(points[joint]),
                       round((radii[joint] + rims[joint] * outline) * 2**SUBPIXEL),
                       OUTLINE if outline else lighter, -1, cv2.LINE_AA, SUBPIXEL)
            if hollow[joint] and not outline:
                cv2.circle(canvas, _fixed(points[joint]), round(HOLE * radii[joint] * 2**SUBPIXEL),
                           OUTLINE, -1, cv2.LINE_AA, SUBPIXEL)


def _fixed(point: np.ndarray) -> tuple[int, int]:
    x, y = np.rint(point * 2**SUBPIXEL).astype(int)
    return int(x), int(y)


def cut_out(image: np.ndarray, points: np.ndarray, size: tuple[int, int],
            ) -> tuple[np.ndarray, np.ndarray]:
    """The part of an image around points, and where they are in it.

    image: (H, W, 3) uint8. points: (M, 2) image pixels. size: (width, height) of the part, which
    shows a quarter more than the points span. Returns it, (h, w, 3) uint8, and the affine (2, 3)
    that leads from image pixels to its pixels, without a turn.
    """
    low, high = points.min(axis=0), points.max(axis=0)
    span = 1.25 * np.maximum(high - low, 8)
    scale = min(size[0] / span[0], size[1] / span[1])
    matrix = np.array([[scale, 0, 0], [0, scale, 0]])
    matrix[:, 2] = np.array(size) / 2 - scale * (low + high) / 2
    part = cv2.warpAffine(image, matrix, size, borderValue=(40, 40, 40),
                          flags=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    return part, matrix


def draw_ellipse(canvas: np.ndarray, centre: np.ndarray, covariance: np.ndarray,
                 colour: tuple[int, int, int]) -> None:
    """Into canvas (H, W, 3) uint8, in place, the ellipse of Mahalanobis radius 1 around `centre`
    (2,), pixels. covariance: (2, 2), positive definite."""
    angles = np.linspace(0, 2 * np.pi, 49)
    circle = np.stack([np.cos(angles), np.sin(angles)])
    points = np.asarray(centre)[:, None] + np.linalg.cholesky(covariance) @ circle
    if np.abs(points).max() < FARTHEST:
        fixed = np.rint(points.T * 2**SUBPIXEL).astype(np.int32)
        for line, thickness in ((OUTLINE, 3), (colour, 1)):
            cv2.polylines(canvas, [fixed], True, line, thickness, cv2.LINE_AA, SUBPIXEL)


def contact_sheet(images: Sequence[np.ndarray], columns: int, cell_size: tuple[int, int],
                  captions: Sequence[str] | None = None, gap: int = 4) -> np.ndarray:
    """Images (h, w, 3) uint8 of any size, row by row in cells of `cell_size` (width, height).

    Each is scaled to fit its cell and centred. With captions (one per image, cut to the cell) a
    row is CAPTION_HEIGHT taller. Returns (H, W, 3) uint8; raises ValueError without any image.
    """
    if not len(images) or columns < 1:
        raise UserError(f"a contact sheet of {len(images)} images in {columns} columns would be "
                         f"empty: give at least one of each")
    width, height = cell_size
    row_height = height + (CAPTION_HEIGHT if captions is not None else 0)
    columns = min(columns, len(images))
    rows = ceil(len(images) / columns)
    sheet_size = rows * (row_height + gap) + gap, columns * (width + gap) + gap
    sheet = np.full((*sheet_size, 3), 32, np.uint8)
    for i, image in enumerate(images):
        top = gap + (i // columns) * (row_height + gap)
        left = gap + (i % columns) * (width + gap)
        fitted = _fit(image, width, height)
        h, w = fitted.shape[:2]
        y, x = top + (height - h) // 2, left + (width - w) // 2
        sheet[y:y + h, x:x + w] = fitted
        if captions and captions[i]:
            strip = sheet[top + height:top + row_height, left:left + width].copy()
            write_text(strip, captions[i], 0, CAPTION_HEIGHT, 0.4)
            sheet[top + height:top + row_height, left:left + width] = strip
    return sheet


def _fit(image: np.ndarray, width: int, height: int) -> np.ndarray:
    """Scale (h, w, 3) so that it just fits into width x height, at least 1 pixel a side."""
    h, w = image.shape[:2]
    scale = min(width / w, height / h)
    size = max(1, min(width, round(w * scale))), max(1, min(height, round(h * scale)))
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)


def write_text(canvas: np.ndarray, text: str, x: float, y: float, scale: float,
               colour: tuple[int, int, int] = (255, 255, 255)) -> int:
    """One line on a dark ground into canvas (H, W, 3) uint8, in place, its lower left corner at
    (x, y) or as near as the picture allows; cut to its width, and "?" for what is not ASCII, all
    that OpenCV 4's font has. Returns the height of the ground, pixels."""
    text, thickness = text.encode("ascii", "replace").decode(), max(1, round(1.5 * scale))
    while True:
        (width, height), below = cv2.getTextSize(text, FONT, scale, thickness)
        rim = 2 + below // 2
        if not text or width + 2 * rim <= canvas.shape[1]:
            break
        text = text[:-1]
    box_width, box_height = width + 2 * rim, height + below + 2 * rim
    left = int(np.clip(x, 0, max(0, canvas.shape[1] - box_width)))
    low = int(np.clip(y, box_height, max(box_height, canvas.shape[0])))
    cv2.rectangle(canvas, (left, low - box_height), (left + box_width, low), OUTLINE, -1)
    cv2.putText(canvas, text, (left + rim, low - rim - below), FONT, scale, colour, thickness,
                cv2.LINE_AA)
    return box_height
