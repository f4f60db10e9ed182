"""Pictures of ranked people: what the network sees, how sure it is, and what is labelled."""
import numpy as np

from processors.ranking.disagreement import Opinion
from processors.ranking.unsure import UNSURE_SHARE
from utils.draw import cut_out, draw_ellipse, draw_people
from utils.rgb import encode_image

SIZE = (260, 300)           # width, height of a person, pixels
JPEG_QUALITY = 80
ODD_SHARE = 0.9             # of the ellipses of joints whose label is odd
UNSURE, ODD = (120, 220, 120), (255, 70, 70)    # RGB of ellipses
LEAST_HEIGHT = 0.1          # joints with lower peaks are not drawn in a prediction


def picture_of_label(image: np.ndarray, opinion: Opinion, row: int, odd: tuple[int, ...]) -> bytes:
    """A JPEG: the person as predicted, with the ODD_SHARE ellipses of the odd joints, and beside it
    as labelled. image: (H, W, 3) uint8 RGB, the whole one."""
    people = opinion.people
    labelled = people.labelled[row]
    shown = np.concatenate([people.labels[row, labelled], people.looks.keypoints[row, labelled],
                            _corners(people.boxes[row])])
    part, matrix = cut_out(image, shown, SIZE)
    predicted = _with_joints(part, opinion, people.looks.keypoints[row], labelled, matrix)
    _draw_ellipses(predicted, opinion, row, matrix, odd, ODD_SHARE, ODD)
    drawn = _with_joints(part, opinion, people.labels[row], labelled, matrix)
    gap = np.full((SIZE[1], 3, 3), 128, np.uint8)
    return encode_image(np.concatenate([predicted, gap, drawn], axis=1), quality=JPEG_QUALITY)


def picture_of_person(image: np.ndarray, opinion: Opinion, row: int, joints: tuple[int, ...],
                      ) -> bytes:
    """A JPEG of a person without labels, as predicted, with the UNSURE_SHARE ellipses of joints."""
    looks = opinion.people.looks
    seen = looks.heights[row] > LEAST_HEIGHT
    shown = np.concatenate([looks.keypoints[row, seen], _corners(opinion.people.boxes[row])])
    part, matrix = cut_out(image, shown, SIZE)
    canvas = _with_joints(part, opinion, looks.keypoints[row], seen, matrix)
    _draw_ellipses(canvas, opinion, row, matrix, joints, UNSURE_SHARE, UNSURE)
    return encode_image(canvas, quality=JPEG_QUALITY)


def _draw_ellipses(canvas: np.ndarray, opinion: Opinion, row: int, matrix: np.ndarray,
                   joints: tuple[int, ...], share: float, colour: tuple[int, int, int]) -> None:
    """Into canvas, in place, around predicted joints: where that share of such joints lie."""
    looks, scale = opinion.people.looks, matrix[0, 0]
    radius = opinion.calibration.radius(looks.heights[row], share)
    for joint in joints:
        draw_ellipse(canvas, looks.keypoints[row, joint] * scale + matrix[:, 2],
                     opinion.covariance[row, joint] * (radius[joint] * scale) ** 2, colour)


def _with_joints(part: np.ndarray, opinion: Opinion, points: np.ndarray, joints: np.ndarray,
                 matrix: np.ndarray) -> np.ndarray:
    skeleton = opinion.skeleton
    placed = points * matrix[0, 0] + matrix[:, 2]
    return draw_people(part, placed[None], joints[None].astype(float), skeleton.limbs,
                       skeleton.joint_names, limb_colours=skeleton.limb_colours,
                       parts=[*skeleton.parts.values()])


def _corners(box: np.ndarray) -> np.ndarray:
    x, y, w, h = box
    return np.array([[x, y], [x + w, y + h]])
