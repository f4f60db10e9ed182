"""Pictures of ranked people: what the network sees, how sure it is, and what is labelled."""
import numpy as np

from processors.ranking.disagreement import Opinion
from processors.ranking.unsure import SHARE
from utils.draw import cut_out, draw_ellipse, draw_people
from utils.rgb import encode_image

SIZE = (260, 300)           # width, height of a person, pixels
JPEG_QUALITY = 80
SURE, ODD = (120, 220, 120), (255, 70, 70)      # RGB of them
LEAST_HEIGHT = 0.1          # joints with lower peaks are not drawn in a prediction


def picture_of_label(image: np.ndarray, opinion: Opinion, row: int, odd: tuple[int, ...]) -> bytes:
    """A JPEG: the person as predicted, and beside it as labelled. image: (H, W, 3) uint8 RGB, the
    whole one. odd: joints whose ellipse is red; the others labelled are green."""
    people = opinion.people
    labelled = people.labelled[row]
    shown = np.concatenate([people.labels[row, labelled], people.looks.keypoints[row, labelled],
                            _corners(people.boxes[row])])
    part, matrix = cut_out(image, shown, SIZE)
    colours = {joint: ODD if joint in odd else SURE for joint in np.flatnonzero(labelled).tolist()}
    predicted = _with_prediction(part, opinion, row, matrix, labelled, colours)
    drawn = _with_joints(part, opinion, people.labels[row], labelled, matrix)
    gap = np.full((SIZE[1], 3, 3), 128, np.uint8)
    return encode_image(np.concatenate([predicted, gap, drawn], axis=1), quality=JPEG_QUALITY)


def picture_of_person(image: np.ndarray, opinion: Opinion, row: int) -> bytes:
    """A JPEG of a person without labels, as predicted, with ellipses."""
    looks = opinion.people.looks
    seen = looks.heights[row] > LEAST_HEIGHT
    shown = np.concatenate([looks.keypoints[row, seen], _corners(opinion.people.boxes[row])])
    part, matrix = cut_out(image, shown, SIZE)
    colours = dict.fromkeys(np.flatnonzero(seen).tolist(), SURE)
    return encode_image(_with_prediction(part, opinion, row, matrix, seen, colours),
                        quality=JPEG_QUALITY)


def _with_prediction(part: np.ndarray, opinion: Opinion, row: int, matrix: np.ndarray,
                     joints: np.ndarray, colours: dict[int, tuple[int, int, int]]) -> np.ndarray:
    """part, with the predicted joints (K,) bool and the SHARE ellipses of those with a colour."""
    looks, scale = opinion.people.looks, matrix[0, 0]
    canvas = _with_joints(part, opinion, looks.keypoints[row], joints, matrix)
    radius = opinion.calibration.radius(looks.heights[row], SHARE)
    for joint, colour in colours.items():
        draw_ellipse(canvas, looks.keypoints[row, joint] * scale + matrix[:, 2],
                     opinion.covariance[row, joint] * (radius[joint] * scale) ** 2, colour)
    return canvas


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
